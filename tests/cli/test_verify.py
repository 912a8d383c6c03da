"""`squidie verify` (SEMANTICS 17.10, UX 8.2 and 8.4): what is said, and the exit codes."""

from __future__ import annotations

import json

import pytest

from squidie.cli.checks.journal import journal_verify
from squidie.cli.checks.patient import Patient, Severity
from squidie.cli.setup import Setup
from tests.support.flows import Chain
from tests.support.lab import change, scalar, work_off
from tests.support.tampering import tamper, unguarded

pytestmark = pytest.mark.usefixtures("staffed")


@pytest.fixture
def told(call):
    """Call `squidie verify …`; its lines on both ends, once its exit code was seen."""

    def told(*arguments, code=0):
        result = call("verify", *arguments, columns=100)
        assert result.exit_code == code, result.output
        return result.output.splitlines()

    return told


def test_a_sound_journal_is_said_in_one_line(squidie, told):
    """17.10"""
    squidie.start_many(Chain, [{}, {}])
    work_off(squidie)

    (said,) = told("--strict")

    assert said.startswith("✓ 2 runs with 10 facts: whole, and what is derived agrees (")
    assert said.endswith(" facts/s)")


@pytest.mark.tampered("a fact is another one")
def test_a_damaged_run_is_named_with_seq_and_rule(squidie, told):
    """17.10, 3.7: exit 1, and nothing of it is claimed."""
    run = squidie.start(Chain)
    squidie.execute_next()
    tamper(squidie, run, "edited", 2)

    said = " ".join(" ".join(told(run.id.hex[-8:], code=1)).split())

    assert said.startswith(f"✕ {run.id.hex[-6:]} Chain · bad_hash at fact 2: attempt_completed is not what was written")
    assert "nothing of it is claimed" in said
    assert scalar(squidie, "select count(*) from {s}.attempts") == 0


def test_what_differs_is_made_again_when_asked(squidie, told):
    """17.10, 3.4: exit 1 while it stands; once mended 0, or 8 where that counts."""
    squidie.start(Chain)
    change(squidie, "delete from {s}.attempts")

    assert "squidie verify --rebuild" in told(code=1)[-1]
    assert "✓ 1 run made again from facts" in told("--rebuild")
    change(squidie, "delete from {s}.attempts")
    assert told("--rebuild", "--strict", code=8)[0].endswith("a 1 has no row · made again")
    work_off(squidie)
    assert told("--strict")


@pytest.mark.tampered("a fact of a kind that nobody knows")
def test_what_a_newer_version_wrote_is_a_warning(squidie, told):
    """17.10, 3.8"""
    squidie.start(Chain)
    with unguarded(squidie) as do:
        do("update {s}.facts set kind = 'novelty'")

    assert told()[0].startswith("⚠")
    assert told("--strict", code=8)


@pytest.mark.tampered("a row lies on another queue")
def test_programs_read_one_document(squidie, call):
    """17.10, UX 8.4"""
    run = squidie.start(Chain)
    change(squidie, "update {s}.attempts set queue = 'other'")

    result = call("verify", "--json")
    found = json.loads(result.stdout)

    assert (result.exit_code, result.stderr) == (1, "")
    assert (found["schema"], found["ok"], found["runs"], found["facts"]) == ("squidie.verification/1", False, 1, 1)
    assert found["found"] == [
        {
            "run_id": str(run.id),
            "workflow": "Chain",
            "status": "running",
            "seq": 1,
            "rule": "attempt_mismatch",
            "said": "the row of a 1 differs",
            "is_damage": False,
            "rebuilt": False,
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--sample", "0"), 2), (("--sample", "3", "--rebuild"), 2), (("--sample", "3", "abc"), 2), (("abcdef",), 3)],
)
def test_what_cannot_be_meant_is_refused(told, arguments, code):
    """17.10, bad input."""
    told(*arguments, code=code)


@pytest.mark.tampered("a fact is another one")
def test_the_doctor_looks_at_a_sample_and_changes_nothing(squidie):
    """17.10: `journal.verify`"""
    run = squidie.start(Chain)
    patient = Patient(Setup(celery=type("App", (), {"squidie": squidie})()))

    assert journal_verify(patient).severity is Severity.OK
    tamper(squidie, run, "edited", 1)
    found = journal_verify(patient)

    assert (found.severity, found.evidence) == (
        Severity.ERROR,
        f"1 of 1 run with 1 fact disagree, first run {run.id}: bad_hash at fact 1",
    )
    assert scalar(squidie, "select count(*) from {s}.attempts") == 1
