"""What commands have in common: `--json`, the screen, and how times, queries and `name=value` are read."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

import click

from squidie.cli.setup import Setup
from squidie.cli.who import yourself
from squidie.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from squidie.cli.render import Screen
    from squidie.views.seen import Seen

audit = logging.getLogger("squidie.audit")
_TERMS = ("workflow", "partition", "status", "state", "since", "until", "attr.NAME", "is")
_ATTRIBUTE = "attr."


class Reading:
    """One call of a command: whose journal, and who reads the answer."""

    def __init__(self, setup: Setup, *, as_json: bool, scope: str | None = None) -> None:
        self.setup = setup
        self.as_json = as_json
        self.scope = scope

    @cached_property
    def attribute_types(self) -> dict[str, str]:
        """How text for the application's attributes is read; without its code all of it is text."""
        types = self.setup.on_journal().attributes.types
        return {name: "any" if kind.name == "datetime" else kind.name for name, kind in types.items()}

    @cached_property
    def screen(self) -> Screen:
        """Where people read."""
        from squidie.cli.render import Screen

        return Screen(self.setup)

    @property
    def is_outside(self) -> bool:
        """Whether it is shown as to somebody outside."""
        return self.scope == "external"

    def see(self, view: Any) -> Any:
        """A view as it is drawn for this scope; as it is where none was asked for."""
        return view if self.scope is None else self._seen(view).view

    def told(self, view: Any) -> Any:
        """A view as programs are told of it: what is hidden is absent."""
        import msgspec

        return msgspec.to_builtins(view) if self.scope is None else self._seen(view).shown

    def document(self, schema: str, body: Any, **more: Any) -> None:
        """Where programs read."""
        from squidie.cli.render import document

        document(schema, body, **more)

    def line(self, schema: str, view: Any) -> None:
        """The same, as one of many objects, each on a line."""
        import msgspec

        click.echo(msgspec.json.encode({"schema": schema, **self.told(view)}).decode())

    def _seen(self, view: Any) -> Seen:
        from squidie.history.masking import Masking
        from squidie.views.seen import seen
        from squidie.views.visibility import Scope

        settings = self.setup.on_journal().settings
        masking = Masking(settings.secrets, values=settings.secret_values, paths=settings.masked_paths)
        found = seen(view, Scope(str(self.scope)), masking)
        if found.revealed:
            audit.info("revealed: %s to %s at the command line", ", ".join(found.revealed), yourself())
        return found


def read_command(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command `--json` and its `Reading`."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
    @wraps(command)
    def called(*args: Any, as_json: bool, scope: str | None = None, **kwargs: Any) -> None:
        setup = click.get_current_context().find_object(Setup)
        reading = Reading(setup if setup is not None else Setup(), as_json=as_json, scope=scope)
        command(reading, *args, **kwargs)

    return called


SCOPES = ("external", "operator", "auditor")
SCOPE = click.option(
    "--scope",
    metavar="SCOPE",
    type=click.Choice(SCOPES),
    envvar="SQUIDIE_SCOPE",
    help="As external, operator or auditor see it; without one, everything.",
)
"""For commands that show runs; above `read_command`."""


def query_of(
    terms: Iterable[str], options: dict[str, Any], attribute_types: dict[str, str] | None = None
) -> dict[str, Any]:
    """What `ls` asks for: terms such as `status:failed` and options alike; what is not asked is left out.

    `attr.NAME:TEXT` is read as text for an attribute of that name, `attr.NAME:=JSON` as JSON.
    """
    asked = {
        "workflow": options["workflow"],
        "status": list(options["status"]),
        "open": options["is_open"],
        "since": options["since"],
    }
    attributes: list[str] = []
    for term in terms:
        name, colon, value = term.partition(":")
        if not colon:
            name, value = "workflow", term
        if name.startswith(_ATTRIBUTE):
            name = name.removeprefix(_ATTRIBUTE)
            attributes.append(f"{name}:{value}" if value.startswith("=") else f"{name}={value}")
        elif name not in _TERMS:
            raise InvalidArgument("query", f"there is no filter {name!r}", hint=f"known: {', '.join(_TERMS)}")
        elif name == "status":
            asked["status"].append(value)
        elif name in _SAID:
            asked |= _said(name, value)
        else:
            asked[name] = value
    if attributes:
        asked["attributes"] = pairs(attributes, "attr", attribute_types)
    return {name: value for name, value in asked.items() if value not in (None, [])}


_SAID = {
    "state": {"open": {"open": True}, "ended": {"open": False}},
    "is": {"archived": {"archived": True}},
}
"""Terms that stand for something else."""


def _said(name: str, value: str) -> dict[str, Any]:
    known = _SAID[name]
    if value not in known:
        hint = "for single statuses: status:failed" if name == "state" else None
        raise InvalidArgument(name, f"is {' or '.join(known)}", hint=hint)
    return known[value]


def moment(setup: Setup, text: str, *, past: bool) -> datetime:
    """An absolute time with its zone, or a duration before (`past`) or after the database's time."""
    from squidie.workflow.durations import seconds

    try:
        away = timedelta(seconds=seconds(text))
    except ValueError:
        return _absolute(text)
    now = setup.on_journal().now()
    return now - away if past else now + away


def _absolute(text: str) -> datetime:
    hint = 'a duration such as "90s" or "2h30m", or a time such as 2026-05-01T12:00Z'
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument("time", "is neither a duration nor a time", hint=hint) from None
    if at.tzinfo is None:
        raise InvalidArgument("time", "says no time zone", hint=hint)
    return at.astimezone(UTC)


def pairs(given: Iterable[str], option: str, types: dict[str, str] | None = None) -> dict[str, Any]:
    """`name=text` and `name:=json`.

    Text for a field that the contract calls a number, a boolean, an object or an array is read as JSON, if it is any.
    """
    found: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name.strip(":"):
            raise InvalidArgument(option, "is written name=text or name:=json", hint=f"{option} order_id:=7")
        if name.endswith(":"):
            name = name[:-1]
            found[name] = _json(value, f"{option} {name}")
        else:
            found[name] = _typed(value, (types or {}).get(name, "string"))
    return found


def _typed(value: str, kind: str) -> Any:
    if kind in {"string", "any"}:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "not JSON"
        raise InvalidArgument(where, f"is no JSON: {reason}", hint="text goes without the colon: name=text") from None
