"""Every verb with the wire cut at its commit, and with its process killed at each of its statements (SEMANTICS 2.9)."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from tests.postgres.test_kills import at_each_statement
from tests.support.flows import Diamond, Single
from tests.support.lab import all_facts, change, counts, kinds, query, scalar, work_off
from tests.support.steering_flows import STEERED, Asked, Awaiting, Parking, Several, notify

WHEN = pytest.mark.parametrize("when", ["before", "after"])
FAILING = {"b": ["fail"], "d": ["fail"]}


@pytest.fixture
def squidie(make, bells):
    return make(*STEERED, Diamond, Single, keep=[notify], delivery=bells)


@pytest.fixture
def far(make, wire, database_url):
    """A runtime at the other end of the wire."""
    return make(*STEERED, Diamond, Single, database=wire.postgres_url(database_url), keep=[notify])


VERBS = {
    "approve": (Asked, lambda on, run: on.approve(run, actor="ann"), "pause_resolved"),
    "vote": (Several, lambda on, run: on.approve(run, actor="ann"), "vote_cast"),
    "reject": (Asked, lambda on, run: on.reject(run, actor="ann"), "pause_resolved"),
    "delegate": (Asked, lambda on, run: on.delegate(run, to_role="board"), "review_delegated"),
    "cancel": (Asked, lambda on, run: on.cancel(run, reason="x"), "run_cancelled"),
    "event": (Awaiting, lambda on, run: on.signal_run(run, event="paid", correlation="order-1"), "event_received"),
    "requeue": (Parking, lambda on, run: on.requeue(run, "b", reason="x", actor="ann"), "step_requeued"),
    "discard": (Parking, lambda on, run: on.discard(run, "b", reason="x", actor="ann"), "step_discarded"),
}
BIRTHS = {
    "replay": lambda on, run: on.replay(run),
    "fork": lambda on, run: on.fork(run, "d"),
    "requeue": lambda on, run: on.requeue(run, "d", reason="x", actor="ann"),
}


@WHEN
@pytest.mark.parametrize("verb", VERBS)
def test_a_command_whose_answer_was_lost_happens_once(squidie, far, wire, when, verb):
    """2.9, P06: without a key, too; the caller sees one answer."""
    workflow, call, fact = VERBS[verb]
    run = squidie.start(workflow, {"plan": FAILING})
    work_off(squidie)
    wire.cut(when)
    answer = call(far, run.id)

    assert (wire.hits.total(), answer.id) == (1, run.id)
    assert kinds(squidie, run).count(fact) == 1


@WHEN
def test_an_early_event_whose_answer_was_lost_is_kept_once(squidie, far, wire, when):
    """2.9, 18.4."""
    run = squidie.start(Awaiting)
    wire.cut(when)
    far.signal_run(run.id, event="paid", correlation="order-1")

    assert (wire.hits.total(), kinds(squidie, run)) == (1, ["run_started", "event_buffered"])


@WHEN
@pytest.mark.parametrize("verb", BIRTHS)
def test_a_run_made_from_another_is_made_once(squidie, far, wire, when, verb):
    """2.9, 8.1, 18.11, 5.6, P06."""
    source = squidie.start(Diamond, {"plan": {"d": ["fail"]}})
    work_off(squidie)
    wire.cut(when)
    run = BIRTHS[verb](far, source.id)

    assert (wire.hits.total(), run.created, counts(squidie)[0]) == (1, True, 2)
    assert scalar(squidie, "select count(*) from {s}.dead_letters where closed_at is not null") == (verb == "requeue")


@WHEN
def test_a_letter_is_put_away_once(squidie, far, wire, when):
    """2.9, 5.6."""
    source = squidie.start(Diamond, {"plan": {"d": ["fail"]}})
    work_off(squidie)
    wire.cut(when)
    far.discard(source.id, "d", reason="x", actor="ann")

    assert query(squidie, "select closed_as from {s}.dead_letters") == [("discarded",)]


@pytest.mark.parametrize("verb", ["approve", "vote", "delegate", "event", "requeue", "discard"])
def test_a_process_that_dies_at_any_statement_leaves_all_or_nothing(squidie, verb):
    """2, proved by: and the same key ends it."""
    workflow, call, fact = VERBS[verb]
    keys = {}

    class Keyed:
        def __init__(self, key):
            self.key = key

        def __getattr__(self, name):
            return lambda *args, **given: getattr(squidie, name)(*args, **given, key=self.key)

    def prepare(number):
        run = squidie.start(workflow, {"plan": FAILING})
        work_off(squidie)
        keys[run.id] = f"k{number}"
        return run

    def check(run):
        assert kinds(squidie, run).count(fact) <= 1
        call(Keyed(keys[run.id]), run.id)
        assert kinds(squidie, run).count(fact) == 1

    assert at_each_statement(squidie, prepare, lambda run: call(Keyed(keys[run.id]), run.id), check) >= 3


@pytest.mark.parametrize("verb", BIRTHS)
def test_a_process_that_dies_while_it_makes_a_run_from_another(squidie, verb):
    """2, 8, 18.11, 5.6, proved by: a requeue leaves a new run and a closed letter, or neither."""

    def prepare(_number):
        source = squidie.start(Diamond, {"plan": {"d": ["fail"]}})
        work_off(squidie)
        return source, counts(squidie)[0]

    def check(given):
        source, before = given
        made = counts(squidie)[0] - before
        closed = scalar(
            squidie, "select count(*) from {s}.dead_letters where run_id = :id and closed_at is not null", id=source.id
        )
        assert made in {0, 1}
        assert closed == (made if verb == "requeue" else 0)

    assert at_each_statement(squidie, prepare, lambda given: BIRTHS[verb](squidie, given[0].id), check) >= 5


def test_a_host_that_dies_at_any_statement_has_sent_both_or_neither(squidie):
    """18.18: its own row and the run."""
    change(squidie, "create table public.orders (number int)")

    def order(number):
        with Session(squidie.engine) as session:
            session.connection().exec_driver_sql(f"insert into public.orders values ({number})")
            squidie.send(notify, ["ann"], key=f"order-{number}", session=session)
            squidie.start(Single, key=f"order-{number}", session=session)
            session.commit()

    def check(number):
        orders = scalar(squidie, "select count(*) from public.orders where number = :n", n=number)
        keys = "select count(*) from {s}.facts where kind = 'run_started' and body->'by'->>'key' = :k"
        assert scalar(squidie, keys, k=f"order-{number}") == 2 * orders

    assert at_each_statement(squidie, int, order, check) >= 8


def test_what_was_lost_is_looked_for_by_the_request_alone(squidie):
    """2.9: somebody else's fact of the same verb is not taken for one's own."""
    run = squidie.start(Several)
    squidie.approve(run.id, actor="ann")
    squidie.approve(run.id, actor="bob")

    assert [fact.by.actor for fact in all_facts(squidie, run) if fact.by][1:] == ["ann", "bob"]
