"""Payloads from files and pipes."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from squidie.errors import InvalidArgument, SquidieError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from squidie.cli.reading import Reading
    from squidie.runtime import Squidie

BATCH = 500
_AT = "@FILE.json, @FILE.jsonl, or - for stdin"


def is_lines(source: str | None) -> bool:
    """Whether each line of this source is a payload of its own."""
    return source is not None and source.endswith((".jsonl", ".ndjson"))


def read_payload(source: str) -> Any:
    """One payload. Raises `InvalidArgument` naming the line and column of what is no JSON."""
    with _opened(source) as stream:
        return _parsed(stream.read())


def start_lines(
    reading: Reading, squidie: Squidie, workflow: str, source: str, key_field: str | None, options: dict[str, Any]
) -> None:
    """Start a run for each line, many in a commit. A bad line harms only itself; the first one's exit code is ours."""
    started, existed, first_error = 0, 0, None
    with _opened(source) as stream:
        lines = _lines(stream)
        while batch := list(islice(lines, BATCH)):
            payloads = [payload for _, payload in batch]
            keys = [_key(payload, key_field, number) for number, payload in batch] if key_field else None
            for (number, _), run in zip(
                batch, squidie.start_many(workflow, payloads, keys=keys, partial=True, **options), strict=True
            ):
                if isinstance(run, SquidieError):
                    first_error = first_error or run
                    click.echo(f"line {number}: {run}", err=True)
                    continue
                started += run.created
                existed += not run.created
                _say(reading, str(run.id))
    _sum_up(reading, started, existed, first_error)


def _say(reading: Reading, run_id: str) -> None:
    if not reading.as_json:
        click.echo(run_id)


def _sum_up(reading: Reading, started: int, existed: int, error: SquidieError | None) -> None:
    if reading.as_json:
        reading.document("squidie.start_many/1", {"started": started, "existed": existed, "complete": error is None})
    else:
        reading.screen.note(f"{started:,} started, {existed:,} existed already")
    if error is not None:
        click.get_current_context().exit(error.exit_code)


def _opened(source: str) -> Any:
    if source == "-":
        return click.get_text_stream("stdin", encoding="utf-8")
    if not source.startswith("@"):
        raise InvalidArgument("--input", "is a file with @ in front of it", hint=_AT)
    try:
        return Path(source[1:]).open(encoding="utf-8")
    except OSError as error:
        raise InvalidArgument("--input", f"the file cannot be read: {error.strerror}") from None


def _lines(stream: Any) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(stream, start=1):
        if line.strip():
            yield number, _parsed(line, number)


def _parsed(text: str, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {line or error.lineno}, column {error.colno}"
        raise InvalidArgument("--input", f"is no JSON: {error.msg} ({place})") from None


def _key(payload: Any, field: str, line: int) -> str:
    value = payload.get(field) if isinstance(payload, dict) else None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise InvalidArgument("--key-field", f"the payload in line {line} has no text or whole number under {field!r}")
    return str(value)
