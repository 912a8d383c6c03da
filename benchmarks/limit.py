"""What the server itself commits: `pgbench`, where one is installed, writing one row of a step's size a transaction.

Nothing that commits one thing after the other can be faster; what is, shares commits.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile

from sqlalchemy import make_url

from benchmarks import postgres
from squidie.testing.programs import MACHINE

CLIENTS = 8
SECONDS = 2
BYTES = 600
"""Of a row: about as many as the fact of a step."""
TPS = re.compile(r"tps = ([\d.]+)")


def pgbench() -> str | None:
    """Where it is: on the path, or where Debian keeps the newest."""
    installed = sorted(
        MACHINE.glob("*/bin/pgbench"), key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0
    )
    return shutil.which("pgbench") or (str(installed[-1]) if installed else None)


def transactions_per_second(url: str) -> float | None:
    """With eight clients, for two seconds; None where there is no `pgbench`."""
    program = pgbench()
    if program is None:
        return None
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with postgres.connect(url) as connection, tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        connection.execute("drop table if exists limits_of_all; create table limits_of_all (body text)", prepare=False)
        script.write(f"insert into limits_of_all values (repeat('x', {BYTES}));\n")
        script.flush()
        command = [program, "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS)]
        done = subprocess.run(
            [*command, "-f", script.name, plain], capture_output=True, text=True, timeout=60, check=False
        )
        connection.execute("drop table limits_of_all")
    found = TPS.search(done.stdout)
    return float(found[1]) if found else None
