"""Configuration, read once, frozen. All durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from squidie.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST_LEASE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a process works. Every default is right for production; tests shorten `lease` and `sweep`.

    lease        how long a claim stands without a renewal                                  30
    beat         how often claims are renewed; below half the lease                         lease / 3
    sweep        how often a worker looks for what a crash or a lost bell left, +- 20 %     5
    turn_share   how long one turn may go on before it rings again and ends                 1
    batch        the most steps a turn holds at once; 1 for steps that are slow or unknown  64
    short        a step that takes at most this long is short, and may be batched           0.005
    max_claims   after so many lost claims an attempt is given up                           5
    max_body     the largest payload or output, in bytes                                    1 MiB
    lock_timeout how long a command waits for a run that somebody else holds                2
    grace        how long a step has to end after its timeout, before its process is ended  5
    drain        how long steps that still run have to end before a run is undone           60
    early_events how many events of one name a run keeps that nobody awaits yet             100
    receipts_for how long a key outlives the run that it made                               90 days
    step_role    the database role in which transactional steps write                       none
    version      what the code is called in the fleet; else SQUIDIE_CODE_VERSION            none
    secrets      words whose values are masked in recorded errors                           password, token, ...
    """

    lease: float = 30.0
    beat: float | None = None
    sweep: float = 5.0
    turn_share: float = 1.0
    batch: int = 64
    short: float = 0.005
    max_claims: int = 5
    max_body: int = 1024 * 1024
    lock_timeout: float = 2.0
    grace: float = 5.0
    drain: float = 60.0
    early_events: int = 100
    receipts_for: float = 90 * 24 * 3600.0
    step_role: str | None = None
    version: str | None = None
    secrets: tuple[str, ...] = (
        "password",
        "passwd",
        "secret",
        "token",
        "api_key",
        "apikey",
        "authorization",
        "credential",
    )

    def __post_init__(self) -> None:
        wrong = [problem for problem in _problems(self) if problem]
        if wrong:
            raise InvalidConfig("; ".join(wrong), details={"problems": wrong})

    @property
    def renewal(self) -> float:
        """Seconds between two renewals of a claim."""
        return self.beat if self.beat is not None else self.lease / 3


def _problems(settings: Settings) -> list[str]:
    numbers = [f.name for f in fields(settings) if f.name not in {"beat", "secrets", "step_role", "version"}]
    wrong = [
        f"settings.{name} is not a positive number" for name in numbers if not _is_positive(getattr(settings, name))
    ]
    if wrong:
        return wrong
    if settings.lease < SHORTEST_LEASE:
        wrong.append(f"settings.lease is below {SHORTEST_LEASE} s")
    if settings.beat is not None and not (_is_positive(settings.beat) and settings.beat < settings.lease / 2):
        wrong.append("settings.beat is not below half the lease")
    if settings.version is not None and not (isinstance(settings.version, str) and 0 < len(settings.version) <= 255):
        wrong.append("settings.version is not text of 1 to 255 characters")
    return wrong


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def settings_of(given: Settings | Mapping[str, Any] | None) -> Settings:
    """Settings from an object, from a mapping, or the defaults.

    Raises `InvalidConfig` naming every key that is unknown.
    """
    if given is None:
        return Settings()
    if isinstance(given, Settings):
        return given
    known = {field.name for field in fields(Settings)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise InvalidConfig(f"unknown settings: {', '.join(unknown)}", hint=f"known: {', '.join(sorted(known))}")
    return Settings(**given)
