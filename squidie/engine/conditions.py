"""What promises rest on, outside Squidie: looked at when a worker starts, and by `squidie doctor`.

Nothing is changed. What is unsafe (a commit that is not on disk when it says so, say) keeps a process of Squidie's own
from starting; in a host's process it is a warning. Who knows what he does (a database for tests) accepts a finding by
its setting's name: `SQUIDIE_ACCEPT=fsync,full_page_writes`; it is then said, and holds nothing up.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from squidie.delivery import Finding
from squidie.errors import InvalidConfig, SquidieError
from squidie.journal import health

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from squidie.journal.store import Journal

log = logging.getLogger("squidie.checks")

ACCEPT = "SQUIDIE_ACCEPT"
SKEW = 5.0
"""Seconds by which the clocks of a worker and of its database may differ without a word. Nothing rests on a worker's
clock but what people read in logs, and bells that expire."""

LONGEST = 300.0
"""Seconds for which somebody's transaction may be open without a word."""

MOST = 5
"""So many of them are named."""


def of_database(journal: Journal) -> list[Finding]:
    """What is unwise about the journal's server and our role there. Raises `JournalUnavailable`."""
    with journal.reading() as connection:
        begun = _clock()
        server = health.server(journal, connection)
        skew = (begun + _clock()) / 2 - server.at
        sessions = health.long_transactions(journal, connection, LONGEST)
    return [*judged(server), *_judged_clock(skew), *_judged_sessions(sessions)]


def judged(server: Any) -> list[Finding]:
    """What is unwise about a server that has described itself."""
    return [finding(server) for applies, finding in RULES if applies(server)]


def _clock() -> float:
    return time.time()  # noqa: TID251 the very clock that is judged


def _judged_clock(skew: float) -> list[Finding]:
    if abs(skew) < SKEW:
        return []
    which = "ahead of" if skew > 0 else "behind"
    said = f"this machine's clock is {abs(skew):.0f} s {which} the database's: logs mislead, and bells may expire early"
    return [Finding("clock", said, "let both follow one time server")]


def _judged_sessions(sessions: Sequence[Any]) -> list[Finding]:
    """Behind a transaction that stays open settled attempts are not cleared away, and every claim passes over them."""
    if not sessions:
        return []
    who = ", ".join(f"{each.name} (pid {each.pid}, {each.state}) for {each.seconds:.0f} s" for each in sessions[:MOST])
    fix = f"end it where it was begun, or: select pg_terminate_backend({sessions[0].pid})"
    return [Finding("transactions", f"held open by {who}: claims become slow", fix)]


def _off(name: str, may: str, fix: str) -> tuple[Callable[[Any], bool], Callable[[Any], Finding]]:
    return (
        lambda server: getattr(server, name) == "off",
        lambda _: Finding(name, f"it is off: {may}", fix, unsafe=True),
    )


RULES: tuple[tuple[Callable[[Any], bool], Callable[[Any], Finding]], ...] = (
    _off("fsync", "a power cut may lose or damage runs", "set it to on in postgresql.conf"),
    _off("full_page_writes", "a power cut may lose or damage runs", "set it to on in postgresql.conf"),
    _off(
        "synchronous_commit",
        "a crash of the database may lose runs that were started",
        "set it to on for this role: alter role … set synchronous_commit = on",
    ),
    (
        lambda server: server.encoding != "UTF8",
        lambda server: Finding(
            "server_encoding",
            f"the database's encoding is {server.encoding}, and not every text can be stored",
            "create it with encoding UTF8",
            unsafe=True,
        ),
    ),
    (
        lambda server: server.is_superuser == "on",
        lambda server: Finding(
            "role",
            f"{server.role} is a superuser: nothing keeps steps from changing facts",
            "connect as a role that owns no more than it needs",
        ),
    ),
)
"""In the order in which they are said."""


def at_boot(journal: Journal, given: Iterable[Finding] = (), *, refuse: bool) -> None:
    """Say what is unwise about the database, and what is given, in the log.

    With `refuse` what is unsafe and not accepted is `InvalidConfig`. A database that is away is not waited for.
    """
    findings = [*given, *_of_database_if_there(journal)]
    accepted = {name.strip() for name in os.environ.get(ACCEPT, "").split(",")}
    refused = [each for each in findings if refuse and each.unsafe and each.setting not in accepted]
    if refused:
        names = ",".join(each.setting for each in refused)
        raise InvalidConfig(
            "this worker does not start: " + "; ".join(map(str, refused)),
            hint=f"or accept it, where nothing is lost by it: {ACCEPT}={names}",
            details={"findings": [each.setting for each in refused]},
        )
    for each in findings:
        log.log(logging.INFO if each.setting in accepted else logging.WARNING, "%s", each)


def _of_database_if_there(journal: Journal) -> list[Finding]:
    try:
        return of_database(journal)
    except SquidieError as error:
        log.warning("the database could not be looked at: %s", error.message)
        return []
