"""The `Squidie` of the evidence: its workflows and settings, for workers, for hosts and for the harness itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, text

from evidence import effects, generated
from evidence.batches import BATCHED
from evidence.releases import RELEASE, released
from evidence.workflows import OURS, Ticking
from examples.reference import tasks
from squidie import Squidie

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

    from squidie.delivery import Delivery

ROLE = "evidence_steps"
PROFILE: dict[str, Any] = {"lease": 1.0, "beat": 0.33, "sweep": 0.5, "grace": 1.0, "step_role": ROLE}
"""The test profile of RELIABILITY: its recovery bound is lease + sweep + one claim."""

TICKING = "EVIDENCE_TICKING"
COUNTED = (
    "reserve_stock",
    "authorize_card",
    "capture_payment",
    "release_stock",
    "void_authorization",
    "record_approval",
    "record_rejection",
    "load_invoice",
    "check_gateway",
    "notify_customer",
    "issue_credit",
    "fail_once",
)
BOOKS = f"""
do $$ begin
    if not exists (select from pg_roles where rolname = '{ROLE}') then create role {ROLE}; end if;
end $$;
create table books (run_id uuid not null, step text not null, claim uuid not null, amount integer not null default 0);
grant usage on schema public to {ROLE};
grant select, insert on books to {ROLE};
"""

for _name in COUNTED:  # before the workflows of the examples are declared, so that they are made of these
    setattr(tasks, _name, effects.counted(getattr(tasks, _name)))

from examples.reference.workflows import (  # noqa: E402
    CancellableWait,
    ManualApproval,
    PaymentRecovery,
    RetryVerification,
    SagaCheckout,
)

ALL = (*OURS, *BATCHED, SagaCheckout, ManualApproval, PaymentRecovery, RetryVerification, CancellableWait)


def serving(
    database: str | Engine,
    delivery: Delivery | None,
    told: Mapping[str, str] = os.environ,
    *,
    release: str = "",
    **settings: Any,
) -> Squidie:
    """A `Squidie` on this journal.

    `EVIDENCE_TICKING` adds the workflow of the windows, `EVIDENCE_RELEASE` (or `release`) those of a deploy,
    `EVIDENCE_PROGRAMS` the programs that it names.
    """
    windows = (Ticking,) if told.get(TICKING) else ()
    programs = generated.workflows(told.get(generated.VARIABLE, ""))
    workflows = (*ALL, *released(release or told.get(RELEASE, "")), *windows, *programs)
    return Squidie(database, delivery=delivery, workflows=workflows, settings={**PROFILE, **settings})


def prepare(url: str) -> None:
    """The host's own table beside the journal, and the role that may write into it; no connection is left."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(BOOKS))
    engine.dispose()
