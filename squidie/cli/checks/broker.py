"""Checks of the delivery: the broker answers, and what its adapter knows to be unwise about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from squidie.cli.checks.patient import Check, Finding, Needs, Severity, summed, warning
from squidie.errors import SquidieError
from squidie.views.words import many

if TYPE_CHECKING:
    from squidie.cli.checks.patient import Patient

BROKERS = (
    "db.listen",
    "broker.timeouts",
    "broker.eviction",
    "broker.persistence",
    "broker.visibility_timeout",
    "broker.settings",
)
ADAPTERS = (
    "celery.kombu",
    "celery.serializer",
    "celery.results",
    "celery.prefetch",
    "celery.remote_control",
    "celery.annotations",
    "celery.time_limits",
    "celery.reconnects",
    "celery.pool",
    "celery.timezone",
)
"""Checks that an adapter makes, of the broker and of itself; what it does not look at is not shown."""


def of_adapter(name: str) -> Check:
    """The check that the adapter makes under this id."""

    def look(patient: Patient) -> Finding | None:
        try:
            unwise = patient.unwise.get(name, [])
            return summed(unwise, patient.checked.get(name, "")) if unwise or name in patient.checked else None
        except SquidieError:
            return None  # `broker.connect` says so, once

    return Check(name, look, Needs.CODE)


def broker_connect(patient: Patient) -> Finding:
    """Bells can be sent."""
    delivery = patient.squidie.delivery
    if delivery.name == "silent":
        return Finding(
            Severity.WARNING,
            "no delivery is set: work is found by sweeps and turns only",
            'Squidie(..., delivery="celery")',
        )
    check = getattr(delivery, "check", None)
    if check is None:
        return Finding(Severity.OK, f"{delivery.name}; it offers no check")
    return Finding(Severity.OK, f"{delivery.name}: {check() or 'answers'}")


def broker_quarantine(patient: Patient) -> Finding | None:
    """Everything in the queues can be read, and what cannot is put aside."""
    try:
        quarantined = getattr(patient.squidie.delivery, "quarantined", int)()
    except SquidieError:
        return None  # likewise
    if quarantined:
        return warning(
            f"{many(quarantined, 'item')} put aside that no worker could read",
            "somebody else writes to this Redis: LRANGE squidie.quarantine 0 -1 shows what, DEL squidie.quarantine "
            "forgets",
        )
    return summed(patient.unwise.get("broker.quarantine", []), "empty")
