"""Verbs that note something on a run: what it is found by, and whether lists show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from squidie.engine import steering
from squidie.runtime.seeing import Seeing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from squidie.runtime.door import By
    from squidie.runtime.run import Run


class Noting(Seeing):
    """Change attributes, archive and unarchive: also of runs that have ended."""

    def update_attributes(self, run_id: UUID | str, changes: Mapping[str, Any], **by: Unpack[By]) -> Run:
        """Change what a run is found by; None takes a value away, and names that are not given stay as they are.

        Raises `InvalidAttributes` for a name that is not declared, a value of another type, or too much of them.
        """
        return self._ask("update_attributes", run_id, by, steering.attributes_of, changes=changes)

    def archive_run(self, run_id: UUID | str, reason: str, **by: Unpack[By]) -> Run:
        """Put an ended run away: lists show it only where they are asked for what is archived.

        Raises `InvalidTransition` for a run that is open, or archived.
        """
        return self._ask("archive_run", run_id, by, steering.archive_of, reason=reason)

    def unarchive_run(self, run_id: UUID | str, **by: Unpack[By]) -> Run:
        """Let lists show it again. Raises `InvalidTransition` for a run that is not archived."""
        return self._ask("unarchive_run", run_id, by, steering.unarchive_of)
