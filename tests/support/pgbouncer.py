"""A real PgBouncer in transaction mode, where the machine has one (Debian's `pgbouncer`): no wheel brings it along."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from contextlib import contextmanager

from sqlalchemy import create_engine, make_url, text

from squidie.testing import eventually
from squidie.testing.daemon import Daemon
from squidie.testing.guard import guard
from squidie.testing.programs import unprivileged

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
"""None where there is none; then only our own pooler is tried."""

CONFIG = """
[databases]
* = host={sockets} port=5432 user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
ignore_startup_parameters = extra_float_digits
server_idle_timeout = 600
"""


class PgBouncer:
    def __init__(self, port):
        self.port = port

    def url_of(self, url):
        return make_url(url).set(host="127.0.0.1", port=self.port, query={}).render_as_string(hide_password=False)


@contextmanager
def pgbouncer(url, sessions):
    """It runs while the block does, in front of the server of this URL."""
    assert PROGRAM is not None, "there is no pgbouncer on this machine"
    folder, user = guard.folder("pooler-"), unprivileged()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "pgbouncer.ini"
    config.write_text(CONFIG.format(sockets=make_url(url).query["host"], port=port, sessions=sessions), "utf-8")
    if user is not None:
        shutil.chown(folder, user.uid, user.gid)
        shutil.chown(config, user.uid, user.gid)
    daemon = Daemon("pgbouncer", folder / "pgbouncer.log", last_signal=signal.SIGINT, user=user)
    daemon.start([PROGRAM, str(config)], os.environ)
    try:
        found = PgBouncer(port)
        engine = create_engine(found.url_of(url))
        eventually(lambda: _answers(engine), 10, why=daemon.tail)
        engine.dispose()
        yield found
    finally:
        daemon.end(signal.SIGQUIT)
        guard.remove(folder)


def _answers(engine):
    try:
        with engine.connect() as connection:
            return connection.execute(text("select true")).scalar_one()
    except Exception:  # noqa: BLE001 - not yet
        return False
