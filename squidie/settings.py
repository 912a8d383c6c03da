"""Configuration, read once, frozen. All durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any

from squidie.errors import InvalidConfig

SHORTEST_LEASE = 0.2
FULL, TYPE_ONLY = "full", "type_only"
MOST_WEIGHT = 1000
SHORTEST_SECRET = 4
SIGNING_SECRET = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a process works. Every default is right for production; tests shorten `lease` and `sweep`.

    lease        how long a claim stands without a renewal                                  30
    beat         how often claims are renewed; below half the lease                         lease / 3
    sweep        how often a worker looks for what a crash or a lost bell left, +- 20 %     5
    turn_share   how long one turn may go on before it rings again and ends                 1
    batch        the most steps a turn holds at once; 1 for steps that are slow or unknown  128
    short        a step that takes at most this long is short, and may be batched           0.005
    max_claims   after so many lost claims an attempt is given up                           5
    max_body     the largest payload or output, in bytes                                    1 MiB
    lock_timeout how long a command waits for a run that somebody else holds                2
    grace        how long a step has to end after its timeout, before its process is ended  5
    drain        how long steps that still run have to end before a run is undone           60
    early_events how many events of one name a run keeps that nobody awaits yet             100
    receipts_for how long a key outlives the run that it made                               90 days
    step_role    the database role in which transactional steps write                       none
    listen_url   where NOTIFY is listened for, if the journal's URL leads through a pooler;      none
                 never shown
    version      what the code is called in the fleet; else SQUIDIE_CODE_VERSION            none
    errors       what is kept of a step's exception: "full", or "type_only" for no message  full
                 and no frames
    retention    how long ended runs are kept, as `preview_retention` takes it; by itself   none
                 it removes nothing
    weights      how much of a round a partition gets while several have work; 1 for the rest  none
    secrets      words that name secrets, in all their forms: what stands under them is     password, token, ...
                 masked in errors, metadata and comments, and in payloads where they are shown
    secret_values  secrets themselves, masked wherever they stand; never shown              none
    secret       what cursors of lists are signed with: 16 characters or more; never shown  none
    masked_paths where else a payload, output or event holds what is private:               none
                 "customer.email", "items.*.note"
    """

    lease: float = 30.0
    beat: float | None = None
    sweep: float = 5.0
    turn_share: float = 1.0
    batch: int = 128
    short: float = 0.005
    max_claims: int = 5
    max_body: int = 1024 * 1024
    lock_timeout: float = 2.0
    grace: float = 5.0
    drain: float = 60.0
    early_events: int = 100
    receipts_for: float = 90 * 24 * 3600.0
    step_role: str | None = None
    listen_url: str | None = field(default=None, repr=False)
    version: str | None = None
    errors: str = FULL
    retention: Mapping[str, Any] | None = None
    weights: Mapping[str, int] = field(default_factory=dict)
    secrets: tuple[str, ...] = (
        "password",
        "passwd",
        "secret",
        "token",
        "api_key",
        "apikey",
        "authorization",
        "credential",
        "private_key",
        "cookie",
        "card",
        "credit_card",
        "card_number",
        "iban",
        "cvv",
    )
    secret_values: tuple[str, ...] = field(default=(), repr=False)
    secret: str | None = field(default=None, repr=False)
    masked_paths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = [problem for problem in _problems(self) if problem]
        if wrong:
            raise InvalidConfig("; ".join(wrong), details={"problems": wrong})

    @property
    def renewal(self) -> float:
        """Seconds between two renewals of a claim."""
        return self.beat if self.beat is not None else self.lease / 3


_COUNTS = ("batch", "max_claims", "max_body", "early_events")
_TIMES = ("lease", "sweep", "turn_share", "short", "lock_timeout", "grace", "drain", "receipts_for")


def _problems(settings: Settings) -> list[str]:
    """Everything that is wrong, each by its name; no value is repeated."""
    wrong = [f"settings.{name} is not a whole number above zero" for name in _COUNTS if not _is_count(settings, name)]
    wrong += [f"settings.{name} is not a positive number" for name in _TIMES if not _is_time(getattr(settings, name))]
    if _is_time(settings.lease):
        wrong += _of_lease(settings)
    texts = [("step_role", settings.step_role), ("version", settings.version), ("listen_url", settings.listen_url)]
    wrong += [f"settings.{name} is not text of 1 to 255 characters" for name, text in texts if not _is_text(text)]
    if not _is_text(settings.secret, SIGNING_SECRET):
        wrong.append(f"settings.secret is no text of {SIGNING_SECRET} to 255 characters")
    if settings.errors not in (FULL, TYPE_ONLY):
        wrong.append(f'settings.errors is neither "{FULL}" nor "{TYPE_ONLY}"')
    if not isinstance(settings.secrets, tuple | list) or not all(each and _is_text(each) for each in settings.secrets):
        wrong.append("settings.secrets is no list of words")
    wrong += [problem for problem in (_of_values(settings.secret_values), _of_paths(settings.masked_paths)) if problem]
    if not isinstance(settings.weights, Mapping) or not all(map(_is_weight, settings.weights.values())):
        wrong.append(f"settings.weights does not map partitions to whole numbers from 1 to {MOST_WEIGHT}")
    return wrong


def _of_values(values: object) -> str | None:
    """A secret of a few letters would be found everywhere."""
    is_list = isinstance(values, tuple | list)
    if is_list and all(isinstance(each, str) and len(each) >= SHORTEST_SECRET for each in values):  # type: ignore[attr-defined]
        return None
    return f"settings.secret_values is no list of texts of {SHORTEST_SECRET} characters or more"


def _of_paths(paths: object) -> str | None:
    is_list = isinstance(paths, tuple | list)
    if is_list and all(isinstance(each, str) and all(each.split(".")) for each in paths):  # type: ignore[attr-defined]
        return None
    return "settings.masked_paths is no list of names with dots between them"


def _of_lease(settings: Settings) -> list[str]:
    wrong = [] if settings.lease >= SHORTEST_LEASE else [f"settings.lease is below {SHORTEST_LEASE} s"]
    if settings.beat is not None and not (_is_time(settings.beat) and settings.beat < settings.lease / 2):
        wrong.append("settings.beat is not below half the lease")
    return wrong


def _is_count(settings: Settings, name: str) -> bool:
    value = getattr(settings, name)
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < inf


def _is_text(value: object, least: int = 1) -> bool:
    """Whether it is None, or text that says something."""
    return value is None or (isinstance(value, str) and len(value.strip()) >= least and len(value) <= 255)


def _is_weight(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_WEIGHT


def settings_of(given: Settings | Mapping[str, Any] | None) -> Settings:
    """Settings from an object, from a mapping, or the defaults.

    Raises `InvalidConfig` naming every key that is unknown, and every value that is wrong.
    """
    if given is None:
        return Settings()
    if isinstance(given, Settings):
        return given
    if not isinstance(given, Mapping):
        raise InvalidConfig("settings are a `Settings`, or a mapping of them")
    known = {each.name for each in fields(Settings)}
    unknown = sorted(str(name)[:64] for name in set(given) - known)
    if not unknown:
        return Settings(**given)
    wrong = [f"unknown settings: {', '.join(unknown)}"]
    try:
        Settings(**{name: value for name, value in given.items() if name in known})
    except InvalidConfig as error:
        wrong += error.details["problems"]
    raise InvalidConfig("; ".join(wrong), hint=f"known: {', '.join(sorted(known))}", details={"problems": wrong})
