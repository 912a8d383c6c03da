"""A wire that misbehaves on purpose: in front of Redis or of Postgres, for whoever connects to its port.

    with FaultProxy(("127.0.0.1", 6379)) as proxy:
        proxy.latency = 0.5         every chunk is that late, each way
        proxy.blackhole = True      bytes are held back, connections stay open
        proxy.refuse = True         new connections are reset
        proxy.lead_to(address)      another server takes the place of the one that was there
        proxy.reset()               those that are open are reset
        proxy.cut("after")          the next commit reaches the server, its answer reaches nobody
        proxy.rewrite = function    the server hears what this makes of a connection's bytes, from the first one on

`hits` counts what really happened, by kind.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Self

from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

CHUNK = 65536
LOOK = 0.01
COMMIT = b"COMMIT\0"
"""As it is said; `BEGIN ISOLATION LEVEL READ COMMITTED` is something else."""

IDLE = b"Z\0\0\0\5I"
"""How an answer ends when no transaction is open: the next statement may commit by itself."""

FACTS = (b"run_started", b"attempt_completed")
"""What is in a statement that writes facts without a transaction around it."""

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER for zero seconds: closing sends a reset."""

When = Literal["before", "after"]


class Wire:
    """One client's connection, and ours to the server."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.ends = (client, server)
        self.deaf = False
        self.is_idle = True

    def reset(self) -> None:
        """Both ends learn that it broke."""
        for end in self.ends:
            break_off(end)


def break_off(end: asyncio.StreamWriter) -> None:
    """Send a reset where there is such a thing, else just close."""
    raw = end.get_extra_info("socket")
    if raw is not None and raw.family != socket.AF_UNIX:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    end.transport.abort()


async def _until_it_breaks(pump: Coroutine[Any, Any, None]) -> None:
    with suppress(ConnectionError):
        await pump


class FaultProxy:
    """Listens on a free loopback port; `upstream` is an address, or the path of a Unix socket."""

    def __init__(self, upstream: tuple[str, int] | str) -> None:
        self._upstream = upstream
        self.latency = 0.0
        self.blackhole = False
        self.refuse = False
        self.rewrite: Callable[[Wire, bytes], bytes] | None = None
        self.hits: Counter[str] = Counter()
        self._cut: tuple[When, bytes] | None = None
        self._wires: set[Wire] = set()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="fault-proxy", daemon=True)
        self._thread.start()
        self._listening.wait(10)

    @classmethod
    def to_postgres(cls, url: str) -> Self:
        """In front of the server that this URL names."""
        found = make_url(url)
        folder = found.query.get("host")
        if folder:
            return cls(f"{folder}/.s.PGSQL.{found.port or 5432}")
        return cls((found.host or "127.0.0.1", found.port or 5432))

    @classmethod
    def to_redis(cls, url: str) -> Self:
        """In front of the server that this URL names."""
        found = make_url(url)
        return cls((found.host or "127.0.0.1", found.port or 6379))

    def postgres_url(self, url: str) -> str:
        """The same database, through this wire."""
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        return make_url(url).set(host="127.0.0.1", port=self.port, query=plain).render_as_string(hide_password=False)

    def redis_url(self, url: str) -> str:
        """The same Redis, through this wire."""
        return make_url(url).set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)

    def lead_to(self, address: tuple[str, int] | str) -> None:
        """Somebody else serves this place from now on: connections break, and new ones lead to him."""
        self._upstream = address
        self.reset()

    def cut(self, when: When, at: bytes = COMMIT) -> None:
        """Break the next connection that says this: before the server hears it, or after it has answered.

        A statement that writes facts and commits by itself is a COMMIT, too.
        """
        self._cut = (when, at)

    def reset(self) -> None:
        """Break what is open."""
        self._loop.call_soon_threadsafe(self._reset_all)

    def heal(self) -> None:
        """No more faults."""
        self.latency, self.blackhole, self.refuse, self._cut = 0.0, False, False, None

    def close(self) -> None:
        """Break what is open and listen no more."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port: int = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._closing.wait()
        server.close()
        self.heal()
        self._reset_all()
        until = self._loop.time() + 2
        while self._wires and self._loop.time() < until:  # each ends by itself; one cut off would be told as an error
            await asyncio.sleep(LOOK)
            for wire in tuple(self._wires):
                wire.reset()

    def _reset_all(self) -> None:
        for wire in tuple(self._wires):
            self.hits["reset"] += 1
            wire.reset()

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self.refuse:
            self.hits["refuse"] += 1
            break_off(client)
            return
        try:
            answers, server = await self._dial()
        except OSError:
            break_off(client)
            return
        wire = Wire(client, server)
        self._wires.add(wire)
        try:
            with suppress(asyncio.CancelledError):  # at the end of all
                await self._first_of((self._ask(reader, wire), self._answer(answers, wire)))
        finally:
            self._wires.discard(wire)
            for end in wire.ends:
                end.transport.abort()

    async def _first_of(self, pumps: Iterable[Coroutine[Any, Any, None]]) -> None:
        """When one direction ends, so does the other."""
        tasks = [asyncio.create_task(_until_it_breaks(pump)) for pump in pumps]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, str):
            return await asyncio.open_unix_connection(self._upstream)
        return await asyncio.open_connection(*self._upstream)

    async def _ask(self, reader: asyncio.StreamReader, wire: Wire) -> None:
        while data := await reader.read(CHUNK):
            await self._hold()
            match self._taken(data, wire):
                case "before":
                    wire.reset()
                    return
                case "after":
                    wire.deaf = True
            wire.ends[1].write(data if self.rewrite is None else self.rewrite(wire, data))
            await wire.ends[1].drain()

    async def _answer(self, reader: asyncio.StreamReader, wire: Wire) -> None:
        while data := await reader.read(CHUNK):
            await self._hold()
            if wire.deaf:
                wire.reset()
                return
            wire.is_idle = data.endswith(IDLE)
            wire.ends[0].write(data)
            await wire.ends[0].drain()

    def _taken(self, data: bytes, wire: Wire) -> When | None:
        """Whether this is to be cut, and when; a cut is made once."""
        if self._cut is None:
            return None
        at = self._cut[1]
        if at not in data and not (at == COMMIT and wire.is_idle and any(fact in data for fact in FACTS)):
            return None
        when, self._cut = self._cut[0], None
        self.hits[f"cut {when}"] += 1
        return when

    async def _hold(self) -> None:
        if self.latency:
            self.hits["latency"] += 1
            await asyncio.sleep(self.latency)
        if self.blackhole:
            self.hits["blackhole"] += 1
        while self.blackhole:  # noqa: ASYNC110 - it is set from other threads
            await asyncio.sleep(LOOK)
