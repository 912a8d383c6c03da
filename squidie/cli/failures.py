"""Errors as people and programs read them: a message, what to do, an exit code; no traceback."""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple

import click

from squidie.errors import RunUnsuccessful, SquidieError, UnsafeReplay
from squidie.history.lines import visible

CANCELLED = 11


class Failure(NamedTuple):
    """What is said of an error."""

    message: str
    hint: str | None
    exit_code: int
    document: dict[str, Any]


def failure_of(error: Exception) -> Failure | None:
    """The failure to be told, or None for a bug of ours."""
    if isinstance(error, SquidieError):
        return Failure(error.message, _hint(error), _exit_code(error), error.to_dict())
    if isinstance(error, click.UsageError):
        return _usage(error)
    if isinstance(error, click.ClickException):
        return _plain("failed", error.format_message(), None, error.exit_code)
    if type(error).__module__.startswith("sqlalchemy."):
        return _from_database(error)
    return None


def tell(failure: Failure, *, as_json: bool, color: bool | None = None) -> None:
    """On stderr; stdout stays as it is."""
    if as_json:
        click.echo(json.dumps({"error": failure.document}, ensure_ascii=False), err=True)
        return
    sign = "✕" if _can_show("✕") else "x"
    click.secho(f"{sign} {visible(failure.message)}", fg="red", err=True, color=color)
    if failure.hint:
        click.echo(f"  {visible(failure.hint)}", err=True)


def _hint(error: SquidieError) -> str | None:
    """What to do, in the words of a terminal."""
    if not isinstance(error, UnsafeReplay):
        return error.hint
    options = " ".join(f"--allow-irreversible {step['step']}" for step in error.steps)
    return f"look first whether it took effect; to go on all the same: {options}"


def _exit_code(error: SquidieError) -> int:
    cancelled = isinstance(error, RunUnsuccessful) and error.status == "cancelled"
    return CANCELLED if cancelled else error.exit_code


def _usage(error: click.UsageError) -> Failure:
    hint = f"see {error.ctx.command_path} --help" if error.ctx else None
    return _plain("usage", error.format_message(), hint, error.exit_code)


def _from_database(error: Exception) -> Failure:
    """Postgres refused something that Squidie has no name for: its first line, and none of the statement."""
    said = str(getattr(error, "orig", None) or type(error).__name__).strip().partition("\n")[0]
    return _plain(
        "database_error",
        f"Postgres refused: {said}",
        "does this role own the journal's schema, or have rights on it?",
        1,
    )


def _plain(code: str, message: str, hint: str | None, exit_code: int) -> Failure:
    return Failure(
        message, hint, exit_code, {"code": code, "message": message, "hint": hint, "details": {}, "retryable": False}
    )


def _can_show(sign: str) -> bool:
    try:
        sign.encode(sys.stderr.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
