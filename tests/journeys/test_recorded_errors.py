"""What is kept of a step's exception, whatever it is: cut, masked, with its origin and no local variables (5.8)."""

from __future__ import annotations

import json

import pytest

from squidie import Fail
from tests.support.flows import HOOKS, Patient, Single
from tests.support.lab import all_facts, query, work_off

MOST = 8 * 1024
SECRET = "canary-4711"


class Mute(Exception):
    """Its message cannot be read."""

    def __str__(self):
        raise RuntimeError(SECRET)


class Odd(Exception):
    """Its message is no text."""

    def __str__(self):
        return 5  # noqa: PLE0307 - that is what is wrong with it


class Closed(Exception):
    """Its details cannot be read."""

    @property
    def details(self):
        raise RuntimeError(SECRET)


def recorded(squidie, error, workflow=Single):
    """The record of a step that raises this."""

    def fail(_):
        local = SECRET  # noqa: F841 - it must not be seen
        raise error

    HOOKS["only"] = HOOKS["a"] = fail
    run = squidie.start(workflow)
    squidie.execute_next()
    return next(fact.error for fact in all_facts(squidie, run) if fact.kind == "attempt_failed")


def everything_kept(squidie):
    """The text of every table that holds anything of a failure."""
    tables = ("facts", "runs", "dead_letters", "attempts", "receipts")
    return "".join(row[0] for table in tables for row in query(squidie, f"select t::text from {{s}}.{table} t"))


def test_a_record_says_what_was_raised_where_and_by_which_calls(squidie):
    """5.8: kind, code, type, message, details, origin, frames, retryable and attempt."""
    kept = recorded(squidie, KeyError("spam"), Patient)

    assert (kept.kind, kept.code, kept.type, kept.message) == ("step_raised", "step_raised", "KeyError", "'spam'")
    assert (kept.details, kept.retryable, kept.attempt) == (None, True, 1)
    assert kept.origin == f"{__name__}:recorded.<locals>.fail"
    files, names = zip(*(frame.rsplit(" ", 1) for frame in kept.frames), strict=True)
    assert names == ("act", "fail")
    assert [each.rpartition(":")[0] for each in files] == [
        "tests/support/flows.py",
        "tests/journeys/test_recorded_errors.py",
    ]
    assert all(each.rpartition(":")[2].isdigit() for each in files)


def test_the_hosts_own_code_stands_beside_the_kind(squidie):
    """5.3, 5.8"""
    kept = recorded(squidie, Fail("no money", code="declined", details={"why": "limit"}))

    assert (kept.kind, kept.code, kept.details) == ("step_failed", "declined", {"why": "limit"})


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Mute(), "(the message of this Mute could not be read)"),
        (Odd(), "(the message of this Odd could not be read)"),
        (ValueError(), ""),
        (ValueError("a\0b"), "a␀b"),
        (ValueError("a\ud800b"), "a?b"),
        (
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "what"),
            "'utf-8' codec can't decode byte 0xff in position 0: what",
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_whatever_str_does_there_is_a_record(squidie, error, message):
    """5.8: a `str()` that raises or is unprintable."""
    kept = recorded(squidie, error)

    assert (kept.type, kept.message) == (type(error).__qualname__, message)
    assert SECRET not in everything_kept(squidie)


@pytest.mark.parametrize("text", ["x" * 10**6, "é" * 10**6, "token=x " * 2000], ids=["ascii", "wide", "masked"])
def test_a_message_is_cut(squidie, text):
    """5.8: to 8 KiB as it is stored, also where masking makes it longer."""
    kept = recorded(squidie, ValueError(text))

    assert MOST - 10 <= len(kept.message.encode()) <= MOST


def test_a_name_of_a_type_is_cut_and_details_are_replaced(squidie):
    """5.8"""
    endless = type("E" * 10**5, (Exception,), {"__qualname__": "E" * 10**5})

    assert len(recorded(squidie, endless()).type) == MOST
    big = recorded(squidie, Fail("x", details={"big": "y" * MOST}))
    assert list(big.details) == ["refused"]
    assert recorded(squidie, Fail("x", details={"what": object()})).details["refused"].startswith("details")
    assert recorded(squidie, Closed("x")).details == {"refused": "they could not be read"}
    assert SECRET not in everything_kept(squidie)


SECRETS = [
    ValueError(f"password={SECRET}"),
    ValueError(f"cannot log in with token: '{SECRET}', sorry"),
    ValueError(f'{{"api_key": "{SECRET}"}}'),
    ValueError(f"Authorization: Bearer {SECRET}"),
    ValueError(f"postgresql://me:{SECRET}@host/database"),
    ValueError("x" * (MOST - 24) + f" postgresql://me:{SECRET}@host/database"),
    Fail(f"secret={SECRET}", details={"db_password": SECRET, "in": [{"Token": SECRET}], "url": f"amqp://u:{SECRET}@h"}),
]


@pytest.mark.parametrize("error", SECRETS, ids=range(len(SECRETS)))
def test_what_stands_under_the_name_of_a_secret_is_masked(squidie, caplog, error):
    """5.8: proved by: canary secrets in exceptions appear in no table, log or view, whole or in part."""
    with caplog.at_level(0):
        recorded(squidie, error)
        work_off(squidie)

    (run,) = squidie.list_runs().runs
    seen = json.dumps(squidie.inspect_run(run.id), default=str) + str(squidie.inspect_run(run.id))
    for place in (everything_kept(squidie), seen, caplog.text):
        assert SECRET[:8] not in place
    assert "***" in everything_kept(squidie)


def test_of_the_type_only_neither_message_nor_frames_are_kept(make):
    """5.8: `errors="type_only"`."""
    squidie = make(settings={"errors": "type_only"})
    kept = recorded(squidie, ValueError(f"the customer is {SECRET}"))

    assert (kept.kind, kept.type, kept.message, kept.frames) == ("step_raised", "ValueError", "", ())
    assert kept.origin.endswith(":recorded.<locals>.fail")
    assert SECRET not in everything_kept(squidie)
