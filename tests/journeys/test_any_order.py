"""Whatever the graph, the outcomes and the order of turns, deaths and cancels: every run ends once."""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from squidie import Retry, Squidie, step
from squidie.engine.claim import claim as engine_claim
from squidie.engine.turn import Turn
from squidie.errors import InvalidTransition
from squidie.journal import facts
from squidie.testing.clock import set_clock
from squidie.testing.invariants import stuck, violations
from tests.support.flows import CALLS, Planned, act
from tests.support.lab import NOON, claim, completion, failure, query, release, scalar, settle

NUMBERS = count(1)
WORDS = st.sampled_from(["ok", "ok", "ok", "raise", "fail", "later:1", "bad", "big:9000"])
OWNER = f"lab:{os.getpid()}:x"


@st.composite
def workflows(draw):
    """A connected or unconnected graph of up to six steps, some of them retried."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 6)))]
    steps = {
        name: step(act, retry=draw(st.sampled_from([None, None, Retry(3, min=1), Retry(2, min=5)]))) for name in names
    }
    edges = [
        steps[one] >> steps[two] for at, two in enumerate(names) for one in names[:at] if draw(st.integers(0, 2)) == 0
    ]  # fmt: skip
    linked = {id(each) for edge in edges for each in edge.steps}
    alone = [each for each in steps.values() if id(each) not in linked]
    return type(f"Drawn{next(NUMBERS)}", (Planned,), {**steps, "flow": [*edges, *alone]})


PLANS = st.dictionaries(
    st.sampled_from([f"s{n}" for n in range(6)]), st.lists(WORDS, min_size=1, max_size=3), max_size=4
)
MOVES = st.lists(
    st.one_of(
        st.just("next"),
        st.just("turn"),
        st.just("claim"),
        st.tuples(st.sampled_from(["complete", "fail", "release", "renew", "forget"]), st.integers(0, 5)),
        st.tuples(st.just("cancel"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 2, 40])),
        st.just("sweep"),
        st.just("drop caches"),
    ),
    max_size=25,
)


class World:
    """One journal, what is held by hand, and a clock."""

    def __init__(self, squidie, runs):
        self.squidie, self.runs, self.held, self.now = squidie, runs, [], NOON

    def move(self, move):
        match move:
            case "next":
                self.squidie.execute_next()
            case "turn":
                self.squidie.turn(["default"])
            case "claim":
                self.held += claim(self.squidie, 3, owner=OWNER)
            case "sweep":
                self.squidie.sweep(["default"])
            case "drop caches":
                with self.squidie.engine.begin() as connection:
                    connection.execute(text("update squidie.runs set state = null"))
            case ("wait", seconds):
                self.wait(seconds)
            case ("cancel", which):
                self.cancel(self.runs[which % len(self.runs)])
            case (verb, which) if self.held:
                self.by_hand(verb, self.held.pop(which % len(self.held)))

    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)
        set_clock(self.squidie.engine, self.now)

    def cancel(self, run):
        try:
            self.squidie.cancel(run.id, reason="drawn")
        except InvalidTransition:
            assert run.snapshot().status != "running"

    def by_hand(self, verb, row):
        outcomes = {"complete": completion, "fail": lambda row: failure(row, retryable=True), "release": release}
        if verb in outcomes:
            error = settle(self.squidie, outcomes[verb](row))
            assert getattr(error, "code", None) in (None, "stale_claim", "run_ended")

    def come_to_rest(self):
        """Time passes, everybody works, nobody interferes."""
        for _ in range(60):
            self.wait(3600)
            self.squidie.sweep(["default"])
            if not self.squidie.turn(["default"]).claimed and not query(self.squidie, "select 1 from {s}.attempts"):
                return
        raise AssertionError("it does not come to rest")


@settings(
    max_examples=int(os.environ.get("SQUIDIE_EXAMPLES", "25")),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    derandomize="SQUIDIE_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(workflow=workflows(), plans=st.lists(PLANS, min_size=1, max_size=4), moves=MOVES)
def test_every_run_ends_once_whatever_happens_in_whatever_order(database_url, workflow, plans, moves):
    """2 (invariants), 3.4, 16: random graphs, outcomes, deaths, late outcomes, cancels and lost caches."""
    squidie = Squidie(database_url, workflows=[workflow])
    set_clock(squidie.engine, NOON)
    world = World(squidie, [squidie.start(workflow, {"plan": plan}) for plan in plans])

    for move in moves:
        world.move(move)
    world.come_to_rest()

    for run in world.runs:
        ends_once(squidie, run)
    assert stuck(squidie.engine) == []
    squidie.close()


def ends_once(squidie, run):
    with squidie._parts.journal.reading() as connection:
        stream = [each.fact for each in facts.verified(squidie._parts.journal, connection, run.id)]
    assert run.snapshot().status in ("completed", "failed", "cancelled")
    assert sum(fact.kind.startswith("run_") for fact in stream) == 2
    done = [fact.step for fact in stream if fact.kind == "attempt_completed"]
    assert len(done) == len(set(done))


@pytest.mark.parametrize("seed", range(3))
def test_the_journal_is_sound_at_every_moment(database_url, make, seed):
    """3, `squidie_violation`: looked at between any two moves, not only at rest."""
    from random import Random

    from tests.support.flows import Diamond, Patient, Wide

    dice = Random(seed)
    squidie = make()
    set_clock(squidie.engine, NOON)
    words = ["ok", "raise", "fail", "later:1", "ok"]
    plans = [{"plan": {name: [dice.choice(words)] for name in "abcdxyz"}} for _ in range(6)]
    world = World(squidie, [squidie.start(dice.choice([Diamond, Wide, Patient]), plan) for plan in plans])
    moves = [
        "next",
        "claim",
        "sweep",
        ("wait", 40),
        ("complete", 1),
        ("fail", 0),
        ("release", 2),
        ("forget", 0),
        ("cancel", 3),
    ]
    for _ in range(25):
        world.move(dice.choice(moves))
        assert violations(squidie.engine) == []
    world.come_to_rest()
    assert scalar(squidie, "select count(*) from {s}.runs where status = 'running'") == 0


def test_a_turn_that_dies_between_any_two_steps_of_a_batch_loses_nothing(make):
    """K06: a batch of eight is dropped after each number of steps run; leases end, and all runs complete."""
    squidie = make()
    squidie._parts.pace.short = frozenset(squidie.registry.served)
    set_clock(squidie.engine, NOON)
    from tests.support.flows import Chain

    runs = squidie.start_many(Chain, [{} for _ in range(8)])
    for died_after in range(8):
        work = engine_claim(squidie._parts, "default", 8).work
        turn = Turn(squidie._parts, ("default",), lambda: False)
        for each in work[:died_after]:
            turn._execute(each)  # run, and never settled
        squidie._parts.renewer.drop([each.holding for each in work])
        set_clock(squidie.engine, NOON + timedelta(hours=died_after + 1))
        squidie.sweep()
        set_clock(squidie.engine, NOON + timedelta(hours=died_after + 1, minutes=1))
        squidie.turn(["default"])

    assert [run.result(1) for run in runs] == ["c1"] * 8
    assert len(CALLS) >= 24
