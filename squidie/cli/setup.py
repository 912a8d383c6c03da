"""Whose `Squidie` a command is about: found once, when a command asks for it."""

from __future__ import annotations

import importlib
import os
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squidie.errors import InvalidConfig, MissingConfig

if TYPE_CHECKING:
    from uuid import UUID

    from squidie.journal.store import Journal
    from squidie.runtime import Squidie

EXAMPLE = "squidie -A shop.flows:squidie …"
DATABASE = "SQUIDIE_DATABASE_URL"


@dataclass(kw_only=True)
class Setup:
    """What the group's options and the environment say."""

    app: str | None = None
    dsn: str | None = None
    schema: str = "squidie"
    celery: Any = None
    no_color: bool = False
    ascii: bool = False
    quiet: bool = False
    verbose: bool = False
    found_at: str = ""
    _found: Squidie | None = field(default=None, repr=False)

    def with_code(self) -> Squidie:
        """The application's own object. Raises `MissingConfig` listing what was tried."""
        if self._found is None or not self._has_code():
            self._found = self._from_app()
        if self._found is None:
            raise MissingConfig("this command needs your application, and none was named", hint=_tried())
        return self._found

    def on_journal(self) -> Squidie:
        """For commands that need the journal only: by `--dsn` where that is given, else the application's."""
        if self._found is None:
            self._found = (
                (self._on(self.dsn, "--dsn") if self.dsn else None)
                or self._from_app()
                or self._on(os.environ.get(DATABASE), DATABASE)
            )
        if self._found is None:
            raise MissingConfig(
                "no application and no database was named", hint=f"squidie --dsn postgresql://…, or {_tried()}"
            )
        return self._found

    def journal(self) -> Journal:
        """The journal that reads go to."""
        from squidie.journal.store import Journal

        squidie = self.on_journal()
        return Journal(squidie.engine, squidie.schema)

    def find(self, text: str) -> UUID:
        """A run by its id or the end of it."""
        from squidie.views.listing import find_run

        return find_run(self.journal(), text)

    def close(self) -> None:
        """Send the last bells, let go of connections."""
        if self._found is not None:
            self._found.close()

    def _has_code(self) -> bool:
        return self.found_at not in {"--dsn", DATABASE}

    def _on(self, url: str | None, name: str) -> Squidie | None:
        if not url:
            return None
        from squidie.runtime import Squidie

        self.found_at = name
        return Squidie(url, schema=self.schema)

    def _from_app(self) -> Squidie | None:
        for place, target in self._targets():
            if target:
                self.found_at = f"{place} {target}" if isinstance(target, str) else place
                return load(target, place) if isinstance(target, str) else target
        return None

    def _targets(self) -> tuple[tuple[str, Any], ...]:
        """In order: the option, the environment, the project's file, Celery's own `-A`."""
        return (
            ("-A", self.app),
            ("SQUIDIE_APP", os.environ.get("SQUIDIE_APP")),
            ("pyproject.toml", _in_pyproject()),
            ("celery -A", getattr(self.celery, "squidie", None)),
        )


def load(target: str, place: str = "-A") -> Squidie:
    """The object at `module:attribute`, or the one installed in the Celery app that stands there.

    Where no attribute is named it is `squidie`.
    """
    from squidie.runtime import Squidie

    module, _, attribute = target.partition(":")
    found = _import(module, target, place)
    for name in (attribute or "squidie").split("."):
        if not hasattr(found, name):
            raise InvalidConfig(
                f"{place} names {target!r}, and {module} has no {attribute or 'squidie'!r}",
                hint=f"name your Squidie object: {EXAMPLE}",
            )
        found = getattr(found, name)
    squidie = found if isinstance(found, Squidie) else getattr(found, "squidie", None)
    if not isinstance(squidie, Squidie):
        raise InvalidConfig(
            f"{place} names {target!r}, which is a {type(found).__name__} and no Squidie",
            hint=f"name your Squidie object: {EXAMPLE}",
        )
    return squidie


def _import(module: str, target: str, place: str) -> Any:
    """An import at a prompt looks in the current directory first. What the module itself raises is said in one line."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if not all(part.isidentifier() for part in module.split(".")):
        raise InvalidConfig(f"{place} is not of the form module:attribute", hint=EXAMPLE)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            raise InvalidConfig(
                f"{place} names {target!r}, and there is no module {error.name!r} here",
                hint="run from the project's folder, or install it",
            ) from error
        raise InvalidConfig(f"{module} cannot be imported: {error}", hint="squidie -v … shows the traceback") from error
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise InvalidConfig(
            f"{module} cannot be imported: {type(error).__name__}: {first}", hint="squidie -v … shows the traceback"
        ) from error


def _in_pyproject() -> str | None:
    try:
        text = Path("pyproject.toml").read_text("utf-8")
    except OSError:
        return None
    try:
        named = tomllib.loads(text).get("tool", {}).get("squidie", {}).get("app")
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(f"pyproject.toml cannot be read: {error}") from error
    return named if isinstance(named, str) else None


def _tried() -> str:
    return f"{EXAMPLE}; tried -A, SQUIDIE_APP, [tool.squidie] app in pyproject.toml, Celery's -A"
