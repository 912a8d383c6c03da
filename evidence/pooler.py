"""A pooler in transaction mode: who connects to its port gets another session of Postgres for each transaction.

    with Pooler(database_url, sessions=2) as pooler:
        create_engine(pooler.url_of(database_url))

As PgBouncer does it, and no more of it: a client is greeted with a process id that is no server's, and a session is his
from his first word until the server says that no transaction is open. What he has set or prepared there stays there.
"""

from __future__ import annotations

import asyncio
import os
import struct
import threading
from contextlib import suppress
from typing import Any, NamedTuple, Self

from sqlalchemy import make_url

PLAIN = {80877103, 80877104}  # a client asks for encryption, one way or the other
CANCEL = 80877102
ASKED, READY, KEY, ERROR, END = b"QS", b"Z", b"K", b"E", b"X"
IDLE = b"I"


class Session(NamedTuple):
    """A connection to Postgres, and what it said first."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes


class Pooler:
    """Listens on a free loopback port. `sessions` is how many of Postgres there are for all clients."""

    def __init__(self, url: str, sessions: int = 2) -> None:
        self._socket = os.path.join(str(make_url(url).query["host"]), ".s.PGSQL.5432")  # noqa: PTH118 - no file is read
        self._number = sessions
        self._free: asyncio.Queue[Session | None]
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="pooler", daemon=True)
        self._ends: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)

    def url_of(self, url: str) -> str:
        """The same database, by way of this."""
        plain = make_url(url).set(host="127.0.0.1", port=self.port, query={})
        return plain.render_as_string(hide_password=False)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        self._free = asyncio.Queue()
        for _ in range(self._number):
            self._free.put_nowait(None)
        server = await asyncio.start_server(self._greet, "127.0.0.1", 0)
        self.port = int(server.sockets[0].getsockname()[1])
        self._listening.set()
        await self._over.wait()
        server.close()
        for end in self._ends:
            end.transport.abort()
        await asyncio.sleep(0.05)  # until whoever was in the middle of something has noticed

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ends.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            started = await _startup(reader, writer)
            if started is not None:
                session = await self._take(started)
                self._free.put_nowait(session)
                writer.write(session.greeting)
                await self._relay(started, reader, writer)
        writer.close()
        self._ends.discard(writer)

    async def _relay(self, started: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session: Session | None = None
        try:
            while (asked := await _until(reader, ASKED + END))[-1][:1] != END:
                session = session or await self._take(started)
                session.writer.write(b"".join(asked))
                answers = await _until(session.reader, READY)
                if answers[-1][-1:] == IDLE:
                    self._free.put_nowait(session)
                    session = None
                writer.write(b"".join(answers))
                await writer.drain()
        finally:
            if session is not None:  # in the middle of a transaction: nobody goes on with it
                session.writer.close()
                self._free.put_nowait(None)

    async def _take(self, started: bytes) -> Session:
        found = await self._free.get()
        if found is not None and not found.reader.at_eof():
            return found
        try:
            return await self._connect(started)
        except BaseException:
            self._free.put_nowait(None)
            raise

    async def _connect(self, started: bytes) -> Session:
        reader, writer = await asyncio.open_unix_connection(self._socket)
        self._ends.add(writer)
        writer.write(started)
        greeting = await _until(reader, READY + ERROR)
        if greeting[-1][:1] == ERROR:
            raise ConnectionResetError
        told = [_key() if each[:1] == KEY else each for each in greeting]
        return Session(reader, writer, b"".join(told))


def _key() -> bytes:
    """What a client is told that it is: the process id of nobody."""
    return KEY + struct.pack("!iii", 12, 2**30 + int.from_bytes(os.urandom(3)), 0)


async def _startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
    """Who wants to go where, as it is said to Postgres."""
    while True:
        head = await reader.readexactly(8)
        length, code = struct.unpack("!ii", head)
        body = await reader.readexactly(length - 8)
        if code == CANCEL:
            return None
        if code not in PLAIN:
            return head + body
        writer.write(b"N")


async def _until(reader: asyncio.StreamReader, kinds: bytes) -> list[bytes]:
    """Whole messages, up to one of these kinds."""
    found: list[Any] = []
    while not found or found[-1][:1] not in kinds:
        head = await reader.readexactly(5)
        found.append(head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4))
    return found
