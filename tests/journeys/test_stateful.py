"""Whole graphs, everything that can be asked of their runs, in any order: Postgres and the pure half stay equal.

Workflows of every kind of node are drawn, and a sequence of calls: starts, work done by hand and by turns, people's
answers, events, cancels, letters taken up, runs made from runs, time that passes and steps back, lost caches. After
each call the journal must hold what `decide` and `fold` alone have made of the same commands at the same times: the
same facts, or the same refusal and nothing; the same status, rows, caches, letters and receipts. In the end everybody
works and answers, and every run ends.

Hypothesis draws, and shortens what it finds; plain dice, which repeat themselves less, tell longer stories. In CI
both are the same each time, and few. `SQUIDIE_EXAMPLES=300 make test ARGS=tests/journeys/test_stateful.py` makes as
many of each as it says, others each time; a story names its seed when it fails, and `SQUIDIE_STORY=<seed>` tells it
alone.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from random import Random

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from squidie.history.facts import KINDS
from tests.support.moves import MOVES, SEEDS, Moves

EXAMPLES = os.environ.get("SQUIDIE_EXAMPLES")
STORY = os.environ.get("SQUIDIE_STORY")
LENGTH, FEWEST, MOST, FIRST = 100, 9, 60, 58
"""The moves of a story; so many stories are told, and others until everything has happened.

From the seed `FIRST` on that takes few. Whoever changes the moves may look for another one.
"""
BESIDES = {
    *("outcome run_ended", "outcome stale_claim", "outcome conflicting_outcome", "revived", "repeated"),
    *("repeated start", "requeued after the end", "discarded after the end", "refused key_reused"),
    *("refused unsafe_replay", "refused already_resolved", "refused event_mismatch", "refused wrong_verb"),
    *("refused invalid_transition", "refused stale_revision", "refused dead_letter_not_found"),
}
"""What a story is to hold besides facts of every kind."""


class Drawn(Moves, RuleBasedStateMachine):
    """The moves as rules."""

    def teardown(self):
        if self.both is None:
            return
        try:
            if sys.exc_info()[0] is None:
                self.come_to_rest()
        finally:
            self.both.squidie.close()


def test_postgres_and_the_pure_half_say_the_same_of_every_run(database_url, scratch):
    """2.7, 2.8, 3.4, 4.3 to 4.6, 5.4 to 5.7, 5.11, 6.5, 6.6, 6.9, 7.1, 7.2, 7.5, 8.3, 17.2, 18.1 to 18.4, 18.11."""
    machine = type("Drawn", (Drawn,), {"database": scratch})
    quick = {"phases": [Phase.generate], "derandomize": True}
    given = {"phases": [Phase.generate, Phase.shrink]} if EXAMPLES else quick

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(EXAMPLES or 8),
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            **given,
        ),
    )


def test_stories_told_by_dice_hold_facts_of_every_kind_and_both_halves_agree(database_url, scratch):
    """2 (invariants), 3.3, 3.4: the comparison would prove little if what it compares never happened."""
    tally, first = Counter(), Random().randrange(10**9) if EXAMPLES else FIRST
    least, never = int(EXAMPLES or FEWEST), {*KINDS, *BESIDES}
    seeds = [int(STORY)] if STORY else range(first, first + max(least, MOST))

    for number, seed in enumerate(seeds):
        if number < least or never:
            told(scratch, seed, tally)
            never -= (+tally).keys()

    assert STORY or never == set()


def told(scratch, seed, tally):
    """One story: moves by their weights, then rest."""
    dice, moves = Random(seed), Moves()
    moves.database = scratch
    weights = [weight for weight, _, _ in MOVES]
    try:
        moves.begin(dice.choice(SEEDS), dice.choice(SEEDS))
        for _ in range(LENGTH):
            [(_, name, choices)] = dice.choices(MOVES, weights)
            getattr(moves, name)(**{argument: dice.choice(found) for argument, found in choices.items()})
            moves.is_sound()
        moves.come_to_rest()
    except Exception as error:
        error.add_note(f"SQUIDIE_STORY={seed}")
        raise
    finally:
        if moves.both is not None:
            tally.update(moves.both.tally)
            moves.both.squidie.close()
