"""What is done to a fleet, and when: a schedule that the seed alone decides, and what carries it out.

    kill child         SIGKILL to a child of a pool, in mid-step      flush              Redis forgets everything
    kill worker        SIGKILL to a worker with all its children      kill redis         it comes back empty
    freeze             SIGSTOP to a worker in mid-step, until its     restart postgres   in good order
                       claim has been ended by somebody else          kill postgres      a crash, and recovery
    cut before, after  a COMMIT that does not reach the server, or    terminate          all sessions end
                       whose answer does not come back                failpoint          one more worker, armed

What really happened is counted, not what was planned; a victim that cannot be had is no fault.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evidence.cluster import Node
    from evidence.fleet import Fleet
    from evidence.report import Row

MID_STEP = 3.0
"""Seconds to find somebody who holds a claim, before another victim will do."""

FROZEN = 6.0
"""The most seconds that a worker is frozen: a claim whose run it has locked can be ended by nobody meanwhile."""

CUT = 5.0
"""Seconds to wait for a COMMIT on the wire."""

ARMED = 15.0
"""Seconds that an armed worker has to come to its point, once it works."""

FAILPOINTS = (
    "claim.committed=kill@4",
    "claim.before_commit=kill@6",
    "step.before=kill@5",
    "step.after=kill@5",
    "turn.between=kill@4",
    "settle.locked=kill@5",
    "settle.before_commit=kill@5",
    "settle.committed=kill@5",
    "settle.committed=lost_reply@4",
    "claim.committed=lost_reply@3",
    "ring.after=kill@3",
    "bell.received=drop@2",
    "ring.before=drop@3",
    "step.after=raise@4",
)

TERMINATE = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""


class Planned(NamedTuple):
    """One fault: how many seconds after the beginning, what, and a number that chooses among victims."""

    at: float
    kind: str
    dice: float


def budget(seed: int, seconds: float, counts: Mapping[str, int]) -> list[Planned]:
    """So many of each kind, in any order, spread over most of the time."""
    dice = random.Random(f"{seed} budget")
    kinds = [kind for kind, number in counts.items() for _ in range(number)]
    dice.shuffle(kinds)
    first, last = 0.06 * seconds, 0.92 * seconds
    share = (last - first) / max(1, len(kinds))
    return [
        Planned(round(first + (place + dice.random()) * share, 2), kind, dice.random())
        for place, kind in enumerate(kinds)
    ]


def mix(seed: int, seconds: float, kinds: Sequence[str]) -> list[Planned]:
    """One each 1 to 5 seconds; all kinds have come once before any comes again."""
    dice = random.Random(f"{seed} mix")
    planned: list[Planned] = []
    bag: list[str] = []
    at = dice.uniform(1, 2)
    while at < seconds:
        if not bag:
            bag = [*kinds]
            dice.shuffle(bag)
        planned.append(Planned(round(at, 2), bag.pop(), dice.random()))
        at += dice.uniform(1, 5)
    return planned


@dataclass(frozen=True)
class Silence:
    """A process that was stopped for a while, by the machine's clock."""

    pid: int
    since: float
    until: float


class Harm:
    """Carries out a schedule on a fleet. Faults may overlap, but for those of one server."""

    def __init__(self, fleet: Fleet, dump: Callable[[str], None]) -> None:
        self._fleet, self._cluster, self._dump = fleet, fleet.cluster, dump
        self._server = threading.Lock()
        self._lock = threading.Lock()
        self.hits: Counter[str] = Counter()
        self.died: dict[int, float] = {}
        """When each process was killed or frozen, by the machine's clock, which is the database's, too."""
        self.silences: list[Silence] = []

    def play(self, planned: Sequence[Planned], begun: float) -> None:
        """All of it; `begun` is the beginning by `time.monotonic()`. Returns when the last one is over."""
        with ThreadPoolExecutor(4) as pool:
            for each in planned:
                left = begun + each.at - time.monotonic()
                if left > 0:
                    threading.Event().wait(left)
                pool.submit(self._do, each)

    def _do(self, planned: Planned) -> None:
        try:
            DEEDS[planned.kind](self, planned.dice)
        except Exception as error:  # noqa: BLE001 - the harness' own fault is told, and the others are made
            self._dump(f"{planned.kind}: {type(error).__name__}: {error}")

    def _hit(self, what: str) -> None:
        with self._lock:
            self.hits[what] += 1

    def kill_child(self, dice: float) -> None:
        """A child of a pool, in mid-step where there is one."""
        held = self._holder(dice)
        pid = held[1] if held else self._any_child(dice)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.died[pid] = time.time()
            self._hit("kill child")

    def kill_worker(self, dice: float) -> None:
        """All of a worker; another one takes its place."""
        held = self._holder(dice)
        node = self._fleet.take(held[0] if held else None, dice)
        if node is None:
            return
        for pid in node.process.children():
            self.died[pid] = time.time()
        node.kill()
        self._hit("kill worker")
        self._fleet.put_back(node)

    def freeze(self, dice: float) -> None:
        """All of a worker, beyond its lease."""
        deadline = time.monotonic() + 2 * MID_STEP
        while time.monotonic() < deadline and (held := self._holder(dice)) is not None:
            node = self._fleet.take(held[0], dice)
            if node is None:
                continue
            since, pids = time.time(), node.process.children()
            node.freeze()
            try:
                claims = {claim for pid, claim in self._held() if pid in pids}
                if claims:
                    self.died |= dict.fromkeys(pids, since)
                    self._hit("freeze")
                    self._outlast(claims)
            finally:
                node.thaw()
                self.silences += [Silence(pid, since, time.time()) for pid in pids]
                self._fleet.give_back(node)
            if claims:
                return

    def _outlast(self, claims: set[str]) -> None:
        with suppress(AssertionError):
            eventually(lambda: not claims & {claim for _, claim in self._held()}, FROZEN)

    def flush(self, _: float) -> None:
        """Every bell and binding is gone."""
        with self._server:
            self._cluster.services.redis.flush()
            self._hit("flush")

    def kill_redis(self, _: float) -> None:
        """Killed, and started again without anything in it."""
        with self._server:
            self._cluster.bounce("redis", "kill")
            self._hit("kill redis")

    def restart_postgres(self, _: float) -> None:
        """Stopped in good order, and started again."""
        with self._server:
            self._cluster.bounce("postgres", "stop")
            self._hit("restart postgres")

    def kill_postgres(self, _: float) -> None:
        """A crash: what was not flushed is gone."""
        with self._server:
            self._cluster.bounce("postgres", "kill")
            self._hit("kill postgres")

    def terminate(self, _: float) -> None:
        """Every session of the journal's database ends, the harness' own ones too."""
        with suppress(DBAPIError), self._cluster.squidie.engine.connect() as connection:
            if connection.execute(text(TERMINATE)).scalar_one():
                self._hit("terminate")

    def cut_before(self, _: float) -> None:
        """A COMMIT that does not reach the server."""
        self._cut("before")

    def cut_after(self, _: float) -> None:
        """A COMMIT whose answer reaches nobody."""
        self._cut("after")

    def _cut(self, when: str) -> None:
        proxy = self._fleet.proxy
        if proxy is None:
            return
        name = f"cut {when}"
        before = proxy.hits[name]
        proxy.cut("before" if when == "before" else "after")
        with suppress(AssertionError):
            eventually(lambda: proxy.hits[name] > before, CUT)
            self._hit(name)

    def failpoint(self, dice: float) -> None:
        """One more worker, with a point at which it dies, loses an answer or drops a bell."""
        armed = FAILPOINTS[int(dice * len(FAILPOINTS))]
        node = self._fleet.add(armed)
        point = armed.partition("=")[0]
        with suppress(AssertionError):
            node.hit(point, ARMED + 10.0)
            self._hit(f"failpoint {armed.partition('@')[0]}")
        self._fleet.dismiss(node)

    def _held(self) -> list[tuple[int, str]]:
        """Who holds which claim: pids, and the claims' ids."""
        rows = self._cluster.read("select owner, claim_id from squidie.attempts where claim_id is not null")
        return [(int(row.owner.split(":")[1]), str(row.claim_id)) for row in rows]

    def _holder(self, dice: float) -> tuple[Node, int] | None:
        """A worker of the fleet with a child that holds a claim."""
        deadline = time.monotonic() + MID_STEP
        while time.monotonic() < deadline:
            pids = {pid for pid, _ in self._held()}
            found = [(node, pid) for node in self._fleet.nodes for pid in node.process.children() if pid in pids]
            if found:
                return found[int(dice * len(found))]
        return None

    def _any_child(self, dice: float) -> int | None:
        pids = [pid for node in self._fleet.nodes for pid in node.process.children()]
        return pids[int(dice * len(pids))] if pids else None


DEEDS: dict[str, Callable[[Harm, float], None]] = {
    "kill child": Harm.kill_child,
    "kill worker": Harm.kill_worker,
    "freeze": Harm.freeze,
    "flush": Harm.flush,
    "kill redis": Harm.kill_redis,
    "restart postgres": Harm.restart_postgres,
    "kill postgres": Harm.kill_postgres,
    "terminate": Harm.terminate,
    "cut before": Harm.cut_before,
    "cut after": Harm.cut_after,
    "failpoint": Harm.failpoint,
}
"""What each kind of the schedule does."""


@contextmanager
def harmed(fleet: Fleet, row: Row, planned: Sequence[Planned], begun: float) -> Iterator[Harm]:
    """The schedule is carried out beside what is done here; in the end what really happened is the row's."""
    sys.stderr.write("".join(f"{each.at:7.2f} s  {each.kind}\n" for each in planned))
    harm = Harm(fleet, lambda said: row.why.append(f"the harness: {said}"))
    thread = threading.Thread(target=harm.play, args=(planned, begun), name="faults")
    thread.start()
    try:
        yield harm
    finally:
        thread.join()
        row.hits |= dict(harm.hits)
