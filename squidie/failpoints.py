"""Named points at which a test lets a process die, stop, stumble or lose an answer. Nothing happens there otherwise.

    SQUIDIE_TEST=1 SQUIDIE_FAILPOINTS="settle.before_commit=kill@2,claim.committed=stop" celery -A … worker

Without `SQUIDIE_TEST=1` at import the variable is not even read, and a hit is one look at a global. A word is
`point=action`, and may say when: `@3` is the third hit, `@*` every one, nothing the first. Hits are counted over a
process and all that it forks, so that the child which replaces a killed one is not killed as well. What an action does:

    kill         SIGKILL to this process                  raise        an exception that nobody expects
    stop         SIGSTOP to this process                  sleep:2      so many seconds
    exit         `SystemExit`: this thread ends, and      drop         what the point announces is left out
                 with the main one the process            lost_reply   what a connection raises that breaks now

Each action appends a line to the file named by `SQUIDIE_FAILPOINTS_LOG`, before it acts: the point, the action, the
number of the hit, the pid and `time.monotonic()`.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from squidie.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SWITCH: Final = "SQUIDIE_TEST"
VARIABLE: Final = "SQUIDIE_FAILPOINTS"
LOG: Final = "SQUIDIE_FAILPOINTS_LOG"

POINTS: Final = {
    "bell.received": "a worker has heard a bell for a queue that it serves",
    "claim.before_commit": "a claim is about to be sent; the statement commits by itself",
    "claim.committed": "a claim has been committed, and nothing was done with it",
    "step.before": "the arguments are there, the step's code has not been called",
    "step.after": "the step's code has returned or raised, and nobody knows",
    "turn.between": "a step of a turn has run, its outcome is not settled",
    "settle.locked": "the heads of a settle are locked, or one statement is about to do it all; nothing is written",
    "settle.before_commit": "everything of a settle is written, or about to be, and nothing is committed",
    "settle.committed": "a settle has been committed, nobody was told and nothing rung",
    "ring.before": "queues are about to be rung",
    "ring.after": "bells have left this process",
    "renew.before": "the claims of this process are about to be renewed",
    "sweep.before_expire": "a sweep has found claims whose leases are over",
    "child.died": "a worker has seen a child end, and has told nobody",
    "host.committed": "a host's transaction has committed, its bells have not been rung",
    "tick.before_commit": "a due cron window is written, and not committed",
}
"""Every point, and what is so when it is hit."""

MAY_DROP: Final = frozenset({"bell.received", "ring.before", "renew.before", "sweep.before_expire", "child.died"})
MAY_LOSE_A_REPLY: Final = frozenset({"claim.committed", "settle.committed"})
ACTIONS: Final = ("kill", "stop", "exit", "raise", "sleep", "drop", "lost_reply")

_WORD: Final = re.compile(
    r"(?P<point>[a-z_.]+)=(?P<action>[a-z_]+)(?::(?P<seconds>\d+(\.\d+)?))?(?:@(?P<at>[1-9]\d*|\*))?"
)


class PlannedError(Exception):
    """What the action `raise` raises. No error of Squidie's, so that nobody is prepared for it."""


class Plan(NamedTuple):
    """One word of the variable; `at` is None for every hit."""

    point: str
    action: str
    seconds: float
    at: int | None


def hit(point: str) -> bool:
    """A process is at this point. Whether to leave out what the point announces (`drop`)."""
    return _armed is not None and _armed.hit(point)


def armed() -> tuple[Plan, ...]:
    """What is planned in this process; empty in production."""
    return _armed.plans if _armed is not None else ()


def parse(words: str) -> tuple[Plan, ...]:
    """The variable's words. Raises `InvalidConfig` naming the first that is wrong, and what would be right."""
    return tuple(_plan(word.strip()) for word in words.split(",") if word.strip())


def _plan(word: str) -> Plan:
    found = _WORD.fullmatch(word)
    if found is None:
        raise _wrong(word, "is not of the form point=action, point=action@n or point=action@*")
    point, action, seconds, at = found["point"], found["action"], found["seconds"], found["at"]
    if point not in POINTS:
        raise _wrong(word, "names no point", f"points: {', '.join(POINTS)}")
    if action not in ACTIONS:
        raise _wrong(word, "names no action", f"actions: {', '.join(ACTIONS)}")
    if (seconds is None) is (action == "sleep"):
        raise _wrong(word, "needs its seconds" if action == "sleep" else "takes no seconds", "sleep:0.5")
    able = {"drop": MAY_DROP, "lost_reply": MAY_LOSE_A_REPLY}.get(action)
    if able is not None and point not in able:
        raise _wrong(word, f"cannot be: there is nothing for {action} there", f"possible at: {', '.join(sorted(able))}")
    return Plan(point, action, float(seconds or 0), None if at == "*" else int(at or 1))


def _wrong(word: str, what: str, hint: str | None = None) -> InvalidConfig:
    return InvalidConfig(f"{VARIABLE}: {word!r} {what}", hint=hint)


class Armed:
    """What is planned, and how often each point was hit by this process and its forks."""

    def __init__(self, plans: tuple[Plan, ...], log: str | None) -> None:
        self.plans = plans
        self._log = log
        self._tally = Tally()

    def hit(self, point: str) -> bool:
        """Count, and do what is planned for this hit; whether that was `drop`."""
        plans = [plan for plan in self.plans if plan.point == point]
        if not plans:
            return False
        number = self._tally.count(list(POINTS).index(point))
        due = [plan for plan in plans if plan.at is None or plan.at == number]
        for plan in due:
            self._note(plan, number)
            _DO[plan.action](plan)
        return any(plan.action == "drop" for plan in due)

    def _note(self, plan: Plan, number: int) -> None:
        if self._log is None:
            return
        line = f"{plan.point} {plan.action} {number} {os.getpid()} {time.monotonic():.6f}\n"
        file = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


class Tally:
    """Numbers that a process shares with all that it forks: a file without a name, under a lock that dies with it."""

    def __init__(self) -> None:
        self._file, name = tempfile.mkstemp()
        Path(name).unlink()
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forked)

    def count(self, place: int) -> int:
        """One more in this place; how many now."""
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                number = int.from_bytes(os.pread(self._file, 8, 8 * place)) + 1
                os.pwrite(self._file, number.to_bytes(8), 8 * place)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
        return number

    def _forked(self) -> None:
        self._lock = threading.Lock()


def _kill(_: Plan) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(_: Plan) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _exit(plan: Plan) -> None:
    raise SystemExit(f"{plan.point} was to end this thread")


def _raise(plan: Plan) -> None:
    raise PlannedError(f"{plan.point} was to raise this")


def _sleep(plan: Plan) -> None:
    time.sleep(plan.seconds)


def _drop(_: Plan) -> None:
    """Whoever asked leaves it out."""


def _lose_reply(plan: Plan) -> None:
    """As SQLAlchemy says it of psycopg: the connection is gone, and no SQLSTATE says what became of the commit."""
    from psycopg import OperationalError as Cut  # noqa: PLC0415 - this module is below everything, and light
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415 - likewise

    cut = Cut(f"consuming input failed: server closed the connection unexpectedly (planned at {plan.point})")
    raise OperationalError("COMMIT", None, cut, connection_invalidated=True)


_DO: Final[Mapping[str, Callable[[Plan], None]]] = {
    "kill": _kill,
    "stop": _stop,
    "exit": _exit,
    "raise": _raise,
    "sleep": _sleep,
    "drop": _drop,
    "lost_reply": _lose_reply,
}


def from_environment(environment: Mapping[str, str]) -> Armed | None:
    """What the environment plans; None unless the switch is on and something is planned."""
    if environment.get(SWITCH) != "1":
        return None
    plans = parse(environment.get(VARIABLE, ""))
    return Armed(plans, environment.get(LOG)) if plans else None


_armed = from_environment(os.environ)
