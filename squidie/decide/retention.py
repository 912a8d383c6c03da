"""How long ended runs are kept: the policy as people write it, what is past its age, and the plan that removes it.

    {"completed": "30d", "failed": "365d", "workflows": {"Digest": {"completed": "1d"}}}

What is not named is kept for ever. A plan is a statement of what was looked at, and no permission: its token carries
the policy and the moment, with a digest that shows when it was altered.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from squidie.errors import InvalidArgument, StalePlan
from squidie.history.lifecycle import RunStatus
from squidie.workflow.durations import seconds

ENDINGS = (RunStatus.COMPLETED.value, RunStatus.FAILED.value, RunStatus.CANCELLED.value)
WORKFLOWS = "workflows"
STANDS_FOR = 3600.0
"""Seconds for which a plan may be applied."""

_NEVER = datetime(1, 1, 1, tzinfo=UTC)
_DIGEST = 12


class RetentionPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds for which runs are kept after their end, by how they ended; None is for ever.

    `workflows` says otherwise for some, by name; what it leaves out for a workflow is as for all.
    """

    ages: Mapping[str, float | None] = {}
    workflows: Mapping[str, Mapping[str, float | None]] = {}


class Cutoff(NamedTuple):
    """Runs of a workflow (of all for "") with this status that ended before this moment are past their age."""

    workflow: str
    status: str
    before: datetime


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be removed: what was past its age at a moment by the database's clock."""

    id: str
    at: datetime
    policy: RetentionPolicy
    runs: int

    @property
    def expires_at(self) -> datetime:
        """Until when the plan may be applied."""
        return self.at + timedelta(seconds=STANDS_FOR)

    def cutoffs(self) -> list[Cutoff]:
        """The policy as moments. One of a single workflow comes before that of all."""
        whole = {("", status): age for status, age in self.policy.ages.items()}
        single = {(name, status): age for name, ages in self.policy.workflows.items() for status, age in ages.items()}
        return [
            Cutoff(workflow, status, _NEVER if age is None else self.at - timedelta(seconds=age))
            for (workflow, status), age in {**whole, **single}.items()
        ]


def policy_of(given: object, argument: str = "policy") -> RetentionPolicy:
    """A policy from what people write, or from one. Raises `InvalidArgument` for the first thing that is wrong."""
    if isinstance(given, RetentionPolicy):
        return given
    if not isinstance(given, Mapping):
        raise InvalidArgument(argument, 'is an object such as {"completed": "30d", "failed": "365d"}')
    single = given.get(WORKFLOWS, {})
    if not isinstance(single, Mapping) or not all(isinstance(name, str) and name for name in single):
        raise InvalidArgument(f"{argument}.{WORKFLOWS}", "maps names of workflows to ages")
    ages = _ages({name: age for name, age in given.items() if name != WORKFLOWS}, argument)
    found = RetentionPolicy(
        ages, {name: _ages(each, f"{argument}.{WORKFLOWS}.{name[:64]}") for name, each in single.items()}
    )
    if not any(age is not None for each in (ages, *found.workflows.values()) for age in each.values()):
        raise InvalidArgument(argument, f"names no age: give some of {', '.join(ENDINGS)}")
    return found


def token_of(plan: Plan) -> str:
    """The plan as one word that can be copied."""
    body = msgspec.json.encode(plan)
    return urlsafe_b64encode(sha256(body).digest()[:_DIGEST] + body).rstrip(b"=").decode()


def plan_of(token: object) -> Plan:
    """The plan of a token. Raises `StalePlan` for what is none, or was altered."""
    word = token.strip() if isinstance(token, str) else ""
    try:
        data = urlsafe_b64decode(word + "=" * (-len(word) % 4))
        plan = msgspec.json.decode(data[_DIGEST:], type=Plan)
    except ValueError:  # of base64, of UTF-8, or of JSON
        plan = None
    if plan is None or token_of(plan) != word:
        raise StalePlan("is no token of a plan, or was altered")
    return plan


def _ages(given: object, where: str) -> dict[str, float | None]:
    if not isinstance(given, Mapping):
        raise InvalidArgument(where, f"maps {', '.join(ENDINGS)} to durations")
    unknown = sorted(str(name)[:64] for name in given if name not in ENDINGS)
    if unknown:
        raise InvalidArgument(where, f"knows {', '.join(ENDINGS)}, not {', '.join(unknown)}")
    return {name: _age(age, f"{where}.{name}") for name, age in given.items()}


def _age(given: Any, where: str) -> float | None:
    if given is None:
        return None
    try:
        return seconds(given, allow_zero=True)
    except ValueError as error:
        raise InvalidArgument(where, str(error)) from None
