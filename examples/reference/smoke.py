"""Play every reference workflow once on a real PostgreSQL: `python -m examples.reference.smoke`.

A line for each, with what it proved; the journal's invariants are looked at in the end. Exits with 1 if anything is not
as it should be.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from examples.reference import ledger, tasks
from examples.reference.workflows import (
    ALL,
    CancellableWait,
    DailyDigest,
    DependencyRecovery,
    LocalLedgerCheckout,
    ManualApproval,
    ManualPause,
    PaymentRecovery,
    RetryVerification,
    SagaCheckout,
)
from squidie import Squidie, migrate
from squidie.errors import UnsafeReplay
from squidie.testing import Services, violations

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0


def work(squidie: Squidie, until: Callable[[], bool]) -> None:
    """Take turns until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not until():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come so far in time")
        squidie.turn(["default"])


def play(squidie: Squidie, workflow: Any, payload: Any = None) -> Any:
    """Start a run and work until it has ended or waits for a person."""
    run = squidie.start(workflow, payload)
    work(squidie, lambda: run.snapshot().status not in ("running", "compensating"))
    return run


def both_routes(squidie: Squidie) -> str:
    """A condition chooses; an error edge tells why."""
    mailed = play(squidie, PaymentRecovery, {"invoice_id": "a-200"})
    credited = play(squidie, PaymentRecovery, {"invoice_id": "b-100"})
    rescued = play(squidie, PaymentRecovery, {"invoice_id": "c-down"})
    assert mailed.result(1) == "mailed about a-200"
    assert credited.result(1) == {"credited": "b-100", "because": None}
    assert rescued.result(1) == {"credited": "c-down", "because": "gateway_closed"}
    return "both routes by their condition, and the error edge with its reason"


def refused_steps(squidie: Squidie, source: Any) -> list[str]:
    """What a replay would have to name."""
    try:
        squidie.replay(source.id, actor="ann", reason="again")
    except UnsafeReplay as refused:
        return [step["step"] for step in refused.steps]
    return []


def replayed(squidie: Squidie) -> str:
    """Nothing is repeated unnoticed."""
    source = play(squidie, PaymentRecovery, {"invoice_id": "d-204"})
    assert refused_steps(squidie, source) == ["notify"]
    again = squidie.replay(source.id, allow_irreversible=["notify"], actor="ann", reason="again")
    work(squidie, lambda: again.snapshot().status == "completed")
    assert again.snapshot().replay_of == str(source.id)
    return "a replay was refused, and accepted with the step named, with its lineage"


def approved_and_rejected(squidie: Squidie) -> str:
    """One decision each."""
    yes, no = play(squidie, ManualApproval), play(squidie, ManualApproval)
    squidie.approve(yes.id, actor="ann")
    squidie.reject(no.id, actor="bob", comment="too much")
    work(squidie, lambda: yes.snapshot().status == no.snapshot().status == "completed")
    assert (yes.result(1), no.result(1)) == ("approved by ann", "not approved: approval_rejected")
    return "approved by one, rejected by another, each by its own edges"


def resumed(squidie: Squidie) -> str:
    """A pause holds no worker."""
    run = play(squidie, ManualPause)
    assert run.snapshot().status == "paused"
    squidie.resume(run.id, actor="ann", key="click")
    squidie.resume(run.id, actor="ann", key="click")
    work(squidie, lambda: run.snapshot().status == "completed")
    return "paused, resumed by two clicks of one key, which are one fact"


def joined(squidie: Squidie) -> str:
    """A join waits for both arms, and for the person on one of them."""
    run = play(squidie, DependencyRecovery, {"account_id": "abc"})
    squidie.approve(run.id, actor="ann")
    work(squidie, lambda: run.snapshot().status == "completed")
    assert run.result(1) == "ann may spend 300"
    return "two entries joined with mapped inputs, after an approval on one arm"


def undone(squidie: Squidie) -> str:
    """The last thing first, and the run keeps its own error."""
    tasks.UNDONE.clear()
    run = play(squidie, SagaCheckout, {"order_id": 7})
    seen = run.snapshot()
    assert seen.error is not None
    assert (seen.status, seen.error["step"]) == ("failed", "capture")
    assert tasks.UNDONE == ["card 7", "stock 7"]
    return "a failed checkout was undone in reverse order, with the original error"


def digested(squidie: Squidie) -> str:
    """The same graph by hand and by a window, which is one run however often it comes."""
    by_hand = play(squidie, DailyDigest)
    first = squidie.start_cron(DailyDigest, "daily", signal_id="tonight")
    second = squidie.start_cron(DailyDigest, "daily", signal_id="tonight")
    assert first is not None
    assert second is not None
    assert (first.id, second.created) == (second.id, False)
    work(squidie, lambda: first.snapshot().status == "completed")
    assert (by_hand.result(1), first.result(1)) == ("digest of all for somebody", "digest of north for a window")
    return "by hand and by cron, and a window delivered twice is one run"


def cancelled(squidie: Squidie) -> str:
    """A wait is a row, and goes with its run."""
    run = squidie.start(CancellableWait)
    squidie.cancel(run.id, reason="not needed any more", actor="ann")
    seen = run.snapshot()
    assert (seen.status, [command.verb for command in seen.commands]) == ("cancelled", ["start", "cancel"])
    return "a waiting run was cancelled, with its command history"


def retried(squidie: Squidie) -> str:
    """Two attempts, no more."""
    run = play(squidie, RetryVerification)
    assert run.result(1) == "attempt 2"
    return "failed once, and completed with the second attempt"


def in_the_books(squidie: Squidie) -> str:
    """The shop's row and the step's outcome are there together, or neither is."""
    ledger.prepare(squidie.engine)
    shop = Squidie(squidie.engine, workflows=[LocalLedgerCheckout], settings={"step_role": ledger.ROLE})
    kept = play(shop, LocalLedgerCheckout, {"order_id": 1, "cents": 500})
    lost = play(shop, LocalLedgerCheckout, {"order_id": 2, "cents": 700, "fails": True})
    assert (kept.snapshot().status, lost.snapshot().status) == ("completed", "failed")
    assert ledger.booked(squidie.engine) == [(1, 500)]
    return "a row of the shop's was committed with its step, and rolled back with one that failed"


SCENARIOS = (
    both_routes,
    replayed,
    approved_and_rejected,
    resumed,
    joined,
    undone,
    digested,
    cancelled,
    retried,
    in_the_books,
)


def smoke(squidie: Squidie) -> list[dict[str, Any]]:
    """Every scenario in its turn: its name, whether it held, what it proved or why not, and how long it took."""
    told = []
    for scenario in SCENARIOS:
        begun = time.monotonic()
        try:
            proved, held = scenario(squidie), True
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the others are played
            proved, held = f"{type(error).__name__}: {error}", False
        took = round(time.monotonic() - begun, 3)
        told.append({"scenario": scenario.__name__, "held": held, "proved": proved, "seconds": took})
    return told


def main() -> int:
    """Start a server, play, look at the invariants, and say how it went."""
    with Services.start() as services:
        url = services.new_database()
        migrate.upgrade(url)
        squidie = Squidie(url, workflows=ALL)
        told = smoke(squidie)
        for line in told:
            sys.stdout.write(json.dumps(line) + "\n")
        broken = violations(squidie.engine)
        squidie.close()
    held = sum(line["held"] for line in told)
    sys.stdout.write(f"{held} of {len(told)} scenarios held, {len(broken)} invariants broken\n")
    return 0 if held == len(told) and not broken else 1


if __name__ == "__main__":
    sys.exit(main())
