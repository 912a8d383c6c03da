"""Payloads from files and pipes."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from squidie.errors import InvalidArgument, SquidieError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from squidie.cli.reading import Reading
    from squidie.runtime import Run

BATCH = 500
_AT = "@FILE.json, @FILE.jsonl, or - for stdin"


def is_lines(source: str | None) -> bool:
    """Whether each line of this source is a payload of its own."""
    return source is not None and source.endswith((".jsonl", ".ndjson"))


def read_payload(source: str) -> Any:
    """One payload. Raises `InvalidArgument` naming the line and column of what is no JSON."""
    with _opened(source) as stream:
        return _parsed(stream.read())


def read_object(said: str) -> Any:
    """JSON as it was said, or from the file that `@FILE` or `-` names. Raises `InvalidArgument` likewise."""
    return read_payload(said) if said.startswith("@") or said == "-" else _parsed(said)


def start_lines(reading: Reading, start_many: Callable[..., list[Any]], source: str, key_field: str | None) -> None:
    """Start a run for each line, many in a commit. A bad line harms only itself; the first one's exit code is ours."""
    tally = Tally(reading)
    with _opened(source) as stream:
        lines = _lines(stream)
        while batch := list(islice(lines, BATCH)):
            keys = [_key(payload, key_field, line) for line, payload in batch] if key_field else None
            made = start_many([payload for _, payload in batch], keys=keys, partial=True)
            for (line, _), run in zip(batch, made, strict=True):
                tally.count(line, run)
    tally.close()


class Tally:
    """What came of each line."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._runs: dict[bool, list[str]] = {True: [], False: []}
        self._errors: list[tuple[int, SquidieError]] = []

    def count(self, line: int, run: Run | SquidieError) -> None:
        """One more; people see it at once."""
        text = not self._reading.as_json
        if isinstance(run, SquidieError):
            self._errors.append((line, run))
            said = f"line {line}: {run}"
        else:
            self._runs[run.created].append(str(run.id))
            said = str(run.id)
        if text:
            click.echo(said, err=isinstance(run, SquidieError))

    def close(self) -> None:
        """Sum up, and leave with the first error's exit code."""
        started, existed = self._runs[True], self._runs[False]
        if self._reading.as_json:
            errors = [{"line": line, **error.to_dict()} for line, error in self._errors]
            self._reading.document("squidie.start_many/1", {"started": started, "existed": existed, "errors": errors})
        else:
            refused = f", {len(self._errors):,} refused" if self._errors else ""
            self._reading.screen.note(f"{len(started):,} started, {len(existed):,} existed already{refused}")
        if self._errors:
            click.get_current_context().exit(self._errors[0][1].exit_code)


def _opened(source: str) -> Any:
    if source == "-":
        return nullcontext(sys.stdin)
    if not source.startswith("@"):
        raise InvalidArgument("--input", "is a file with @ in front of it", hint=_AT)
    try:
        return Path(source[1:]).open(encoding="utf-8", errors="replace")
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
