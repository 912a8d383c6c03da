"""Random programs: a shape (which becomes a workflow), and for each run of it a fate (what its steps do).

Both come from a seed and nothing else, so that the driver and every worker draw the same. No database, no clock: what
must come of a run is predicted in `prediction.py` before it is started.

A shape is a chain of blocks; there is a first step before them and a last one behind.

    Task     one step; perhaps with a rescue (its error route), an undo, or rows of the host's
    Fan      steps side by side, and their join
    Choice   a step, and by its output one of two
    Halt     a wait, a pause, an approval with a step for its rejection, or an event
    Held     a step that runs until its run is cancelled
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Literal

from squidie.workflow.spec import UNDO

TRIES = 4
"""Attempts that a step has: one more than the most that are planned to fail."""

MIDDLE = 50
"""The output of a choice's step that is above it goes one way, any other the other way."""

End = Literal["well", "badly", "dies"]
Kind = Literal["wait", "pause", "approval", "event"]


@dataclass(frozen=True)
class Task:
    """One step of a shape."""

    name: str
    booked: bool = False
    rescue: str | None = None
    undo: bool = False


@dataclass(frozen=True)
class Fan:
    """Tasks side by side, which all go well in the end, and the task that waits for them."""

    arms: tuple[Task, ...]
    join: Task


@dataclass(frozen=True)
class Choice:
    """A task whose output decides which of two others is played."""

    asks: Task
    over: Task
    under: Task


@dataclass(frozen=True)
class Halt:
    """Something that nobody works at: a time, a person, an event; `otherwise` is played after a rejection."""

    name: str
    kind: Kind
    otherwise: Task | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Held:
    """A step that ends once its run was cancelled."""

    name: str


Block = Task | Fan | Choice | Halt | Held


@dataclass(frozen=True)
class Shape:
    """A workflow to be: its blocks in order."""

    name: str
    blocks: tuple[Block, ...]

    @property
    def is_undoable(self) -> bool:
        """Whether anything of it can be undone."""
        return any(task.undo for block in self.blocks for task in tasks_of(block))


@dataclass(frozen=True)
class Deed:
    """What a step does in one run: it adds its amount, then naps, is deferred, fails or dies, and gives its value."""

    amount: int
    value: int = 0
    fails: int = 0
    defers: int = 0
    nap: float = 0.0
    linger: float = 0.0
    ends: End = "well"


@dataclass(frozen=True)
class Fate:
    """What happens in one run of a shape; `yes` says of each approval how it is decided."""

    deeds: dict[str, Deed] = field(default_factory=dict)
    yes: dict[str, bool] = field(default_factory=dict)
    early: bool = False
    """Whether events come before they are awaited."""


def tasks_of(block: Block) -> tuple[Task, ...]:
    """The tasks of a block, without rescues."""
    match block:
        case Task():
            return (block,)
        case Fan():
            return (*block.arms, block.join)
        case Choice():
            return (block.asks, block.over, block.under)
        case Halt():
            return (block.otherwise,) if block.otherwise else ()
        case Held():
            return ()


def shapes(seed: int, number: int) -> list[Shape]:
    """So many workflows; every kind of block is in the first few."""
    return [_shape(random.Random(f"{seed} shape {n}"), n) for n in range(number)]


def fate(shape: Shape, seed: int, number: int) -> Fate:
    """What happens in the run of that number. At most one step ends it; the first of its kind that may."""
    dice = random.Random(f"{seed} fate {number}")
    tasks = [task for block in shape.blocks for task in tasks_of(block)]
    names = [task.name for task in tasks] + [task.rescue for task in tasks if task.rescue]
    names += [f"{UNDO}{task.name}" for task in tasks if task.undo]
    names += [block.name for block in shape.blocks if isinstance(block, Held)]
    deeds = {name: _deed(dice) for name in names}
    if is_late(number):
        deeds["first"] = replace(deeds["first"], linger=round(dice.uniform(1.02, 1.25), 2))
    booked = {task.name for task in tasks if task.booked}
    for name in names:
        if name in booked or name.startswith(UNDO):
            deeds[name] = replace(deeds[name], fails=min(deeds[name].fails, 1), defers=0)
    for name in _doomed(shape, dice):
        ends: End = "dies" if dice.random() < 0.06 else "badly"
        deeds[name] = Deed(deeds[name].amount, fails=0 if ends == "dies" else deeds[name].fails, ends=ends)
    yes = {block.name: dice.random() < 0.7 for block in shape.blocks if isinstance(block, Halt)}
    return Fate(deeds, yes, dice.random() < 0.5)


def is_late(number: int) -> bool:
    """Whether the run of that number goes where nobody renews; its first step ends when its lease has."""
    return number % 7 == 5


def _deed(dice: random.Random) -> Deed:
    fails = dice.randint(1, TRIES - 1) if dice.random() < 0.2 else 0
    defers = dice.randint(1, 3) if dice.random() < 0.1 else 0
    nap = round(dice.uniform(0.26, 0.6), 2) if dice.random() < 0.06 else 0.0
    return Deed(dice.randint(1, 99), dice.randint(0, 99), fails, defers, nap)


def _doomed(shape: Shape, dice: random.Random) -> list[str]:
    """Steps that fail for good: some whose failure is routed, and now and then one that ends the run."""
    alone = [block for block in shape.blocks if isinstance(block, Task) and not block.booked]
    routed = [task.name for task in alone if task.rescue and dice.random() < 0.4]
    fatal = [task.name for task in alone if not task.rescue and task.name != "first"]
    return routed + ([dice.choice(fatal)] if fatal and dice.random() < 0.15 else [])


def _shape(dice: random.Random, number: int) -> Shape:
    makers = [_plain, _rescued, _undone, _booked, _fan, _choice, _wait, _pause, _approval, _event]
    first = makers[number % len(makers)]  # each kind is somewhere, whatever is drawn
    chosen = [first, *dice.choices(makers, k=dice.randint(1, 3))]
    dice.shuffle(chosen)
    blocks = [maker(dice, f"b{place}") for place, maker in enumerate(chosen)]
    if number % 8 == 3:
        blocks.append(Held("held"))
    return Shape(f"Program{number}", (Task("first", undo=dice.random() < 0.3), *blocks, Task("last")))


def _plain(_: random.Random, name: str) -> Block:
    return Task(name)


def _rescued(_: random.Random, name: str) -> Block:
    return Task(name, rescue=f"{name}_rescue")


def _undone(_: random.Random, name: str) -> Block:
    return Task(name, undo=True)


def _booked(_: random.Random, name: str) -> Block:
    return Task(name, booked=True)


def _fan(dice: random.Random, name: str) -> Block:
    arms = tuple(Task(f"{name}_{n}", booked=dice.random() < 0.2) for n in range(dice.randint(2, 4)))
    return Fan(arms, Task(f"{name}_join"))


def _choice(_: random.Random, name: str) -> Block:
    return Choice(Task(name), Task(f"{name}_over"), Task(f"{name}_under"))


def _wait(dice: random.Random, name: str) -> Block:
    return Halt(name, "wait", seconds=round(dice.uniform(0.1, 1.5), 2))


def _pause(_: random.Random, name: str) -> Block:
    return Halt(name, "pause")


def _approval(_: random.Random, name: str) -> Block:
    return Halt(name, "approval", Task(f"{name}_rejected"))


def _event(_: random.Random, name: str) -> Block:
    return Halt(name, "event")
