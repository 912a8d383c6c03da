"""What failed the same way (5.6): one fingerprint, whatever ids, times and numbers a message mentions."""

from __future__ import annotations

import msgspec
import pytest

from squidie.history.bodies import ErrorRecord, FailureCode
from squidie.history.likeness import LONGEST, alike, general

ERROR = ErrorRecord(
    kind=FailureCode.STEP_RAISED, code="step_raised", type="Timeout", message="order 7 took 3.5 s", origin="shop:pay"
)


def changed(**fields):
    return alike("Orders", "pay", msgspec.structs.replace(ERROR, **fields))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("order 7 took 3.5 s", "order <n> took <n> s"),
        ("order-0042: 1,250.00 is too much", "order-<n>: <n> is too much"),
        ("run 01980f2e-1c3f-7a10-8f00-9d4f5a6b7c8d is gone", "run <id> is gone"),
        ("object at 0x7f3a2b", "object at <id>"),
        ("commit 9fceb02d0ae598e9 is unknown", "commit <id> is unknown"),
        ("since 2026-03-10T12:00:00.123Z, until 2026-03-11", "since <time>, until <time>"),
        ("FontNotFound: 'Inter'", "FontNotFound: 'Inter'"),
        ("the facade of a deadbeef decade", "the facade of a deadbeef decade"),
        ("", ""),
        ("v1beta2", "v<n>beta<n>"),
    ],
)
def test_ids_times_and_numbers_are_taken_out_and_words_stay(message, said):
    assert general(message) == said


def test_what_differs_in_numbers_only_is_alike():
    assert changed() == changed(message="order 8 took 120 s") == changed(attempt=4, frames=("x",))
    assert len(changed()) == 16


@pytest.mark.parametrize(
    "fields",
    [
        {"message": "order 7 was lost"},
        {"type": "OSError"},
        {"code": "declined"},
        {"kind": FailureCode.TIMED_OUT},
        {"origin": None},
    ],
)
def test_what_differs_otherwise_is_not(fields):
    assert changed(**fields) != changed()


def test_another_step_or_workflow_is_another_failure():
    assert len({alike("A", "x", ERROR), alike("A", "y", ERROR), alike("B", "x", ERROR)}) == 3


def test_only_the_beginning_of_a_long_message_counts():
    assert changed(message="x" * LONGEST) == changed(message="x" * LONGEST + " and more")
