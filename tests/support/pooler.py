"""What lies between in Postgres' place: a wire that names another backend than the one that answers, or carries no
notifications, as poolers do."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

from sqlalchemy import make_url

KEY_DATA, NOTIFICATION = b"K", b"A"


class Pooler:
    """Listens on a free loopback port. `renames`: connections get a key of its own; `deaf`: NOTIFY reaches nobody."""

    def __init__(self, url, *, renames=False, deaf=False):
        self._to = make_url(url)
        self.renames, self.deaf = renames, deaf
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        """The same database, through this."""
        port = self._listener.getsockname()[1]
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        return self._to.set(host="127.0.0.1", port=port, query=plain).render_as_string(hide_password=False)

    def close(self):
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._dial()
                self._sockets += [client, server]
                threading.Thread(target=self._pump, args=(client, server, self._plain), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, self._framed), daemon=True).start()

    def _dial(self):
        folder = self._to.query.get("host")
        if not folder:
            return socket.create_connection((self._to.host or "127.0.0.1", self._to.port or 5432))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{folder}/.s.PGSQL.{self._to.port or 5432}")
        return server

    @staticmethod
    def _pump(source, target, messages):
        with suppress(OSError):
            for chunk in messages(source):
                target.sendall(chunk)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _plain(source):
        while chunk := source.recv(65536):
            yield chunk

    def _framed(self, source):
        """What the server says, message by message."""
        with source.makefile("rb") as said:
            while kind := said.read(1):
                (length,) = struct.unpack("!I", said.read(4))
                body = said.read(length - 4)
                if kind == KEY_DATA and self.renames:
                    body = struct.pack("!I", 4_000_000) + body[4:]
                if kind != NOTIFICATION or not self.deaf:
                    yield kind + struct.pack("!I", length) + body
