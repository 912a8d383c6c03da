"""Checks of `squidie doctor` that look at the journal itself: whether it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.cli.checks.patient import Finding, Severity
from squidie.engine.memory import WHO
from squidie.journal import queues
from squidie.views.words import many

if TYPE_CHECKING:
    from squidie.cli.checks.patient import Patient

SAMPLE = 100


def journal_regressed(patient: Patient) -> Finding:
    """No worker has found that commits are gone which it had seen."""
    with patient.journal.looking() as connection:
        found = queues.paused(patient.journal, connection, queues.EVERY)
    if found is None or found.by != WHO:
        return Finding(Severity.OK, "nobody misses a commit")
    evidence = f"{found.reason}; since {found.since:%Y-%m-%d %H:%M:%S} UTC nothing is claimed"
    return Finding(Severity.ERROR, evidence, "look at these runs and at the failover; then: squidie queues resume '*'")


def journal_verify(patient: Patient) -> Finding:
    """Of some runs, drawn: their facts are whole, and what is derived from them agrees. Nothing is put aside for it."""
    found = patient.squidie.verify(sample=SAMPLE, put_aside=False)
    read = f"{many(found.runs, 'run')} with {many(found.facts, 'fact')}"
    if found.is_sound:
        return Finding(Severity.OK, f"{read}, drawn: whole")
    first = next(each for each in found.found if each.rule != "unknown_kind")
    wrong = len({each.run_id for each in found.found if each.rule != "unknown_kind"})
    evidence = f"{wrong} of {read} disagree, first run {first.run_id}: {first.rule} at fact {first.seq}"
    if any(each.is_damage for each in found.found):
        return Finding(Severity.ERROR, evidence, "squidie verify looks at all and puts aside what is damaged")
    return Finding(Severity.ERROR, evidence, "squidie verify --rebuild")
