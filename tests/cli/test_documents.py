"""`--json`: every document is named, published in `docs/reference`, and what the command prints (UX 8.4, 17.10).

SQUIDIE_SNAPSHOTS=write rewrites what is published.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.support import shop
from tests.support.documents import DOCUMENTS, VERBS, problems, schemas

ROOT = Path(__file__).parents[2]
PUBLISHED, PAGE = ROOT / "docs/reference/documents.json", ROOT / "docs/reference/json.md"
NAMES = re.compile(r'"(squidie\.[a-z_.]+/\d+)"')

READING = (
    "status", "ls", "ls state:ended", "show 9c7f3b", "show 9c7f3b --graph --timeline --journal", "show 5e19d4",
    "explain 9c7f3b", "explain 9c7f3b --step ship_order", "explain --stuck --all", "watch b81f56",
    "watch workflow:RefundOrder --timeout 50ms", "tail --since 3h --no-follow", "graph 9c7f3b", "graph OrderFlow",
    "graph 9c7f3b --history", "export 5e19d4", "check", "ls is:archived", "dead ls", "dead groups", "dead show 5e19d4",
)  # fmt: skip
"""Commands that show runs: with each scope, too."""

OTHERS = (
    "verify", "workflows ls", "workflows show RefundOrder", "workflows validate",
    "workflows diff OrderFlow declared", "doctor", "queues ls", "workers ls", "limits ls", "schedules ls",
    "schedules show NightlySync", "schedules next NightlySync", "migrate", "version", "gc --completed 1h",
    "replay b81f56 --preview",
)  # fmt: skip

CHANGING = (
    "delegate 9c7f3b finance", "approve 9c7f3b", "retry 9c7f3b", "resume c6a835 --step looked_at",
    "reject c6a835 --step agreed --note no", "signal 42ad0e parcel_sent -p parcel=p-18",
    "start OrderFlow -p order_id=1",
    "cancel 1b9e60 --reason x", "archive e07c19 --reason x", "unarchive e07c19",
    "replay 30c2aa", "fork b81f56 notify_customer",
    "dead requeue 5e19d4 --reason x", "dead discard d4417f --reason x", "queues pause etl --reason x",
    "queues resume etl", "limits set printer 3 --reason x", "limits unset printer",
    "schedules pause NightlySync --reason x", "schedules resume NightlySync", "schedules run-now NightlySync",
    "schedules backfill NightlySync --from 2026-03-08T00:00Z --to 2026-03-10T00:00Z", "schedules sync",
)  # fmt: skip


@pytest.fixture
def squidie(make, bells):
    return make(*shop.ALL, delivery=bells)


@pytest.fixture
def documents(squidie, call):
    """Call a command for programs; the documents that it prints."""
    played = shop.play(squidie)
    known = {name: str(run.id) for run, name in zip(played.runs, shop.SHORT_IDS, strict=False)}

    def documents(line, *more):
        shown = call(*(known.get(word, word) for word in line.split()), "--json", *more)
        assert shown.exception is None or isinstance(shown.exception, SystemExit), (line, shown.exc_info)
        is_lines = line.startswith(("watch", "tail"))
        found = shown.stdout.splitlines() if is_lines else [shown.stdout]
        return [json.loads(each) for each in found]

    return documents


def wrong(line, found):
    """What is wrong with these documents."""
    root = schemas()
    if not found:
        return [f"{line}: nothing"]
    return [
        f"{line}: {each}"
        for document in found
        for each in problems(document, root["documents"].get(document["schema"], {"const": "listed"}), root)
    ]


def test_every_document_of_a_reading_command_is_what_is_published(documents):
    """17.10, UX 8.4"""
    assert [each for line in (*READING, *OTHERS) for each in wrong(line, documents(line))] == []


@pytest.mark.parametrize("scope", ["external", "operator", "auditor"])
def test_a_scope_leaves_out_and_adds_nothing(documents, scope):
    """14.1: one schema for all of them."""
    found = [each for line in READING for each in wrong(line, documents(line, "--scope", scope))]

    assert found == []


def test_every_document_of_a_command_that_changes_something_is_what_is_published(documents):
    """UX 8.4"""
    assert [each for line in CHANGING for each in wrong(line, documents(line))] == []


def test_every_name_in_the_code_is_published_and_no_other():
    """UX 8.4"""
    sources = [*(ROOT / "squidie/cli").rglob("*.py"), ROOT / "squidie/views/graph.py"]
    said = {name for path in sources for name in NAMES.findall(path.read_text("utf-8"))}
    by_verb = {f"squidie.{verb}/1" for verb in VERBS}

    assert said | by_verb == set(DOCUMENTS)


def page():
    rows = [f"| `{name}` | `{document.commands}` |" for name, document in DOCUMENTS.items()]
    return "\n".join([HEAD, "| schema | printed by |", "| --- | --- |", *rows, ""])


HEAD = """# JSON

Every command takes `--json`: it prints one document with a `schema`, a name and a version; `watch` and `tail` print one
object on each line. All of them are described in [documents.json](documents.json), as JSON Schema.

```bash
squidie ls --json
squidie show 9c7f3b --json --scope operator
squidie tail --json
```

Times are in UTC, durations are seconds. With `--scope` what is hidden is absent, so no field of a view must be there
but `schema`; where values of payloads are hidden from an operator, their names, types and sizes stand in their place. A
field may be added to a version, none is taken away or given another meaning.

Errors go to stderr, `{"error": {"code": …, "message": …, "hint": …, "details": …, "retryable": …}}`, and stdout stays
empty. The exit code says which kind it was: see [the command line](cli.md).
"""


def test_what_is_published_is_what_the_code_says():
    """UX 8.4, 10.2"""
    made = json.dumps(schemas(), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("SQUIDIE_SNAPSHOTS") == "write":
        PUBLISHED.write_text(made, "utf-8")
        PAGE.write_text(page(), "utf-8")

    assert PUBLISHED.read_text("utf-8") == made, "SQUIDIE_SNAPSHOTS=write accepts the change"
    assert PAGE.read_text("utf-8") == page()


WRONG = (
    ("show dead12", "run_not_found", 3),
    ("explain dead12", "run_not_found", 3),
    ("export dead12", "run_not_found", 3),
    ("ls --nope", "usage", 2),
    ("ls colour:red", "invalid_argument", 2),
    ("explain b81f56 --step nowhere", "step_not_found", 3),
    ("graph Nowhere", "workflow_not_found", 3),
    ("workflows show Nowhere", "workflow_not_found", 3),
    ("approve b81f56", "invalid_transition", 4),
    ("replay b81f56", "unsafe_replay", 5),
    ("start OrderFlow -p order=1", "invalid_payload", 2),
    ("tail --kinds nonsense", "invalid_argument", 2),
    ("completion tcsh", "usage", 2),
    ("dead show b81f56", "dead_letter_not_found", 3),
    ("queues ls nothing", "queue_not_found", 3),
    ("schedules show Nowhere", "schedule_not_found", 3),
    ("show b81f56 --scope everything", "usage", 2),
)


def test_an_error_is_one_document_on_stderr(squidie, call, documents):
    """UX 8.4: stdout stays empty, the exit code is that of the error."""
    known = {name: str(run.id) for name, run in by_name(squidie)}
    root = schemas()
    for line, code, exit_code in WRONG:
        shown = call(*(known.get(word, word) for word in line.split()), "--json")
        assert (shown.stdout, shown.exit_code) == ("", exit_code), (line, shown.output)
        error = json.loads(shown.stderr)["error"]
        assert (line, error["code"]) == (line, code)
        assert problems(error, root["error"], root) == []


def by_name(squidie):
    runs = sorted(squidie.list_runs(limit=100).runs, key=lambda row: row.started_at)
    return [("b81f56", row) for row in runs if row.state == "completed"]


def test_a_value_that_does_not_fit_is_noticed():
    """The judge is judged."""
    root = schemas()
    whole = root["documents"]["squidie.runs/1"]

    assert problems({"schema": "squidie.runs/1", "runs": [{"revision": 1.5}]}, whole, root)
    assert problems({"schema": "squidie.runs/1", "more": 1}, whole, root) == ["$.more: is not listed"]
    assert problems({"runs": []}, whole, root) == ["$.schema: is not there"]
    assert problems({"schema": "squidie.runs/1", "runs": [{"state": "happy"}]}, whole, root)


def test_what_the_host_does_not_permit_has_an_exit_code_of_its_own(make, bells, call):
    """UX 8.4, 6.7: 6."""
    call.squidie = make(*shop.ALL, delivery=bells, authorize=lambda *_: False)
    run = call.squidie.start(shop.SendInvoice, {"order_id": 1})

    shown = call("cancel", str(run.id), "--reason", "x", "--json")

    assert (shown.stdout, shown.exit_code) == ("", 6)
    assert json.loads(shown.stderr)["error"]["code"] == "not_permitted"


def test_a_database_that_is_away_has_an_exit_code_of_its_own(call, monkeypatch):
    """UX 8.4: 7; and nothing of the URL is said."""
    from squidie.cli.setup import Setup

    monkeypatch.setattr(Setup, "_from_app", lambda _: None)
    shown = call("--dsn", "postgresql://maya:hunter2@127.0.0.1:1/shop", "ls", "--json")

    assert (shown.stdout, shown.exit_code) == ("", 7)
    error = json.loads(shown.stderr)["error"]
    assert (error["code"], error["retryable"]) == ("journal_unavailable", True)
    assert "hunter2" not in shown.output
