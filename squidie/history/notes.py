"""Notes: facts that change what a run is found by, or whether it is shown, and nothing of what it does.

They are the only ones that may follow the end of a run.
"""

from __future__ import annotations

from typing import Any

from squidie.history.bodies import Recorded


class AttributesChanged(Recorded, frozen=True, kw_only=True):
    """What the run is found by was changed; a name with null has no value any more."""

    changes: dict[str, Any]


class RunArchived(Recorded, frozen=True, kw_only=True):
    """The run is not shown in lists any more, unless archived ones are asked for."""

    reason: str


class RunUnarchived(Recorded, frozen=True, kw_only=True):
    """The run is shown again."""


NOTES = (AttributesChanged, RunArchived, RunUnarchived)
