"""The colours of states: ink and tint on a light page, ink and tint on a dark one. Never without the glyph and word."""

from __future__ import annotations

from squidie.views.states import State

COLOURS = {
    State.NOT_STARTED: ("#475569", "#ffffff", "#cbd5e1", "#0b0f17"),
    State.QUEUED: ("#475569", "#f1f5f9", "#cbd5e1", "#1e293b"),
    State.RUNNING: ("#1d4ed8", "#dbeafe", "#93c5fd", "#172554"),
    State.WAITING: ("#0e7490", "#cffafe", "#67e8f9", "#083344"),
    State.RETRYING: ("#92400e", "#fef3c7", "#fcd34d", "#3b2a06"),
    State.PAUSED: ("#ffffff", "#7e22ce", "#0b0f17", "#d8b4fe"),
    State.STALLED: ("#ffffff", "#9d174d", "#0b0f17", "#f9a8d4"),
    State.COMPLETED: ("#166534", "#dcfce7", "#86efac", "#052e16"),
    State.FAILED: ("#b91c1c", "#fee2e2", "#fca5a5", "#450a0a"),
    State.COMPENSATED: ("#7c2d12", "#ffedd5", "#fdba74", "#431407"),
    State.CANCELLED: ("#57534e", "#f5f5f4", "#d6d3d1", "#292524"),
    State.SKIPPED: ("#6b7280", "#ffffff", "#9ca3af", "#0b0f17"),
}
"""Those in which a person must act are solid: there the tint is the strong colour."""
