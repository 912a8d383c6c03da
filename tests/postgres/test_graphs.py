"""The graph and the timeline of a run (SEMANTICS 13.4, 13.5), from stored definitions and facts alone."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import text

from squidie import Squidie, end, step
from squidie.errors import RunNotFound, WorkflowNotFound
from squidie.views.graph import EdgeStatus
from squidie.workflow.dsl import to_spec
from tests.support.flows import Chain, Planned, Single, act
from tests.support.lab import AFTER_LEASE, NOON, claim, completion, end_lease, failure, settle, work_off
from tests.support.standing_flows import STANDING, Asking, Board, Draining, Parked, Saga, Shrugged

PENDING, TAKEN, SKIPPED, BLOCKED = EdgeStatus


class Branching(Planned):
    """A question to an output, a way for failure, and a path that ends."""

    look = step(act)
    tell = step(act, irreversible=True)
    credit = step(act)
    flow = (
        look.when("look", equals="look1") >> tell,
        look.otherwise >> end,
        look.on_error(recovery="compensation") >> credit,
    )


@pytest.fixture
def squidie(make, bells):
    return make(*STANDING, Single, Chain, Branching, delivery=bells)


def edges(graph):
    return {edge.id: edge.status for edge in graph.edges}


def nodes(graph):
    return {node.id: node for node in graph.nodes}


def test_edges_are_taken_skipped_or_pending_and_named_as_in_facts(squidie, staffed):
    """13.4: ids of plain, error, conditioned and ending edges, in declared order."""
    run = squidie.start(Branching)
    before = squidie.inspect_run_graph(run.id)

    assert list(edges(before).values()) == [PENDING] * 3
    assert [edge.id.split(":if:")[0] for edge in before.edges] == ["look:ok:tell", "look:ok:end", "look:error:credit"]
    assert len(before.edges[0].id.rpartition(":")[2]) == 8
    assert (before.edges[0].when, before.edges[1].fallback) == ({"path": "look", "equals": "look1"}, True)
    assert before.current == ("look",)

    work_off(squidie)
    after = squidie.inspect_run_graph(run.id)

    assert list(edges(after).values()) == [TAKEN, SKIPPED, SKIPPED]
    assert after.current == ()
    assert nodes(after)["tell"].irreversible
    assert nodes(after)["credit"].recovery == "compensation"


def test_what_can_never_settle_is_blocked(squidie, staffed):
    """13.4: its source failed and nothing handled it, or the run has ended."""
    run = squidie.start(Chain, {"plan": {"a": ["fail"]}})
    work_off(squidie)
    asked = squidie.start(Asking)
    squidie.cancel(asked.id, reason="not needed")

    assert set(edges(squidie.inspect_run_graph(run.id)).values()) == {BLOCKED}
    assert set(edges(squidie.inspect_run_graph(asked.id)).values()) == {BLOCKED}


def test_an_undo_is_a_node_that_its_step_is_linked_to(squidie, staffed):
    """13.4: `compensate:step`, `step:undo:compensate:step`."""
    run = squidie.start(Saga, {"plan": {"charge": ["fail"]}})
    work_off(squidie)
    graph = squidie.inspect_run_graph(run.id)

    assert [node.id for node in graph.nodes] == [
        *("reserve", "book", "charge"),
        *("compensate:book", "compensate:reserve"),
    ]
    assert [edge.id for edge in graph.edges if edge.on == "undo"] == [
        "book:undo:compensate:book",
        "reserve:undo:compensate:reserve",
    ]
    assert nodes(graph)["reserve"].state == "compensated"
    assert nodes(graph)["reserve"].compensation == "tests.support.standing_flows:release"
    assert nodes(graph)["compensate:book"].kind == "compensation"


def test_while_a_run_drains_nothing_of_it_goes_on(squidie, staffed):
    """13.4: blocked as soon as it is to be undone."""
    run = squidie.start(Draining)
    (reserve,) = claim(squidie)
    settle(squidie, completion(reserve))
    slow, charge = sorted(claim(squidie, 2), key=lambda row: row.step, reverse=True)
    settle(squidie, failure(charge))

    graph = squidie.inspect_run_graph(run.id)

    assert graph.current == ("slow",)
    assert slow.step == "slow"
    assert set(edges(graph).values()) == {TAKEN}


def test_open_nodes_are_told_by_how_much_they_press(squidie, staffed):
    """13.4: paused before due, whatever was declared first."""
    parked = squidie.start(Parked)
    board = squidie.start(Board)

    assert squidie.inspect_run_graph(parked.id).current == ("ok", "charge")
    graph = squidie.inspect_run_graph(board.id)
    assert graph.current == ("vote", "aside")
    assert (nodes(graph)["vote"].manual, nodes(graph)["vote"].waits.quorum) == (True, 2)
    assert not nodes(graph)["aside"].manual


def test_history_brings_inputs_outputs_errors_and_attempts(squidie, staffed, clock):
    """13.4: only if it is asked for; an attempt's id is `<run>:<node>:<n>`."""
    clock(NOON)
    run = squidie.start(Shrugged, {"plan": {"try_it": ["fail"]}})
    (row,) = claim(squidie)
    clock(NOON + AFTER_LEASE)
    end_lease(squidie, row)
    work_off(squidie)

    plain = nodes(squidie.inspect_run_graph(run.id))["try_it"]
    node = nodes(squidie.inspect_run_graph(run.id, history=True))["try_it"]

    assert (plain.attempts, plain.input, plain.error) == ((), None, None)
    assert [(each.id, each.outcome) for each in node.attempts] == [
        (f"{run.id}:try_it:1", "expired"),
        (f"{run.id}:try_it:1", "failed"),
    ]
    assert (node.error["type"], node.tolerated, node.input["ctx"]) == ("Fail", True, "ctx")
    assert node.attempts[0].claimed_at == NOON
    check = nodes(squidie.inspect_run_graph(run.id, history=True))["check"]
    assert check.output == run.snapshot().steps[1].output


def test_an_open_attempt_is_told_with_the_others(squidie, staffed):
    """13.4"""
    run = squidie.start(Single)
    assert [each.outcome for each in squidie.inspect_run_graph(run.id, history=True).nodes[0].attempts] == ["scheduled"]
    claim(squidie)
    (attempt,) = squidie.inspect_run_graph(run.id, history=True).nodes[0].attempts
    assert (attempt.outcome, attempt.owner, attempt.seq) == ("claimed", "lab:1:test", None)


def test_a_graph_needs_no_code(squidie, database_url):
    """13.4: neither of a run nor, once it was started, of a workflow by its name."""
    run = squidie.start(Saga)
    stranger = Squidie(database_url)
    try:
        assert stranger.inspect_run_graph(run.id) == squidie.inspect_run_graph(run.id)
        assert stranger.inspect_workflow_graph("Saga") == squidie.inspect_workflow_graph(Saga)
        with pytest.raises(WorkflowNotFound):
            stranger.inspect_workflow_graph("Parked")
    finally:
        stranger.close()


def test_a_workflow_has_a_graph_before_it_was_ever_started(squidie):
    """13.4: by class, name or spec; nothing has started."""
    graph = squidie.inspect_workflow_graph("Branching")

    assert graph == squidie.inspect_workflow_graph(Branching) == squidie.inspect_workflow_graph(to_spec(Branching))
    assert {node.state for node in graph.nodes} == {"not_started"}
    assert set(edges(graph).values()) == {PENDING}
    assert (graph.run_id, graph.state, graph.current) == (None, None, ())


def test_a_graph_as_a_map_is_json_of_a_fixed_shape(squidie):
    """13.4: the same fields with history and without, for a run and a workflow."""
    run = squidie.start(Parked)
    maps = [
        squidie.inspect_run_graph(run.id).to_map(),
        squidie.inspect_run_graph(run.id, history=True).to_map(),
        squidie.inspect_workflow_graph(Parked).to_map(),
    ]

    assert json.loads(json.dumps(maps[0])) == maps[0]
    assert len({tuple(each) for each in maps}) == len({tuple(each["nodes"][0]) for each in maps}) == 1
    assert maps[0]["schema"] == "squidie.graph/1"
    assert list(maps[0]) == [
        *("schema", "workflow", "version", "definition", "run_id", "short_id", "state", "revision"),
        *("nodes", "edges", "current"),
    ]


def test_reading_a_graph_writes_nothing(squidie, staffed):
    """13.9"""
    run = squidie.start(Saga)
    before = written(squidie)
    squidie.inspect_run_graph(run.id, history=True)
    squidie.inspect_run_timeline(run.id)
    assert written(squidie) == before


def written(squidie):
    with squidie.engine.connect() as connection:
        return connection.execute(text("select count(*), max(rev) from squidie.runs")).one()


def test_a_timeline_has_each_fact_and_each_claim_that_a_fact_has_ended(squidie, staffed, clock):
    """13.5: by seq; a claim stands right before the fact that ended it, at its own time."""
    clock(NOON)
    run = squidie.start(Single, actor="maya")
    clock(NOON + timedelta(seconds=1))
    (row,) = claim(squidie)
    clock(NOON + AFTER_LEASE * 2)
    end_lease(squidie, row)
    work_off(squidie)

    events = squidie.inspect_run_timeline(run.id)

    assert [(event.seq, event.kind) for event in events] == [
        (1, "run_started"),
        (2, "attempt_claimed"),
        (2, "attempt_expired"),
        (3, "attempt_claimed"),
        (3, "attempt_completed"),
        (4, "run_completed"),
    ]
    assert (events[0].by, events[1].at, events[1].by) == ("maya", NOON + timedelta(seconds=1), "lab:1:test")
    assert events[2].summary == "lab:1:test was lost (loss 1)"
    assert (events[1].step, events[1].attempt) == ("only", 1)


def test_votes_and_what_ended_a_claim_by_command_are_in_it(squidie, staffed):
    """13.5: who said what; a cancellation names the claims that it ended."""
    run = squidie.start(Board)
    squidie.approve(run.id, actor="maya")
    (row,) = claim(squidie)
    squidie.cancel(run.id, reason="not needed", actor="tom")

    told = [(event.kind, event.by) for event in squidie.inspect_run_timeline(run.id)]

    assert ("vote_cast", "maya") in told
    assert told[-2:] == [("attempt_claimed", "lab:1:test"), ("run_cancelled", "tom")]
    assert row.step == "aside"


def test_another_partitions_run_is_not_to_be_seen(squidie):
    """13.4, 13.5, 17.5: a bound handle knows nothing of it."""
    run = squidie.partition("north").start(Single)
    south = squidie.partition("south")

    assert squidie.partition("north").inspect_run_graph(run.id).run_id == run.id
    for look in (south.inspect_run_graph, south.inspect_run_timeline):
        with pytest.raises(RunNotFound):
            look(run.id)


def test_what_there_is_not_has_no_graph_and_no_timeline(squidie):
    """13, bad input."""
    unknown = "018f3a52-0000-7000-8000-00000000abcd"
    for look in (squidie.inspect_run_graph, squidie.inspect_run_timeline):
        with pytest.raises(RunNotFound):
            look(unknown)
    with pytest.raises(WorkflowNotFound):
        squidie.inspect_workflow_graph("Nowhere")
