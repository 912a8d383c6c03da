"""What `squidie doctor` examines, and how a check says what it has found."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.engine import conditions
from squidie.journal import health
from squidie.journal.schedules import all_of
from squidie.views.fleet import fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from squidie.cli.setup import Setup
    from squidie.delivery import Finding as Unwise
    from squidie.journal.schedules import Schedule
    from squidie.journal.store import Journal
    from squidie.runtime import Squidie
    from squidie.views.fleet import Fleet


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """What one check has found."""

    severity: Severity
    evidence: str
    fix: str | None = None


class Needs(StrEnum):
    """What must be there before a check makes sense."""

    NOTHING = "nothing"
    CODE = "code"
    DATABASE = "database"
    SCHEMA = "schema"


class Check(NamedTuple):
    """One check by its id, which is its anchor in the documentation; `look` finds None where it makes no sense."""

    id: str
    look: Callable[[Patient], Finding | None]
    needs: Needs = Needs.SCHEMA


class Patient:
    """What is examined. Each part is fetched once, when a check first asks for it."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.has: set[Needs] = {Needs.NOTHING}

    @cached_property
    def squidie(self) -> Squidie:
        """The application's own object, or one on the journal alone."""
        return self.setup.on_journal()

    @cached_property
    def journal(self) -> Journal:
        """Its journal."""
        return self.setup.journal()

    @cached_property
    def server(self) -> Any:
        """The server's own words."""
        with self.journal.looking() as connection:
            return health.server(self.journal, connection)

    @cached_property
    def conditions(self) -> list[Unwise]:
        """What is unwise about it, as a worker would find it."""
        return conditions.of_database(self.journal)

    @cached_property
    def fleet(self) -> Fleet:
        """Who is alive, and what is due."""
        return fleet(self.journal, alive_for=max(60.0, 3 * self.squidie.settings.sweep))

    @cached_property
    def unwise(self) -> dict[str, list[Unwise]]:
        """What is unwise about the delivery, by the id of the check. Raises `Unavailable`."""
        found: dict[str, list[Unwise]] = {}
        for each in getattr(self.squidie.delivery, "findings", list)():
            found.setdefault(each.check, []).append(each)
        return found

    @cached_property
    def checked(self) -> dict[str, str]:
        """What the delivery has looked at, by the id of the check, in the words for when all is well."""
        return getattr(self.squidie.delivery, "checked", dict)()

    @cached_property
    def schedules(self) -> Sequence[Schedule]:
        """Every schedule, as it stands."""
        with self.journal.looking() as connection:
            return all_of(self.journal, connection)

    @property
    def has_code(self) -> bool:
        """Whether the application is at hand, and not the journal alone."""
        return Needs.CODE in self.has


def some(names: Sequence[str], most: int = 5) -> str:
    """The first of them, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def ok(evidence: str) -> Finding:
    """All is well."""
    return Finding(Severity.OK, evidence)


def warning(evidence: str, fix: str) -> Finding:
    """Something that will bite somebody."""
    return Finding(Severity.WARNING, evidence, fix)


def error(evidence: str, fix: str) -> Finding:
    """Something that bites now."""
    return Finding(Severity.ERROR, evidence, fix)


def summed(unwise: Sequence[Unwise], well: str) -> Finding:
    """What a worker would say at its start, as one finding."""
    if not unwise:
        return Finding(Severity.OK, well)
    severity = Severity.ERROR if any(each.unsafe for each in unwise) else Severity.WARNING
    evidence = "; ".join(f"{each.setting}: {each.reason}" for each in unwise)
    return Finding(severity, evidence, "; ".join(dict.fromkeys(each.fix for each in unwise)))
