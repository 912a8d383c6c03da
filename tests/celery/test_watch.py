"""The watch over a pool's children hears of every one that ends, however short its life was."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest

from squidie.testing import eventually
from squidie_celery.watch import Births, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

FORK = multiprocessing.get_context("fork")


class Pool:
    """What a watch knows of a pool: `listed` children, by pid, and what it was told of the dead."""

    def __init__(self) -> None:
        self.births = Births()
        self.listed: dict[int, int | None] = {}
        self.died: list[int] = []
        self.watch = Watch(lambda: dict(self.listed), self.births, self._bury, lambda: None)

    def _bury(self, pid: int) -> int:
        self.died.append(pid)
        return 1

    def fork(self, until: object = None) -> multiprocessing.process.BaseProcess:
        """A child that reports its birth, waits until it is told to and is killed by its own hand."""
        child = FORK.Process(target=self._live, args=(until,))
        child.start()
        return child

    def _live(self, until: object) -> None:
        self.births.report()
        if until is not None:
            until.wait(20)
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    pool.watch.start()
    yield pool
    pool.watch.stop()


def test_a_child_that_was_in_the_list_at_no_look_is_told_of(pool: Pool):
    """B29, promise 5: a step killed it at once, and the pool took it off its list before anybody looked."""
    children = [pool.fork() for _ in range(5)]
    for child in children:
        child.join(20)

    eventually(lambda: sorted(pool.died) == sorted(child.pid for child in children))


def test_a_child_is_told_of_once_whether_it_was_listed_or_not(pool: Pool):
    """B29: its birth, its place in the list and its end are one child's."""
    go = FORK.Event()
    listed, unlisted = pool.fork(go), pool.fork(go)
    pool.listed[listed.pid] = listed.sentinel
    go.set()
    for child in (listed, unlisted):
        child.join(20)
    eventually(lambda: sorted(pool.died) == sorted((listed.pid, unlisted.pid)))
    pool.listed.clear()
    late = pool.fork()
    late.join(20)

    eventually(lambda: len(pool.died) == 3)
    assert pool.died[2:] == [late.pid]


def test_a_child_that_lives_is_not_told_of(pool: Pool):
    """B29: reported, not yet listed and alive is no death."""
    go = FORK.Event()
    alive, dead = pool.fork(go), pool.fork()
    dead.join(20)

    eventually(lambda: pool.died == [dead.pid])
    go.set()
    alive.join(20)
    eventually(lambda: pool.died == [dead.pid, alive.pid])


def test_births_that_nobody_reads_do_not_stop_a_child():
    """B29: a full pipe is thousands of deaths behind; the child goes on, and what was written is whole."""
    births = Births()
    for _ in range(20_000):
        births.report()

    assert births.read() == {os.getpid()}
    assert births.read() == set()
