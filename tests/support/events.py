"""The page of events, made from the code: `python -m tests.support.events` writes it."""

from __future__ import annotations

from inspect import getdoc
from pathlib import Path

from squidie.engine.reported import SAID
from squidie.history.facts import KINDS
from squidie.telemetry.events import ATTRIBUTES, COMMANDS, LONGEST, MEASURES, OTHERS, SPANS, name_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "events.md"
COMMAND = "python -m tests.support.events"

HEAD = f"""# Every event

Made from the code, by `{COMMAND}`. What listens, and how: [Telemetry](../guides/telemetry.md).

An event is told once, after its commit. Where it is about a run it has `run_id`, `attempt`, `at` (the database's time)
and `trace` besides.
"""


def text() -> str:
    """The page as it should stand."""
    return "\n".join([
        HEAD,
        *_table("Facts", "One for each kind of fact, by a rule: `attempt_failed` is `attempt.failed`.", {
            name_of(kind): (_sentence(fact), SAID[kind]) for kind, fact in KINDS.items()
        }),
        *_table("Claims, bells and refusals", "What writes no fact.", OTHERS),
        *_table("Spans", f"What takes time; each has `seconds`. A command ends as one of {_words(COMMANDS)}.", SPANS),
        *_list("Attributes", f"All that is ever said, at most {LONGEST} bytes each.", ATTRIBUTES),
        *_list("Measures", "All that is ever measured.", MEASURES),
    ])  # fmt: skip


def _table(title, about, rows):
    yield f"## {title}\n\n{about}\n\n| event | what has happened | says |\n| --- | --- | --- |"
    yield from (f"| `{name}` | {meaning} | {_words(said)} |" for name, (meaning, said) in rows.items())
    yield ""


def _list(title, about, rows):
    yield f"## {title}\n\n{about}\n\n| name | what it is |\n| --- | --- |"
    yield from (f"| `{name}` | {meaning} |" for name, meaning in rows.items())
    yield ""


def _words(names) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _sentence(fact) -> str:
    """The first line of what the fact's own text says."""
    return (getdoc(fact) or "").partition("\n")[0]


if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
