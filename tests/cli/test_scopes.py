"""What is shown with `--scope`: a word stands in every place that can be written to, and each command is asked for it.

Human and `--json` alike, the export included (SEMANTICS 14, UX 6.4).
"""

from __future__ import annotations

import json

import pytest

from squidie import Scope
from squidie.settings import Settings
from tests.support.lab import change, work_off
from tests.support.secret_flows import (
    DETAIL,
    ERROR,
    EVERYTHING,
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
OF_ALL = (
    "ls", "ls state:ended", "status", "explain --stuck --all", "tail --since 1d --no-follow", "check",
    "watch workflow:Told --timeout 50ms", "dead ls --all", "dead groups --all",
)  # fmt: skip
OF_ONE = (
    "show RUN", "show RUN --steps", "show RUN --data", "show RUN --graph --timeline", "show RUN --events --journal",
    "explain RUN", "explain RUN --step charge", "graph RUN", "graph RUN --history", "graph RUN --format svg",
    "graph RUN --format mermaid", "graph RUN --format dot", "watch RUN --timeout 50ms",
    "watch RUN --compact --timeout 50ms", "tail RUN --since 1d --no-follow", "export RUN",
)  # fmt: skip


@pytest.fixture
def squidie(make, bells):
    return make(Told, Lost, delivery=bells, settings=SETTINGS)


@pytest.fixture
def runs(squidie):
    """Three runs, one parked, one cancelled and one failed, with every word in its place."""
    return tell_all(squidie, lambda: work_off(squidie))


def lines(runs):
    yield from OF_ALL
    for run in runs:
        yield from (line.replace("RUN", str(run.id)) for line in OF_ONE)
    for run in (runs[0], runs[2]):
        yield f"dead show {run.id}"


def asked(call, line, scope, *more):
    shown = call(*line.split(), "--scope", scope.value, *more)
    assert shown.exception is None or isinstance(shown.exception, SystemExit), (line, shown.exc_info)
    assert shown.exit_code in (0, 124), (line, shown.output)
    return shown.output


def words(said):
    return {word for word in EVERYTHING if word in said}


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["people", "programs"])
def test_a_word_appears_only_where_the_scope_allows_it(runs, call, scope, form):
    """14.1, 14.4: what is masked appears nowhere, and of what may be seen everything does."""
    found = {line: words(asked(call, line, scope, *form)) for line in lines(runs)}

    assert {line: seen - SEEN[scope] for line, seen in found.items() if seen - SEEN[scope]} == {}
    assert set().union(*found.values()) == SEEN[scope]


@pytest.mark.parametrize("scope", Scope)
def test_errors_hold_no_word_either(runs, call, scope):
    """14.1: of a name that is wrong, too."""
    for line in ("show dead12", "explain RUN --step nowhere", "dead show dead12", "ls --after nonsense"):
        shown = call(*line.replace("RUN", str(runs[0].id)).split(), "--scope", scope.value, "--json")
        assert shown.stdout == ""
        assert not words(shown.stderr)


def test_without_a_scope_everything_is_shown(runs, call):
    """UX 8: whoever has the database has it all; this is for whoever is handed a terminal, or the output."""
    assert PAYLOAD in call("show", str(runs[0].id), "--data").stdout


def test_a_scope_may_be_set_for_a_whole_shell(runs, call, monkeypatch):
    """14.1"""
    monkeypatch.setenv("SQUIDIE_SCOPE", "external")
    shown = json.loads(call("show", str(runs[0].id), "--json").stdout)
    assert "payload" not in shown
    assert json.loads(call("export", str(runs[0].id)).stdout)["scope"] == "external"


def test_values_that_are_shown_are_in_the_audit_log(runs, call, caplog):
    """14.4: where they stand and who looked; never themselves."""
    with caplog.at_level("INFO", "squidie.audit"):
        caplog.clear()
        call("show", str(runs[0].id), "--scope", "operator")
        assert caplog.records == []
        call("export", str(runs[0].id), "--scope", "auditor")

    (said,) = [record.getMessage() for record in caplog.records if record.name == "squidie.audit"]
    assert said.startswith("revealed: ")
    assert "facts.0.body" in said
    assert not words(said)


ABOUT_NO_RUN = (
    "status", "check", "doctor", "queues", "queues --partitions", "workers --all", "limits", "workflows",
    "workflows show Told", "schedules", "gc --completed 1h", "migrate", "version",
)  # fmt: skip


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["people", "programs"])
def test_commands_that_show_no_run_show_nothing_of_what_is_in_them(runs, call, form):
    """17.10, 14.1: no payload, no secret, no error's text, whoever asks."""
    for line in ABOUT_NO_RUN:
        shown = call(*line.split(), *form)
        assert shown.exit_code in (0, 1), shown.output
        assert not words(shown.output), line


def test_outside_data_is_said_not_to_be_shown(runs, call):
    shown = call("show", str(runs[0].id), "--data", "--scope", "external")
    assert "not shown outside" in shown.stderr


def test_an_export_is_one_document_of_everything(runs, call, tmp_path):
    """14.1: views, graph and facts; as an operator sees it unless something else is asked for."""
    shown = call("export", str(runs[0].id), "-o", str(tmp_path / "bundle.json"))
    bundle = json.loads((tmp_path / "bundle.json").read_text("utf-8"))

    assert (shown.stdout, bundle["schema"], bundle["scope"]) == ("", "squidie.bundle/1", "operator")
    assert {"run", "explanation", "graph", "timeline", "facts", "versions"} <= bundle.keys()
    assert [fact["seq"] for fact in bundle["facts"]] == list(range(1, bundle["run"]["revision"] + 1))
    assert bundle["facts"][0]["body"]["type"] == "object"


def test_an_export_that_cannot_be_written_says_why(runs, call, tmp_path):
    shown = call("export", str(runs[0].id), "-o", str(tmp_path / "nowhere" / "bundle.json"))
    assert (shown.exit_code, "cannot be written" in shown.stderr) == (2, True)


@pytest.mark.tampered("a body is damaged")
@pytest.mark.parametrize("scope", Scope)
def test_a_run_whose_history_is_damaged_can_be_exported(squidie, runs, call, scope):
    """14.3, 13.9: it is the one that somebody has to look into; what cannot be read is said, the rest is there."""
    damaged = runs[0]
    change(squidie, "alter table {s}.facts disable trigger user")
    change(squidie, "update {s}.facts set kind = 'nonsense' where run_id = :run and seq = 2", run=damaged.id)
    change(squidie, "update {s}.runs set state = null, fold = 0 where run_id = :run", run=damaged.id)

    shown = call("export", str(damaged.id), "--scope", scope.value)

    assert shown.exit_code == 0, shown.output
    bundle = json.loads(shown.stdout)
    assert {"name": "run", "code": "unknown_fact"}.items() <= bundle["unreadable"][0].items()
    assert bundle["run"] is None
    assert [fact["kind"] for fact in bundle["facts"]][:2] == ["run_started", "nonsense"]
    assert "its history is damaged" in shown.stderr
    assert words(shown.stdout) <= SEEN[scope]
