"""Verbs that bound the journal: what is past its age, and its way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from squidie.engine import retention
from squidie.runtime.door import Door

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from squidie.engine.retention import RetentionPlan, RetentionReport


class Retaining(Door):
    """Look at what retention would remove, and remove it."""

    def preview_retention(self, policy: Mapping[str, Any] | None = None) -> RetentionPlan:
        """What is past its age now: how many runs, facts and bytes, and what must stay all the same.

        `policy` maps `completed`, `failed` and `cancelled` to how long such runs are kept after their end, and
        `workflows` names to the same for some; what is left out is kept for ever. Without one `settings.retention`
        counts. The plan's `token` is good for an hour. Raises `InvalidArgument`, and `RetentionBlocked` where the
        host's hook raises.
        """
        return retention.preview(self._parts, policy, self._policy.retain)

    def apply_retention(
        self,
        token: str,
        *,
        most: int | None = None,
        reason: str | None = None,
        actor: Any = None,
        told: Callable[[int], None] | None = None,
    ) -> RetentionReport:
        """Remove the runs of a plan, with all their facts and dead letters, a hundred a commit.

        Only what had ended and was past its age when the plan was made is removed; it can be broken off anywhere, and
        called again with the same token it goes on. At most `most` runs go in this call; `told` is called after each
        commit with how many it were so far. What is left of a run is its row in `retired`, without any payload, for
        `settings.receipts_for` seconds: until then its key gives `RunRetired`. Who has removed what is recorded.

        Raises `StalePlan` for a token that is over or was altered, and `RetentionBlocked` where the host's hook
        raises; what was removed before stays removed.
        """
        return retention.apply(self._parts, token, self._policy.retain, most=most, who=(actor, reason), told=told)
