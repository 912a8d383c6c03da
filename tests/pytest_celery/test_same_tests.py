"""Containers are not at hand everywhere; that their tests are the very same ones can be seen without an engine."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def test_the_tests_over_containers_are_those_over_processes_and_run_only_when_asked_for():
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", ""]
    said = subprocess.run(
        [*command, str(HERE / "test_cluster.py")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = {line.rpartition("::")[2] for line in said.stdout.splitlines() if "::" in line}
    by_process, by_container = (
        {name.partition("[")[0] for name in found if name.endswith(end)} for end in ("[processes]", "[containers]")
    )
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]["addopts"]

    assert by_process == by_container
    assert len(found) == 2 * len(by_process) > 0
    assert options[options.index("-m") + 1] == "not docker"


def test_the_image_holds_what_the_nodes_run():
    """The app and the workflows of the contract; and Postgres is the one that the compose file has."""
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    nodes = (HERE / "conftest.py").read_text("utf-8")

    assert "COPY celery_app celery_app" in dockerfile
    assert "COPY squidie squidie" in dockerfile
    assert f'image="{compose["services"]["postgres"]["image"]}"' in nodes
