"""What `squidie doctor` examines, and how a check says what it has found."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.engine import conditions
from squidie.journal import health
from squidie.views.fleet import fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from squidie.cli.setup import Setup
    from squidie.delivery import Finding as Unwise
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
    """One check by its id, which is its anchor in the documentation."""

    id: str
    look: Callable[[Patient], Finding]
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
        from squidie.journal.store import Journal

        return Journal(self.squidie.engine, self.squidie.schema)

    @cached_property
    def server(self) -> Any:
        """The server's own words."""
        with self.journal.reading() as connection:
            return health.server(self.journal, connection)

    @cached_property
    def conditions(self) -> list[Unwise]:
        """What is unwise about it, as a worker would find it."""
        return conditions.of_database(self.journal)

    @cached_property
    def fleet(self) -> Fleet:
        """Who is alive, and what is due."""
        return fleet(self.journal, alive_for=max(60.0, 3 * self.squidie.settings.sweep))


def summed(unwise: Sequence[Unwise], well: str) -> Finding:
    """What a worker would say at its start, as one finding."""
    if not unwise:
        return Finding(Severity.OK, well)
    severity = Severity.ERROR if any(each.unsafe for each in unwise) else Severity.WARNING
    evidence = "; ".join(f"{each.setting}: {each.reason}" for each in unwise)
    return Finding(severity, evidence, "; ".join(dict.fromkeys(each.fix for each in unwise)))
