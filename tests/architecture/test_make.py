"""The Makefile at a glance: every target says what it does, and what it prepares is judged by what it depends on."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[0].split())


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_help_lists_every_target_and_is_the_default():
    said = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert set(re.findall(r"^  make ([\w-]+)", said, re.MULTILINE)) == TARGETS


def test_the_targets_of_the_readme_are_there():
    assert {"help", "demo", "test", "lint", "bench", "bench-peers", "clean", "check"} <= TARGETS


def test_without_a_python_one_sentence_says_so(tmp_path):
    for name in ("pyproject.toml", ".ci/setup"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "cat", "cksum", "dirname", "env", "grep"):
        (programs / name).symlink_to(shutil.which(name))

    tried = subprocess.run(
        ["sh", ".ci/setup"], cwd=tmp_path, env={"PATH": str(programs)}, capture_output=True, text=True, check=False
    )

    assert tried.returncode == 1
    assert "needs CPython 3.11 or later" in tried.stderr
