"""Signals that end a training: noted first, obeyed at the second, and left as they were afterwards."""

import os
import signal
import sys
import threading

import pytest

from graphkit.train import signals


def test_a_second_signal_ends_the_process_at_once(monkeypatch):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with signals.Interrupts() as interrupts:
            signal.raise_signal(number)
            assert interrupts.received == number and codes == []
            signal.raise_signal(number)
        assert codes.pop() == code


def test_a_second_signal_at_a_prompt_interrupts_what_runs(monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with signals.Interrupts():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_as_before_and_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with signals.Interrupts() as interrupts:
            signal.raise_signal(signal.SIGTERM)
            assert interrupts.received is None
    finally:
        signal.signal(signal.SIGTERM, before)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("number", "kind", "code"), [(signal.SIGINT, KeyboardInterrupt, None), (signal.SIGTERM, SystemExit, 143)]
)
def test_a_signal_is_noted_and_raised_where_it_is_asked_for(number, kind, code):
    with signals.Interrupts() as interrupts:
        interrupts.check()
        signal.raise_signal(number)
        with pytest.raises(signals.Interrupted):
            interrupts.check()
        exception = interrupts.exception()
    assert type(exception) is kind and getattr(exception, "code", None) == code


def test_interrupted_is_caught_by_no_except_exception():
    assert not issubclass(signals.Interrupted, Exception)


def test_other_threads_note_nothing():
    def enter():
        with signals.Interrupts() as interrupts:
            found.append((dict(interrupts.previous), signal.getsignal(signal.SIGINT)))

    found = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [({}, signal.default_int_handler)]
