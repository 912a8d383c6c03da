"""An environment for each peer, from PyPI, with the versions of `peers.toml`. What is there already is used again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".bench"
PINS = HERE / "peers.toml"
NAMES = ("python3.12", "python3.13", "python3.11", "python3.14", "python3")
ASK = "import sys; print('%d.%d' % sys.version_info[:2])"


class Installed(NamedTuple):
    """The interpreter that has a peer, or why there is none."""

    python: str
    why: str = ""


def install() -> dict[str, Installed]:
    """Every peer of the file, by its name."""
    pins: dict[str, dict[str, Any]] = tomllib.loads(PINS.read_text("utf-8"))
    return {name: _install(name, pin["python"], pin["requires"]) for name, pin in pins.items()}


def _install(name: str, oldest: str, requires: list[str]) -> Installed:
    python, stamp = FOLDER / name / "bin" / "python", FOLDER / name / ".installed"
    if stamp.exists() and stamp.read_text("utf-8") == repr(requires):
        return Installed(str(python))
    base = next(
        (found for each in (sys.executable, *NAMES, *_by_pyenv()) if (found := _new_enough(each, oldest))), None
    )
    if base is None:
        return Installed("", f"needs Python {oldest}, and there is none on PATH")
    made = _said([base, "-m", "venv", "--clear", str(FOLDER / name)])
    made = made or _said([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requires])
    if made:
        return Installed("", f"could not be installed: {made}")
    stamp.write_text(repr(requires), "utf-8")
    return Installed(str(python))


def _new_enough(name: str, oldest: str) -> str | None:
    path = shutil.which(name)
    asked = subprocess.run([path, "-c", ASK], capture_output=True, text=True, check=False) if path else None
    if asked is None or asked.returncode != 0:
        return None
    return path if _version(asked.stdout) >= _version(oldest) else None


def _by_pyenv() -> list[str]:
    """Those that are installed and on no PATH."""
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    return [str(each) for each in sorted(root.glob("versions/3.*/bin/python3"))]


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.strip().split(".")))


def _said(command: list[str]) -> str:
    """Nothing where it went well, else the last line."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
