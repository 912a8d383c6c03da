"""The nodes of pytest-celery as processes of this machine: what its plugins ask of a Docker client, and no more.

An image is a name, for which a launcher says what to run; a container is one process group, whose leader plays PID 1.
Whatever is started here ends with this process, killed or not (`squidie.testing.Process`).
"""

from __future__ import annotations

import os
import signal
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from squidie.testing import Process, programs
from squidie.testing.valkey import _free_port

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


def redis(node: Node) -> list[str]:
    """A Redis that listens where its only port is bound to."""
    (port,) = node.ports.values()
    return [str(programs.valkey_program()), *node.command[1:], "--port", str(port), "--bind", "127.0.0.1"]


def squidie(node: Node) -> list[str]:
    """A command of the image's; its worker is called by the container's short id, as in Docker."""
    return [sys.executable, "-m", *(word.replace("%h", node.id[:12]) for word in node.command)]


LAUNCHERS: dict[str, Callable[[Node], list[str]]] = {"redis": redis, "squidie": squidie}


class ProcessNodes:
    """In place of `docker.DockerClient`."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.containers = SimpleNamespace(run=self._run)
        self.images = SimpleNamespace(build=lambda tag, **_: (SimpleNamespace(id=tag), iter(())))
        self.networks = SimpleNamespace(
            create=lambda name, **_: SimpleNamespace(name=name, attrs={"Labels": {}}, remove=lambda: None)
        )

    def _run(self, image: str, command: list[str], **options: Any) -> Node:
        node = Node(LAUNCHERS[image.partition(":")[0]], command, **options)
        self.nodes.append(node)
        node.start()
        return node

    def close(self) -> None:
        """End what a test has left."""
        for node in self.nodes:
            node.remove()


class Node:
    """In place of a container."""

    def __init__(
        self,
        launcher: Callable[[Node], list[str]],
        command: list[str],
        *,
        environment: dict[str, str] | None = None,
        ports: dict[str, int | None] | None = None,
        labels: dict[str, str] | None = None,
        **_: Any,
    ) -> None:
        self._launcher, self.command = launcher, list(command)
        self.id = uuid.uuid4().hex
        self.name = f"node-{self.id[:12]}"
        self.labels = labels or {}
        self.ports = {port: bound or _free_port() for port, bound in (ports or {}).items()}
        self.env = {name: str(value) for name, value in (environment or {}).items()}
        self.process: Process | None = None
        self._said = b""

    @property
    def status(self) -> str:
        if self.process is None:
            return "created"
        return "running" if self.process.is_alive() else "exited"

    @property
    def attrs(self) -> dict[str, Any]:
        """As Docker tells of a container. A Redis node's URL is made of the host's name alone, so the port is in it."""
        bound = {inner: [{"HostIp": "127.0.0.1", "HostPort": str(outer)}] for inner, outer in self.ports.items()}
        port = next(iter(self.ports.values()), None)
        return {
            "Config": {
                "Hostname": f"127.0.0.1:{port}" if port else "127.0.0.1",
                "Labels": self.labels,
                "Env": [f"{name}={value}" for name, value in self.env.items()],
            },
            "HostConfig": {"PortBindings": {inner: [{}] for inner in self.ports}},
            "NetworkSettings": {"Networks": {"local": {"IPAddress": "127.0.0.1"}}, "Ports": bound},
        }

    def start(self) -> None:
        self.process = Process(self._launcher(self), name=self.name, env=self.env, cwd=ROOT)

    def reload(self) -> None:
        """What is asked here is always fresh."""

    def logs(self, **_: Any) -> bytes:
        return self._said + (self.process.log_text().encode() if self.process else b"")

    def kill(self, signal: str | int | None = None) -> None:
        """When PID 1 is killed, so is the container; any other signal goes to PID 1 alone."""
        if self.process is None or self.status != "running":
            return
        number = _number(signal or "SIGKILL")
        if number == _number("SIGKILL"):
            self.process.kill()
        else:
            os.kill(self.process.pid, number)

    def restart(self, timeout: float = 10.0, **_: Any) -> None:
        self._stop(timeout)
        self.start()

    def wait(self, timeout: float = 10.0, **_: Any) -> dict[str, int]:
        return {"StatusCode": self.process.exit_code or 0 if self.process else 0}

    def remove(self, **_: Any) -> bool:
        self._stop(0.0)
        return True

    def exec_run(self, command: str, **_: Any) -> tuple[int, bytes]:
        """Only one thing is asked: which ports are open, as the container numbers them."""
        assert command.startswith("cat /proc/net/"), command
        open_ = [int(inner.split("/")[0]) for inner in self.ports if self._answers(inner)]
        return 0, "\n".join(f"0: 00000000:{port:04X} 00000000:0000 0A" for port in open_).encode()

    def _answers(self, inner: str) -> bool:
        import socket

        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex(("127.0.0.1", self.ports[inner])) == 0

    def _stop(self, timeout: float) -> None:
        if self.process is not None:
            if timeout and self.process.is_alive():
                self.process.stop(timeout)
            self._said += self.process.log_text().encode()
            self.process.close()
            self.process = None


def _number(name: str | int) -> int:
    return name if isinstance(name, int) else signal.Signals[name]
