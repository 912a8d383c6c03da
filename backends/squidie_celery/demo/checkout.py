"""Where the example and the reference deployment are: in a checkout of Squidie, for the wheel leaves them out."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from squidie.errors import ConfigError

APP, STORE = "examples.fulfilment.app", "examples.fulfilment.store"
ORDERS = "examples/fulfilment/orders.jsonl"
WORKFLOWS = "examples/fulfilment/workflows.py"
NEEDED = ("celery_app/__init__.py", "examples/fulfilment/app.py", ORDERS)

LEASE, SWEEP = 2, 1
GATEWAY_MS = 80


def find() -> Path:
    """The checkout around us, or the one that this package is installed from; `ConfigError` where there is neither."""
    for folder in (Path.cwd(), *Path.cwd().parents, Path(__file__).resolve().parents[3]):
        if all((folder / name).is_file() for name in NEEDED):
            return folder
    raise ConfigError(
        "the demo plays in a checkout of Squidie, with its folders examples and celery_app; this is none",
        hint="git clone the repository and say `make demo` there",
    )


def environment(root: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """What workers, beat and we ourselves are told: where everything is, and a lease short enough to watch."""
    path = [str(root), str(root / "backends"), os.environ.get("PYTHONPATH", "")]
    return {
        "SQUIDIE_DATABASE_URL": database_url,
        "SQUIDIE_REDIS_URL": redis_url,
        "SQUIDIE_APP": f"{APP}:squidie",
        "SQUIDIE_LEASE": str(LEASE),
        "SQUIDIE_SWEEP": str(SWEEP),
        "FULFILMENT_GATEWAY_MS": str(GATEWAY_MS),
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
    }


def app(root: Path, told: dict[str, str]) -> Any:
    """The example's `Squidie`, as its workers have it; the shop's own tables are there afterwards."""
    os.environ.update(told)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    squidie = import_module(APP).squidie
    import_module(STORE).prepare(squidie.engine)
    return squidie


def orders(root: Path, count: int) -> list[dict[str, Any]]:
    """So many of the file's orders, evenly spread, so that the ones to be refused are among them."""
    lines = (root / ORDERS).read_text(encoding="utf-8").splitlines()
    return [json.loads(lines[index * len(lines) // count]) for index in range(count)]
