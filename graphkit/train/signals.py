"""Signals: an interrupted training ends where its state is whole, and can be gone on with."""

import os
import signal
import sys
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)
STATUS = 128  # added to a signal's number it is the exit code of a process that the signal ends


class Interrupted(BaseException):
    """Leads out of a training at a place where its state is whole."""


class Interrupts:
    """Notes the signals that ask a process to end while a block runs; a second one ends it at once.

    Signals that the process ignores stay ignored. Only a process's main thread can take signals: in others
    nothing is noted.

    Attributes:
      received: the number of the first signal, or None.
    """

    def __init__(self):
        self.received = None
        self.previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if handler not in (signal.SIG_IGN, None):  # None: set by a program that embeds Python
                    self.previous[number] = signal.signal(number, self.note)
        return self

    def __exit__(self, *exception):
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def note(self, number, frame):
        if self.received is None:
            self.received = number
        elif is_interactive():
            raise KeyboardInterrupt
        else:
            os._exit(STATUS + number)

    def check(self):
        """Raises `Interrupted` if a signal was received."""
        if self.received is not None:
            raise Interrupted

    def exception(self):
        """Returns what the signal means to a Python program."""
        if self.received == signal.SIGINT:
            return KeyboardInterrupt()
        return SystemExit(STATUS + self.received)


def is_interactive():
    """Tells whether a person is at a prompt or a notebook, which must outlive what it runs."""
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules
