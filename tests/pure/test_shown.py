"""The matrix of scope, view and field, made from the types: what is not listed is hidden (SEMANTICS 14.1, 14.3)."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import types
import typing
from datetime import UTC, datetime
from enum import Enum
from uuid import UUID

import msgspec
import pytest

from squidie import views
from squidie.history.masking import Masking
from squidie.settings import Settings
from squidie.views import blockers, explain, outside
from squidie.views.outline import outline
from squidie.views.reasons import Reason
from squidie.views.shown import EVIDENCE, RECEIPT, SHOWN, Kind
from squidie.views.visibility import _RULES, Scope, redact

SECRET = "canary-4711"
MASKING = Masking(Settings().secrets, values=[SECRET])
AT = datetime(2026, 3, 14, 12, tzinfo=UTC)
RUN = UUID(int=7)

ALL = Scope.EXTERNAL, Scope.OPERATOR, Scope.AUDITOR
OUTSIDE = {"id", "short_id", "run_id", "run", "replay_of", "newest", "workflow", "version", "definition", "trigger"}
OUTSIDE |= {"name", "step", "after", "kind", "fact", "verb", "code", "reason", "closed_as", "role", "state"}
OUTSIDE |= {"compensation", "where", "what", "next", "source", "target", "on", "current", "outcome"}
"""Fields whose text may be seen by everybody: ids, names of nodes, states; and what is made of them alone."""
WRITTEN = {"UndoView.reason", "Pause.reason", "WaitView.role", "QueueView.name"}
"""Fields of such a name that hold something else all the same."""
NOT_OUTSIDE = {"owner", "actor", "by", "comment", "attributes", "key", "partition", "priority", "escalates_at", "then"}
NOT_OUTSIDE |= {"lease_until", "digest", "request_id", "host", "pid", "boot", "callables", "actions", "summary", "hash"}
NOT_OUTSIDE |= {"queue", "message", "type", "details", "origin", "frames", "votes", "starter", "paused", "usual"}
"""Names that nobody outside is shown, whatever stands there."""
VALUES = {"payload", "output", "metadata"}
"""Fields that hold what hosts and their steps have put in."""
INSIDE = {"AcceptedCommand.digest"}
"""Fields for auditors."""


def every_view():
    """Every struct of the views, and every struct that one of their fields may hold."""
    modules = [importlib.import_module(f"squidie.views.{each.name}") for each in pkgutil.iter_modules(views.__path__)]
    found = {each for module in modules for each in vars(module).values() if is_view(each, module.__name__)}
    while more := {part for each in found for hint in hints(each).values() for part in structs_in(hint)} - found:
        found |= more
    return sorted(found, key=lambda each: each.__name__)


def is_view(each, module):
    return isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__module__ == module


def hints(view):
    return typing.get_type_hints(view)


def structs_in(hint):
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return {hint}
    return {part for each in typing.get_args(hint) for part in structs_in(each)}


def value_of(hint, where):
    """A value of this type, with a canary that says where it stands in every text."""
    if isinstance(hint, types.UnionType):
        return value_of(next(each for each in typing.get_args(hint) if each is not type(None)), where)
    if typing.get_origin(hint) is tuple:
        return (value_of(typing.get_args(hint)[0], where),)
    if hint is typing.Any or typing.get_origin(hint) is dict:
        return {"inside": f"<{where}>", "kind": "exception", "code": "oops", "message": f"<{where}>"}
    if issubclass(hint, msgspec.Struct):
        return made(hint)
    if issubclass(hint, Enum):
        return next(iter(hint))
    return {str: f"<{where}>", int: 7, bool: True, float: 1.5, datetime: AT, UUID: RUN}[hint]


def made(view):
    return view(**{name: value_of(hint, f"{view.__name__}.{name}") for name, hint in hints(view).items()})


def every_key(shown):
    """The names in an answer, at any depth."""
    for each in shown.values() if isinstance(shown, dict) else shown if isinstance(shown, list) else ():
        yield from every_key(each)
    yield from shown if isinstance(shown, dict) else ()


VIEWS = every_view()
FIELDS = [(view, name) for view in VIEWS for name in view.__struct_fields__]


@pytest.mark.parametrize(("view", "name"), FIELDS, ids=lambda each: getattr(each, "__name__", each))
def test_every_field_of_every_view_has_an_entry(view, name):
    """14.3: whoever adds a field says who may see it."""
    assert name in SHOWN[view]


def test_nothing_is_listed_that_is_not_there():
    """14.3."""
    assert set(SHOWN) == set(VIEWS)
    assert [view for view, kinds in SHOWN.items() if set(kinds) - set(view.__struct_fields__)] == []


@pytest.mark.parametrize("scope", ALL)
@pytest.mark.parametrize("view", VIEWS, ids=lambda each: each.__name__)
def test_what_a_scope_sees_of_a_view_is_what_the_table_says(view, scope):
    """14.1: the matrix; every text carries the name of its field."""
    shown = redact(made(view), scope, MASKING).shown
    seen = set(re.findall(r"<(\w+\.\w+)>", json.dumps(shown)))
    names = {each.partition(".")[2] for each in seen}

    if scope is Scope.EXTERNAL:
        assert names <= OUTSIDE
        assert not seen & WRITTEN
        assert not set(every_key(shown)) & (NOT_OUTSIDE | VALUES)
    elif scope is Scope.OPERATOR:
        assert not names & VALUES
        assert not seen & INSIDE
    else:
        assert {f"{view.__name__}.{name}" for name in VALUES & set(view.__struct_fields__)} <= seen


@pytest.mark.parametrize("view", VIEWS, ids=lambda each: each.__name__)
def test_a_wider_scope_hides_nothing_that_a_narrower_one_shows(view):
    """14.1."""
    external, operator, auditor = (set(redact(made(view), scope, MASKING).shown) for scope in ALL)

    assert external <= operator <= auditor
    assert auditor == set(view.__struct_fields__)


@pytest.mark.parametrize("scope", ALL)
@pytest.mark.parametrize("view", VIEWS, ids=lambda each: each.__name__)
def test_an_answer_is_itself_after_json(view, scope):
    """14.1: and each field that is shown has the type it has in the view's own JSON, but for data."""
    shown = redact(made(view), scope, MASKING).shown
    plain = msgspec.to_builtins(made(view))

    assert json.loads(json.dumps(shown)) == shown
    kept = [name for name in shown if SHOWN[view][name] is not Kind.DATA]
    assert {name: type(shown[name]) for name in kept} == {
        name: list if isinstance(plain[name], tuple) else type(plain[name]) for name in kept
    }


@pytest.mark.parametrize("scope", ALL)
@pytest.mark.parametrize("view", VIEWS, ids=lambda each: each.__name__)
def test_a_known_secret_is_shown_to_nobody(view, scope):
    """14.1, 14.4: in whichever field it stands."""
    leaky = msgspec.structs.replace(
        made(view), **{name: SECRET for name, hint in hints(view).items() if hint in (str, str | None, typing.Any)}
    )

    assert SECRET not in json.dumps(redact(leaky, scope, MASKING).shown)


def test_every_kind_says_what_each_scope_sees():
    """14.3."""
    assert {kind: set(rules) for kind, rules in _RULES.items()} == {kind: set(Scope) for kind in Kind}


def test_every_key_of_evidence_has_an_entry():
    """14.3: read from the source of the answers."""
    trees = [ast.parse(inspect.getsource(module)) for module in (blockers, explain)]
    literals = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    keys = {key.value for node in literals for key in node.keys if isinstance(key, ast.Constant)}
    keys |= {
        node.slice.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and "evidence" in ast.unparse(node)
    }
    within = {"run_id", "step", "state"}  # of the entries of lists

    assert keys - within - set(EVIDENCE) == set()
    assert set(EVIDENCE) - keys == {"last_bell_ok"}  # which `causes.bells` gives


def test_evidence_outside_is_counts_and_times():
    """14.1."""
    evidence = {name: f"<{name}>" for name in EVIDENCE} | {"claims": 3, "holders": [{"run_id": RUN}], "new": 1}
    why = msgspec.structs.replace(made(explain.Explanation), evidence=evidence)
    shown = redact(why, Scope.EXTERNAL, MASKING).shown["evidence"]

    assert shown["claims"] == 3
    assert not {"holders", "new", "owner", "queue", "reason", "by", "limit"} & set(shown)
    assert redact(why, Scope.OPERATOR, MASKING).shown["evidence"]["owner"] == "<owner>"
    assert "new" not in redact(why, Scope.AUDITOR, MASKING).shown["evidence"]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words_for_people_outside(reason):
    """14.1."""
    assert outside.PHRASES[reason]


class Stranger(msgspec.Struct):
    """A view that nobody has listed."""

    payload: str = SECRET


@pytest.mark.parametrize("scope", ALL)
@pytest.mark.parametrize("view", [None, 5, SECRET, {"payload": SECRET}, Stranger(), object(), Stranger, RUN])
def test_what_is_no_view_shows_nothing(view, scope):
    """14.3."""
    assert redact(view, scope, MASKING) == ({}, ())


class Odd:
    """Neither text, nor anything else that can be shown."""

    def __str__(self):
        raise ValueError


@pytest.mark.parametrize("scope", ALL)
@pytest.mark.parametrize("view", VIEWS, ids=lambda each: each.__name__)
def test_a_malformed_view_is_shown_as_far_as_it_is_sound(view, scope):
    """14.3: whatever a field holds, nothing is raised."""
    for name in view.__struct_fields__:
        for odd in (Odd(), {1: Odd()}, [Odd()], "text", 3.5, None, float, {"code": Odd(), "kind": 1}):
            shown = redact(msgspec.structs.replace(made(view), **{name: odd}), scope, MASKING).shown

            assert json.loads(json.dumps(shown)) == shown


def test_a_field_that_an_older_view_does_not_have_is_left_out(monkeypatch):
    """14.3."""
    monkeypatch.setitem(SHOWN, outside.RunRow, {"id": Kind.OPEN, "of_tomorrow": Kind.OPEN})

    assert redact(made(outside.RunRow), Scope.EXTERNAL, MASKING).shown == {"id": str(RUN)}


def test_a_payload_nested_beyond_reason_is_hidden():
    """14.3."""
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    run = msgspec.structs.replace(made(explain.Explanation), evidence={"sources": deep, "seq": 1})

    assert redact(run, Scope.EXTERNAL, MASKING).shown["evidence"] == {"seq": 1}


def test_an_outline_tells_names_types_and_sizes():
    """14.1: and nothing of what is in a list."""
    given = {"a": "text", "b": [SECRET, 2], "c": {"d": True, "e": None, "f": 1.5, "g": 2}, SECRET: 1}

    assert outline(given, MASKING) == {
        "type": "object",
        "size": 4,
        "fields": {
            "a": {"type": "string", "size": 4},
            "b": {"type": "array", "size": 2},
            "c": {
                "type": "object",
                "size": 4,
                "fields": {
                    "d": {"type": "boolean"},
                    "e": {"type": "null"},
                    "f": {"type": "number"},
                    "g": {"type": "integer"},
                },
            },
            "***": {"type": "integer"},
        },
    }


def test_a_receipt_that_is_data_is_shown_as_a_command_is():
    """14.1."""
    assert RECEIPT is SHOWN[importlib.import_module("squidie.views.commands").AcceptedCommand]
