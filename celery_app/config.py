"""The values of the reference deployment, read from the environment once."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.errors import InvalidConfig, MissingConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_APP = "examples.fulfilment.app:squidie"


class Config(NamedTuple):
    """Where the journal is, where the broker is, and whose workflows are served (`module:attribute` of a `Squidie`)."""

    database_url: str
    redis_url: str
    app: str


def read(environment: Mapping[str, str] = os.environ) -> Config:
    """The deployment's values; `MissingConfig` names all that are not set, with an example of each."""
    wanted = {
        "SQUIDIE_DATABASE_URL": "postgresql+psycopg://user@localhost/app",
        "SQUIDIE_REDIS_URL": "redis://localhost:6379/1",
    }
    missing = {name: example for name, example in wanted.items() if not environment.get(name)}
    if missing:
        hint = "; ".join(f"{name}={example}" for name, example in missing.items())
        raise MissingConfig(f"not set: {', '.join(missing)}", hint=f"for example {hint}")
    return Config(
        environment["SQUIDIE_DATABASE_URL"],
        environment["SQUIDIE_REDIS_URL"],
        environment.get("SQUIDIE_APP") or DEFAULT_APP,
    )


def load(target: str) -> Any:
    """The object that `SQUIDIE_APP` names."""
    module, colon, attribute = target.partition(":")
    if not (module and colon and attribute):
        raise InvalidConfig("SQUIDIE_APP is not of the form module:attribute", hint=f"for example {DEFAULT_APP}")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InvalidConfig(
            f"SQUIDIE_APP cannot be loaded: {error}", hint="name a module on the path and its Squidie object"
        ) from error
