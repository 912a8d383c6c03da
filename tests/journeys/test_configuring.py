"""How a `Squidie` is made: defaults, everything that is wrong at once, and no value shown (17.4)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from squidie import Settings, Squidie
from squidie.errors import InvalidConfig
from squidie.history.run import INLINE_EACH, INLINE_SUM
from tests.support.lab import raises

URL = "postgresql+psycopg://nobody@nowhere/none"
CANARY = "canary-4711"
WRONG = {
    "lease": 0.1, "beat": CANARY, "sweep": -1, "turn_share": None, "batch": 1.5, "short": float("nan"), "max_claims": 0,
    "max_body": True, "lock_timeout": "2s", "grace": float("inf"), "drain": timedelta(1), "early_events": "x",
    "receipts_for": [], "step_role": 5, "version": "", "errors": CANARY, "secrets": CANARY,
    "secret_values": [CANARY, "abc"], "masked_paths": [f"{CANARY}..x"],
}  # fmt: skip


def test_the_defaults_are_those_that_are_promised():
    """17.4: lease 30 s, beat a third of it, sweep 5 s, five claims, 1 MiB, inline 8 KiB."""
    settings = Settings()

    assert (settings.lease, settings.renewal, settings.sweep, settings.max_claims) == (30, 10, 5, 5)
    assert (settings.max_body, INLINE_EACH, INLINE_SUM) == (2**20, 8 * 1024, 64 * 1024)
    assert Settings(lease=6).renewal == 2


@pytest.mark.parametrize("name", WRONG)
def test_every_setting_is_checked(name):
    """17.4: unknown, contradictory, malformed; its name is said, and not its value."""
    with raises("invalid_config") as refused:
        Squidie(URL, settings={name: WRONG[name]})

    (problem,) = refused.value.details["problems"]
    assert problem.startswith(f"settings.{name}")
    assert CANARY not in f"{refused.value} {refused.value.to_dict()}"


def test_all_that_is_wrong_with_settings_is_said_at_once():
    """17.4: unknown keys among them."""
    with pytest.raises(InvalidConfig) as refused:
        Squidie(URL, settings={**WRONG, "colour": CANARY, "lease": 1, "beat": 0.6})

    said = str(refused.value)
    assert all(f"settings.{name}" in said for name in set(WRONG) - {"lease"})
    assert "unknown settings: colour" in said
    assert CANARY not in said


@pytest.mark.parametrize("settings", [5, "lease=3", [("lease", 3)]])
def test_settings_are_an_object_or_a_mapping(settings):
    """17.4"""
    with raises("invalid_config"):
        Squidie(URL, settings=settings)


@pytest.mark.parametrize("delivery", [f"redis://:{CANARY}@host:6379/0", CANARY * 9])
def test_an_address_given_as_delivery_is_not_shown(delivery):
    """17.4: it may hold a password."""
    with raises("invalid_config") as refused:
        Squidie(URL, delivery=delivery)

    assert CANARY not in f"{refused.value} {refused.value.to_dict()}"
