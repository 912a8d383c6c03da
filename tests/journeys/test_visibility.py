"""Who sees what: words in every place that can be written to, and the views of everybody who looks (SEMANTICS 14)."""

from __future__ import annotations

import json

import pytest

from squidie import Scope, Squidie
from squidie.errors import InvalidPolicy
from squidie.settings import Settings
from tests.support.lab import counts, raises, work_off
from tests.support.secret_flows import (
    APPROVER,
    DETAIL,
    ERROR,
    EVERYTHING,
    NEVER,
    OUTPUT,
    PAYLOAD,
    PEOPLE,
    SECRET,
    VALUES,
    Lost,
    Told,
    tell_all,
)

SETTINGS = Settings(secret_values=(SECRET,), masked_paths=("customer.email",))
SEEN = {
    Scope.EXTERNAL: set(),
    Scope.OPERATOR: PEOPLE | {ERROR},
    Scope.AUDITOR: PEOPLE | VALUES | {ERROR, DETAIL},
}


def by_name(actor, view):
    """A policy: people are called what they may see."""
    return actor


@pytest.fixture
def told(make, bells):
    """A runtime with such a policy, and the three runs."""

    def told(**options):
        squidie = make(Told, Lost, delivery=bells, settings=SETTINGS, **{"visibility": by_name, **options})
        return squidie, tell_all(squidie, lambda: work_off(squidie))

    return told


def answers(views, runs):
    """Whatever can be asked."""
    yield "list_runs", views.list_runs()
    yield "explain_many", views.explain_many()
    yield "queues", views.queues()
    yield "workers", views.workers(everybody=True)
    yield "letters", views.dead_letters.list(open=None)
    yield "groups", views.dead_letters.groups(open=None)
    for run in runs:
        for verb in (views.inspect_run, views.explain_run, views.facts, views.command_history):
            yield f"{verb.__name__} of {run.id}", verb(run.id)
        for step in ("charge",) if run is runs[-1] else ("ask", "paid", "tell", "charge"):
            yield f"explain {step} of {run.id}", views.explain_run(run.id, step)
    yield "letter", views.dead_letters.show(runs[0].id, "charge")
    yield "closed letter", views.dead_letters.show(runs[-1].id, "charge")


def words(answer):
    said = json.dumps(answer)
    return {word for word in EVERYTHING if word in said}


@pytest.mark.parametrize("scope", Scope)
def test_a_word_appears_only_where_the_scope_allows_it(told, scope, caplog):
    """14.1, 14.4: in every view of the handle and in its JSON, and each that may be seen is; values are in no log."""
    caplog.set_level(0)
    squidie, runs = told()
    found = {name: words(answer) for name, answer in answers(squidie.views(scope), runs)}

    assert {name: seen - SEEN[scope] for name, seen in found.items() if seen - SEEN[scope]} == {}
    assert set().union(*found.values()) == SEEN[scope]
    assert not words(caplog.text) & (VALUES | NEVER)


@pytest.mark.parametrize("scope", Scope)
def test_an_answer_equals_itself_after_json(told, scope):
    """14.1: proved by: the round trip."""
    squidie, runs = told()

    for name, answer in answers(squidie.views(scope), runs):
        assert json.loads(json.dumps(answer)) == answer, name


def test_from_outside_a_run_is_ids_states_times_and_what_is_next(told):
    """14.1."""
    squidie, (parked, cancelled, failed) = told()
    views = squidie.views("external")
    run = views.inspect_run(parked.id)

    assert (run["id"], run["workflow"], run["state"]) == (str(parked.id), "Told", "stalled")
    assert run["headline"] == "charge is parked."
    assert [step["name"] for step in run["steps"]] == ["ask", "paid", "tell", "charge"]
    assert run["steps"][3]["error"] == {"code": "declined"}
    assert run["steps"][3]["attempt"] == 1
    assert run["steps"][3]["after"] == ["tell"]
    assert not {"payload", "output", "queue", "attributes", "key", "starter", "partition"} & set(run)
    assert views.inspect_run(cancelled.id)["headline"].startswith("Cancelled after")
    assert views.explain_run(failed.id)["headline"] == "Failed."
    why = views.explain_run(parked.id)
    assert (why["code"], why["blockers"][0]["evidence"]["attempts"]) == ("dead_lettered", 1)
    assert "actions" not in why
    assert [row.get("where") for row in views.list_runs()["runs"]] == [None, None, "charge"]
    assert views.explain_many()["groups"][0]["headline"] == "1 run, each of which is parked"


def test_an_operator_sees_what_a_payload_is_like(told):
    """14.1: names, types and sizes."""
    squidie, (parked, *_) = told()
    run = squidie.views("operator").inspect_run(parked.id)

    customer = run["payload"]["fields"]["customer"]
    assert customer["fields"]["name"] == {"type": "string", "size": len(PAYLOAD)}
    assert (customer["type"], customer["size"]) == ("object", 4)
    assert run["steps"][2]["output"]["fields"]["items"] == {"type": "array", "size": 1}
    assert run["steps"][3]["error"]["message"] == f"{ERROR} with ***, token=***"
    assert run["steps"][3]["error"]["type"] == "Fail"
    assert "details" not in run["steps"][3]["error"]


def test_an_auditor_sees_values_and_each_look_is_in_the_log(told, caplog):
    """14.1, 14.4: who, of which run, and what; values never."""
    squidie, (parked, *_) = told()
    with caplog.at_level("INFO", "squidie.audit"):
        caplog.clear()
        run = squidie.views("auditor").inspect_run(parked.id)
        squidie.views("auditor").command_history(parked.id)
        squidie.views("operator").inspect_run(parked.id)
        squidie.views("external").facts(parked.id)

    assert run["payload"]["customer"] == {"name": PAYLOAD, "token": "***", "email": "***", "note": "it is ***"}
    assert run["steps"][2]["output"] == {
        "text": OUTPUT, "accessToken": "***", "customer": {"email": "***"}, "items": [OUTPUT]
    }  # fmt: skip
    said = [record.getMessage() for record in caplog.records if record.name == "squidie.audit"]
    assert said[0].startswith("revealed: payload, steps.ask.output, steps.paid.output, steps.tell.output, commands.0.")
    assert said[0].endswith(f"of run {parked.id} to auditor")
    assert said[1:] == [f"revealed: metadata of run {parked.id} to auditor"] * 3
    assert not words(said)


def test_what_is_secret_is_masked_before_it_is_written(told):
    """14.4: metadata, comments, reasons and errors."""
    squidie, (parked, cancelled, failed) = told()
    history = squidie.command_history(parked.id)
    squidie.pause_queue("default", reason=f"rotating {SECRET}", actor="ann")

    assert history[0].metadata == {"note": "c-metadata", "token": "***", "known": "***"}
    assert history[1].comment == "c-comment *** password=***"
    assert squidie.inspect_run(cancelled.id).error["message"] == "c-reason ***"
    assert squidie.dead_letters.show(failed.id, "charge").closed_why == "c-reason token=***"
    assert squidie.queues()[0].paused.reason == "rotating ***"
    assert not words(str(squidie.inspect_run(parked.id).steps[3].error)) & NEVER


def test_the_log_of_looks_holds_one_line_a_look_whoever_looks(told, caplog):
    """14.4: an actor that is an object is told as JSON, his secrets masked."""
    squidie, (parked, *_) = told(visibility=lambda actor, view: "auditor")
    with caplog.at_level("INFO", "squidie.audit"):
        caplog.clear()
        for actor in ({"id": 7, "token": "c-token"}, "ann\nrevealed: nothing\x1b[2J", object()):
            squidie.views(actor).inspect_run(parked.id)

    said = [record.getMessage().partition(" to ")[2] for record in caplog.records]
    assert said == ['{"id":7,"token":"***"}', "ann revealed: nothing\\x1b[2J", "a object"]


def test_without_a_policy_everybody_looks_from_outside(told):
    """14.2: whatever the actor claims."""
    squidie, (parked, *_) = told(visibility=None)
    claims = ("auditor", Scope.AUDITOR, {"scope": "auditor", "role": "admin"}, None, object())

    for actor in claims:
        run = squidie.views(actor).inspect_run(parked.id)
        assert "payload" not in run
        assert not words([run, squidie.redact(squidie.inspect_run(parked.id), actor)])


def explodes(actor, view):
    raise RuntimeError(PAYLOAD)


@pytest.mark.parametrize(
    "policy",
    [
        explodes,
        lambda actor, view: None,
        lambda actor, view: True,
        lambda actor, view: "everything",
        lambda actor, view: "AUDITOR",
        lambda actor, view: ["auditor"],
        lambda actor, view: Scope,
        lambda actor: "auditor",
    ],
    ids=["raises", "none", "true", "unknown", "case", "list", "class", "arguments"],
)
def test_a_policy_that_raises_or_answers_nonsense_shows_nothing(told, policy):
    """14.2: never a wider view."""
    squidie, runs = told(visibility=policy)
    views = squidie.views("maya")

    for ask in (
        lambda: views.inspect_run(runs[0].id),
        views.list_runs,
        lambda: views.explain_run(runs[0].id),
        views.explain_many,
        lambda: views.facts(runs[0].id),
        lambda: views.command_history(runs[0].id),
        views.queues,
        lambda: views.dead_letters.list(open=None),
        lambda: views.dead_letters.show(runs[0].id, "charge"),
        lambda: squidie.redact(squidie.inspect_run(runs[0].id), "maya"),
    ):
        with pytest.raises(InvalidPolicy) as refused:
            ask()
        assert not words(str(refused.value.to_dict()))


def test_a_policy_is_asked_about_each_entry_of_a_list(told):
    """14.1: what it says of one run goes for that run only."""

    def only_lost(actor, view):
        return "operator" if getattr(view, "workflow", None) == "Lost" else "external"

    squidie, _ = told(visibility=only_lost)
    page = squidie.views(APPROVER).list_runs()

    assert [("attributes" in row, row["workflow"]) for row in page["runs"]] == [
        (True, "Lost"), (False, "Told"), (False, "Told")
    ]  # fmt: skip
    letters = squidie.views(APPROVER).dead_letters.list(open=None)["letters"]
    assert {each["workflow"]: "message" in each["error"] for each in letters} == {"Lost": True, "Told": False}


def test_nobody_finds_by_what_he_does_not_see(told):
    """14.1: a filter would tell it; of those that he sees so, he may find the runs."""

    def only_lost(actor, view):
        return "operator" if actor == "ops" or getattr(view, "workflow", None) == "Lost" else "external"

    squidie, runs = told(visibility=only_lost)
    note, token = {"note": runs[0].snapshot().attributes["note"]}, {"token": runs[2].snapshot().attributes["token"]}

    def found(actor, **asked):
        return len(squidie.views(actor).list_runs(limit=1, **asked)["runs"])

    assert (found("eve", attributes=token), found("eve", attributes=note), found("ops", attributes=note)) == (1, 0, 1)
    assert squidie.views("eve").list_runs(limit=1, attributes=note)["next"] is None
    assert squidie.views("ops").explain_many(attributes=note)["open"] == 1
    with raises("not_permitted"):
        squidie.views("eve").explain_many(attributes=note)


def test_parts_of_a_run_are_seen_as_the_run_is(told):
    """14.1: the policy is told of the run, not of each fact and command."""
    asked = []
    squidie, (parked, *_) = told(visibility=lambda actor, view: asked.append(type(view).__name__) or "operator")
    squidie.views("maya").facts(parked.id)
    squidie.views("maya").command_history(parked.id)

    assert asked == ["RunSnapshot", "RunSnapshot"]


def test_a_run_in_another_partition_is_not_there(told):
    """14.2: for every verb, whatever the actor may see."""
    squidie, _ = told()
    south = squidie.partition("south")
    (run, *_) = tell_all(south, lambda: work_off(squidie))
    before = counts(squidie)
    views = squidie.partition("north").views("auditor")

    for verb in (views.inspect_run, views.explain_run, views.facts, views.command_history):
        with raises("run_not_found"):
            verb(run.id)
    with raises("dead_letter_not_found"):
        views.dead_letters.show(run.id, "charge")
    assert views.list_runs()["runs"] == []
    assert views.dead_letters.list(open=None)["letters"] == []
    assert views.explain_many()["groups"] == []
    assert views.workers(everybody=True) == []
    assert south.views("auditor").inspect_run(run.id)["payload"]["customer"]["name"] == PAYLOAD
    assert counts(squidie) == before


def test_a_view_that_one_has_is_redacted_alike(told):
    """14.1."""
    squidie, (parked, *_) = told()
    run = squidie.inspect_run(parked.id)

    assert squidie.redact(run, "external") == squidie.views("external").inspect_run(parked.id) | {
        "at": squidie.redact(run, "external")["at"]
    }
    assert squidie.redact(run.commands, "external")[0] == squidie.views("external").command_history(parked.id)[0]
    assert squidie.redact({"payload": PAYLOAD}, "auditor") == {}


def test_a_policy_is_a_function():
    """14.2."""
    with raises("invalid_config"):
        Squidie("postgresql+psycopg://nobody@nowhere/none", visibility="auditor")
