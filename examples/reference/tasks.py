"""The steps: plain functions, with nothing in them that knows Squidie but the context where one asks for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from squidie import Fail, StepContext

UNDONE: list[str] = []
"""What was undone in this process, in order; a shop would have a table."""


def load_invoice(invoice_id: str) -> dict[str, Any]:
    """An invoice whose gateway answers with the number at its end."""
    return {"id": invoice_id, "gateway_ref": invoice_id.rpartition("-")[2]}


def check_gateway(ref: str) -> dict[str, Any]:
    """What the payment gateway says."""
    if ref == "down":
        raise Fail("the gateway is closed", code="gateway_closed")
    return {"status_code": int(ref)}


def notify_customer(invoice: dict[str, Any]) -> str:
    """A mail, which nobody wants twice."""
    return f"mailed about {invoice['id']}"


def issue_credit(invoice: dict[str, Any], error: dict[str, Any] | None = None) -> dict[str, Any]:
    """Money back; `error` says why, where the gateway failed."""
    return {"credited": invoice["id"], "because": error["code"] if error else None}


def record_approval(decision: dict[str, Any]) -> str:
    """Who approved."""
    return f"approved by {decision['actor']}"


def record_rejection(error: dict[str, Any]) -> str:
    """Why it was rejected."""
    return f"not approved: {error['kind']}"


def load_account(account_id: str) -> dict[str, str]:
    """One of two entries that are joined."""
    return {"id": account_id, "owner": "ann"}


def load_limits(account_id: str) -> dict[str, int]:
    """The other one."""
    return {"daily": 100 * len(account_id)}


def restore(owner: str, limit: int) -> str:
    """What the join makes of both."""
    return f"{owner} may spend {limit}"


def reserve_stock(order_id: int) -> dict[str, int]:
    """The first thing to be undone, last."""
    return {"hold": order_id}


def authorize_card(order_id: int) -> dict[str, int]:
    """The second thing to be undone, first."""
    return {"authorization": order_id}


def capture_payment(order_id: int) -> None:
    """Never works."""
    raise ConnectionError(f"the bank does not answer for order {order_id}")


def release_stock(output: dict[str, int]) -> None:
    """Give the stock back."""
    UNDONE.append(f"stock {output['hold']}")


def void_authorization(output: dict[str, int]) -> None:
    """Let the card go."""
    UNDONE.append(f"card {output['authorization']}")


def make_digest(ctx: StepContext, region: str = "all") -> str:
    """A digest of one day, by hand or by cron."""
    return f"digest of {region} for {'a window' if ctx.schedule else 'somebody'}"


def fail_once(ctx: StepContext) -> str:
    """The second attempt goes well."""
    if ctx.attempt == 1:
        raise ConnectionError("not yet")
    return f"attempt {ctx.attempt}"


def book(ctx: StepContext, order_id: int, cents: int, *, fails: bool = False) -> dict[str, int]:
    """A row of the shop's ledger, in one commit with the step's outcome; `fails` after it was written."""
    row = {"order_id": order_id, "cents": cents, "key": ctx.idempotency_key}
    ctx.session.execute(text("insert into ledger values (:order_id, :cents, :key)"), row)
    if fails:
        raise Fail("the till is closed", code="till_closed")
    return {"booked": cents}
