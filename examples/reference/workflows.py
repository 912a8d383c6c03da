"""The reference workflows: routes, people, joins, an undo, cron, waits and retries, each as small as it can be."""

from __future__ import annotations

from examples.reference import tasks
from squidie import Retry, Workflow, approval, cron, end, log, manual, pause, step, wait


class PaymentRecovery(Workflow):
    """Ask the gateway, and tell the customer or give the money back."""

    triggers = (manual("recover"),)
    version = "2"

    invoice = step(tasks.load_invoice)
    gateway = step(tasks.check_gateway, input={"ref": "invoice.gateway_ref"}, retry=Retry(5, min=0.01, backoff="fixed"))
    notify = step(tasks.notify_customer, replayable=False)
    credit = step(tasks.issue_credit)

    flow = (
        invoice >> gateway,
        gateway.when("gateway.status_code", greater_than=199) >> notify,
        gateway.otherwise >> credit,
        gateway.on_error(recovery="compensation") >> credit,
    )


class ManualApproval(Workflow):
    """Somebody of the finance role decides."""

    triggers = (manual("ask"),)

    decision = approval(role="finance", due="2h")
    approved = step(tasks.record_approval)
    rejected = step(tasks.record_rejection)

    flow = (decision >> approved, decision.on_reject >> rejected)


class ManualPause(Workflow):
    """Goes on when somebody says so."""

    triggers = (manual("stop"),)

    hold = pause()
    told = log("somebody has resumed it")

    flow = hold >> told


class DependencyRecovery(Workflow):
    """Two entries, one join, mapped inputs, and an approval on one arm."""

    triggers = (manual("recover"),)
    version = "blue"

    account = step(tasks.load_account)
    limits = step(tasks.load_limits)
    ok = approval(role="risk")
    restored = step(tasks.restore, input={"owner": "account.owner", "limit": "limits.daily"})

    flow = (account >> restored, limits >> ok >> restored)


class SagaCheckout(Workflow):
    """The capture fails, so what was done is undone, the last thing first."""

    triggers = (manual("checkout"),)

    reserve = step(tasks.reserve_stock, compensate=tasks.release_stock)
    authorize = step(tasks.authorize_card, compensate=tasks.void_authorization)
    capture = step(tasks.capture_payment, retry=Retry(2, min=0.01, backoff="fixed"))

    flow = reserve >> authorize >> capture


class DailyDigest(Workflow):
    """One graph, pulled by hand or by time."""

    triggers = (manual("now"), cron("daily", "0 7 * * *", timezone="Europe/Oslo", input={"region": "north"}))

    digest = step(tasks.make_digest)


class CancellableWait(Workflow):
    """Waits for an hour, and holds no worker meanwhile."""

    triggers = (manual("wait"),)

    hour = wait("1h")
    told = log("an hour has passed")

    flow = hour >> told >> end


class RetryVerification(Workflow):
    """Fails once."""

    triggers = (manual("try"),)

    attempt = step(tasks.fail_once, retry=Retry(3, min=0.01, backoff="fixed"))


class LocalLedgerCheckout(Workflow):
    """A row of the shop's, and the outcome of the step that wrote it, in one commit."""

    triggers = (manual("checkout"),)

    book = step(tasks.book, transactional=True)
    told = log("it is in the books")

    flow = book >> told


ALL = (
    PaymentRecovery,
    ManualApproval,
    ManualPause,
    DependencyRecovery,
    SagaCheckout,
    DailyDigest,
    CancellableWait,
    RetryVerification,
)

"""Those that any runtime can play; `LocalLedgerCheckout` needs one with a role for its steps."""
