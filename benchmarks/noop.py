"""The step that everybody runs: it does nothing and returns about 200 bytes of JSON.

Peers load this module in environments of their own, where there is no Squidie: it imports nothing that needs one.
"""

from __future__ import annotations

from typing import Any

from benchmarks.marks import step_begins

STEPS = 5
"""How many steps a workflow has, one after the other."""

RESULT = {
    "order": 274113,
    "state": "accepted",
    "total": "1299.95",
    "currency": "EUR",
    "lines": [{"sku": "A-1001", "count": 2}, {"sku": "B-2002", "count": 1}],
    "customer": "c-000042",
    "remark": "what a step may return",
}


def nothing() -> dict[str, Any]:
    """A step that costs nothing, so that what is measured is the runtime."""
    step_begins()
    return dict(RESULT)
