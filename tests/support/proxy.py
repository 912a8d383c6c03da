"""A wire to Postgres that is cut at a COMMIT: before the server hears it, or after it has answered."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from sqlalchemy import make_url


class CuttingProxy:
    """Listens on a local port and passes everything on, until a cut is armed. `hits` counts the cuts that were made."""

    def __init__(self, database_url):
        url = make_url(database_url)
        self._upstream = f"{url.query['host']}/.s.PGSQL.{url.port or 5432}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._armed = None
        self.hits = 0
        port = self._listener.getsockname()[1]
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        self.url = url.set(host="127.0.0.1", port=port, query=plain).render_as_string(hide_password=False)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, when):
        """Cut the next commit, `"before"` the server gets it or `"after"` it was done."""
        self._armed = when

    def close(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._upstream)
            wire = _Wire(self, client, server)
            for pump in (wire.to_server, wire.to_client):
                threading.Thread(target=pump, daemon=True).start()

    def takes(self, data):
        """Whether this message is to be cut, and when; a cut is made once."""
        if self._armed is None or b"COMMIT" not in data:
            return None
        when, self._armed = self._armed, None
        self.hits += 1
        return when


class _Wire:
    def __init__(self, proxy, client, server):
        self._proxy, self._client, self._server = proxy, client, server
        self._deaf = threading.Event()

    def to_server(self):
        with suppress(OSError):
            while data := self._client.recv(65536):
                match self._proxy.takes(data):
                    case "before":
                        break
                    case "after":
                        self._deaf.set()
                self._server.sendall(data)
        self._hang_up()

    def to_client(self):
        with suppress(OSError):
            while data := self._server.recv(65536):
                if self._deaf.is_set():
                    break
                self._client.sendall(data)
        self._hang_up()

    def _hang_up(self):
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
