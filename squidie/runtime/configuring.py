"""What a `Squidie` is made from, checked as a whole: everything that is wrong is said at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from squidie import delivery as deliveries
from squidie import telemetry
from squidie.decide.retention import policy_of
from squidie.engine import together
from squidie.engine.parts import Parts
from squidie.engine.permission import Policy
from squidie.engine.requests import partition_of, queue_name
from squidie.errors import ConfigError, InvalidArgument, InvalidConfig, MissingConfig, SquidieError
from squidie.history.attributes import schema_of
from squidie.journal.store import Journal
from squidie.migrate import IDENTIFIER
from squidie.settings import Settings, settings_of
from squidie.workflow.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Engine

    from squidie.delivery import Delivery
    from squidie.engine.permission import Authorize, Retain, Visibility
    from squidie.workflow.dsl import Workflow

T = TypeVar("T")


class Given(NamedTuple):
    """The arguments of `Squidie`, as they came."""

    database: str | Engine
    delivery: str | Delivery | None
    workflows: Iterable[type[Workflow]]
    actions: Mapping[str, Callable[..., Any]] | None
    aliases: Mapping[str, str | Callable[..., Any]] | None
    keep: Iterable[Callable[..., Any]]
    schema: str
    queue: str
    partition: str | None
    authorize: Authorize | None
    retain: Retain | None
    visibility: Visibility | None
    telemetry: Any
    settings: Settings | Mapping[str, Any] | None
    attributes: Mapping[str, Any] | None


def configured(given: Given) -> tuple[Parts, Policy]:
    """The parts of a runtime. Raises `InvalidConfig` or `MissingConfig` with everything that is wrong."""
    look = _Look()
    settings = look.at(lambda: settings_of(given.settings))
    registry = look.at(
        lambda: Registry(tuple(given.workflows), actions=given.actions, aliases=given.aliases, keep=tuple(given.keep))
    )
    if registry is not None and settings is not None:
        known, chosen = registry, settings
        look.at(lambda: together.check(known, chosen))
    if settings is not None and settings.retention is not None:
        ages = settings.retention
        look.at(lambda: policy_of(ages, "settings.retention"))
    schema = look.at(lambda: _schema(given.schema)) or "squidie"
    timeout, listen_at = (settings or Settings()).lock_timeout, (settings or Settings()).listen_url
    journal = look.at(lambda: Journal(_database(given.database), schema, lock_timeout=timeout, listen_at=listen_at))
    queue = look.at(lambda: queue_name(given.queue))
    look.at(lambda: partition_of(given.partition))
    policy = look.at(lambda: _policy(given.authorize, given.retain, given.visibility))
    attributes = look.at(lambda: schema_of(given.attributes))
    delivery = look.at(lambda: deliveries.find(given.delivery))
    handlers = look.at(lambda: telemetry.find(given.telemetry))
    look.judge()
    assert settings is not None  # noqa: S101 - this and the next: `judge` has raised where one is missing
    assert registry is not None  # noqa: S101
    assert journal is not None  # noqa: S101
    assert queue is not None  # noqa: S101
    assert policy is not None  # noqa: S101
    assert delivery is not None  # noqa: S101
    assert handlers is not None  # noqa: S101
    assert attributes is not None  # noqa: S101
    return Parts(journal, settings, registry, delivery, queue, handlers=handlers, attributes=attributes), policy


class _Look:
    """Everything that was found wrong so far."""

    def __init__(self) -> None:
        self.wrong: list[SquidieError] = []

    def at(self, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except (ConfigError, InvalidArgument) as error:
            self.wrong.append(error)
            return None

    def judge(self) -> None:
        if len(self.wrong) == 1 and isinstance(self.wrong[0], ConfigError):
            raise self.wrong[0]
        if self.wrong:
            problems = [str(error) for error in self.wrong]
            raise InvalidConfig("; ".join(problems), details={"problems": problems})


def _schema(schema: str) -> str:
    """The schema's name, or `InvalidConfig`."""
    if not isinstance(schema, str) or not IDENTIFIER.fullmatch(schema):
        raise InvalidConfig("the schema's name must be lower-case letters, digits and underscores")
    return schema


def _database(database: str | Engine) -> str | Engine:
    if not database:
        raise MissingConfig(
            "the journal's database is not given", hint='Squidie("postgresql+psycopg://user:password@host/database")'
        )
    return database


def _policy(authorize: Authorize | None, retain: Retain | None, visibility: Visibility | None) -> Policy:
    if authorize is not None and not callable(authorize):
        raise InvalidConfig("authorize is no function", hint="authorize(actor, verb, run, step) -> bool | None")
    if retain is not None and not callable(retain):
        raise InvalidConfig("retain is no function", hint="retain(runs) -> ids of those that must stay")
    if visibility is not None and not callable(visibility):
        raise InvalidConfig("visibility is no function", hint="visibility(actor, view) -> Scope")
    return Policy(authorize=authorize, retain=retain, visibility=visibility)
