"""Signals: an interrupted training ends between two runs of steps, where it can be saved and continued."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STATUS = 128  # as in shells: the exit code of a process that a signal ends is this plus its number


class Interrupted(BaseException):
    """Raised at a place where a training can be saved and continued; not seen outside of `fit`."""


class Interrupts:
    """Notes a signal that asks the process to end while a block runs; a second one ends it at once.

    A handler that raised an exception could do so between any two lines, with a step half recorded. This one
    only notes the signal, and `check` raises at places where the state is complete.

    Signals that the process ignores stay ignored. Python lets only the main thread set handlers; in other
    threads nothing is noted.

    Args:
      decides: function (topic, wish) -> decision of all workers, see `Workers.decides`.

    Attributes:
      received: the number of the first signal, or None.
    """

    def __init__(self, decides: Callable[[str, bool], bool] = lambda topic, wish: wish) -> None:
        self.decides = decides
        self.received: int | None = None
        self.previous: dict[int, Any] = {}  # handlers that were set before the block

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if handler not in (signal.SIG_IGN, None):  # None: set by a program that embeds Python
                    self.previous[number] = signal.signal(number, self.note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def note(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
        elif is_interactive():
            raise KeyboardInterrupt
        else:
            os._exit(STATUS + number)  # at once, since the session may be busy for long

    def check(self) -> None:
        """Raises `Interrupted` if a signal was received, by any worker."""
        for number in SIGNALS:
            if self.decides(signal.Signals(number).name, self.received == number):
                self.received = number
                raise Interrupted

    def exception(self) -> BaseException:
        """Returns the exception that the signal received stands for in Python."""
        if self.received in (None, signal.SIGINT):
            return KeyboardInterrupt()
        return SystemExit(STATUS + self.received)


def is_interactive() -> bool:
    """Whether Python runs a prompt or a notebook, which must not end with what it runs."""
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules
