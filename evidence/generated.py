"""The workflows of `programs`, for whoever is told a seed and how many: `EVIDENCE_PROGRAMS=1:24`.

Driver and workers draw the same shapes; what a step does in a run stands in the run's payload, by the step's name. Its
output names the claim under which it ran, so that the fact of it tells whose outcome was taken.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
from sqlalchemy import text

from evidence import effects, programs
from evidence.workflows import nap, wait_for
from squidie import Defer, Fail, Retry, StepContext, Workflow, approval, event, manual, pause, step, wait

if TYPE_CHECKING:
    from evidence.programs import Block, Fate, Shape, Task

VARIABLE = "EVIDENCE_PROGRAMS"
EVENT = "evidence.go"
RETRY = Retry(programs.TRIES, min=0.05, max=0.2, backoff="exponential")
MEANWHILE = 0.4
"""Seconds for which whoever takes over from a lingering step is at it, so that the late outcome meets a new claim."""

LATER = 0.1
"""Seconds that a deferral asks for."""


class Orders(TypedDict, total=False):
    """What the steps of this run do, and the file whose appearance lets a held step go."""

    deeds: dict[str, Any]
    gate: str


def orders(fate: Fate, gate: Path) -> Orders:
    """The payload of a run of this fate."""
    return {"deeds": {name: msgspec.to_builtins(deed) for name, deed in fate.deeds.items()}, "gate": str(gate)}


def perform(ctx: StepContext) -> dict[str, Any]:
    """Add the amount to the ledger, and do what else was drawn for this step."""
    return _do(ctx, _deed(ctx))


def perform_booked(ctx: StepContext) -> dict[str, Any]:
    """The same with a row of the host's, committed with the outcome or not at all."""
    deed = _deed(ctx)
    given = {"run": ctx.run_id, "step": ctx.step, "claim": ctx.claim_id, "amount": deed.amount}
    sql = "insert into books (run_id, step, claim, amount) values (:run, :step, :claim, :amount)"
    effects.record(ctx, deed.amount)
    ctx.session.execute(text(sql), given)
    return _end(ctx, deed)


def hold(ctx: StepContext) -> dict[str, Any]:
    """Until the run was cancelled, and a moment more: what it brings then is not taken."""
    effects.record(ctx, _deed(ctx).amount)
    wait_for(Path(ctx.payload["gate"]))
    return {}


def take_back(ctx: StepContext) -> None:
    """An undo has its own amount."""
    _do(ctx, _deed(ctx))


def _deed(ctx: StepContext) -> programs.Deed:
    return msgspec.convert(ctx.payload["deeds"][ctx.step], programs.Deed)


def _do(ctx: StepContext, deed: programs.Deed) -> dict[str, Any]:
    effects.record(ctx, deed.amount)
    if deed.ends == "dies":
        os._exit(11)
    if (deed.defers or deed.linger) and (times := effects.ledger().times(ctx)):
        if deed.linger:
            nap(deed.linger if times == 1 else MEANWHILE)
        if times <= deed.defers:
            raise Defer(after=LATER)
    return _end(ctx, deed)


def _end(ctx: StepContext, deed: programs.Deed) -> dict[str, Any]:
    nap(deed.nap)
    if ctx.attempt <= deed.fails:
        raise ConnectionError(f"{ctx.step} was to fail")
    if deed.ends == "badly":
        raise Fail(f"{ctx.step} was to fail for good")
    return {"value": deed.value, "claim": str(ctx.claim_id)}


def workflows(told: str) -> tuple[type[Workflow], ...]:
    """The workflows that these words name, `seed:number`; none for none."""
    if not told:
        return ()
    seed, number = map(int, told.split(":"))
    return tuple(workflow(shape) for shape in programs.shapes(seed, number))


def workflow(shape: Shape) -> type[Workflow]:
    """The class that an author would have written."""
    drawing = _Drawing()
    for block in shape.blocks:
        drawing.add(block)
    body = {"payload": Orders, "triggers": (manual("start"),), "flow": drawing.flow, **drawing.nodes}
    return type(shape.name, (Workflow,), {**body, "__module__": __name__, "__doc__": "Drawn from a seed."})


class _Drawing:
    """Nodes and edges so far, and the ways out that lead to whatever comes next."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}
        self.flow: list[Any] = []
        self._ways: list[Any] = []

    def add(self, block: Block) -> None:
        """The next block, behind all that is there."""
        match block:
            case programs.Task():
                self._ways = self._behind(block)
            case programs.Fan(arms, join):
                ends = [way for arm in arms for way in self._behind(arm)]
                self._ways = ends
                self._ways = self._behind(join)
            case programs.Choice(asks, over, under):
                (chooser,) = self._ways = self._behind(asks)
                self._ways = [chooser.when(f"{asks.name}.value", greater_than=programs.MIDDLE)]
                ends = self._behind(over)
                self._ways = [chooser.otherwise]
                self._ways = ends + self._behind(under)
            case programs.Halt():
                self._halt(block)
            case programs.Held(name):
                self._ways = self._after(name, step(hold))

    def _behind(self, task: Task) -> list[Any]:
        """The task, and its rescue where it has one; their ways out."""
        call, undo = perform_booked if task.booked else perform, take_back if task.undo else None
        ways = self._after(task.name, step(call, retry=RETRY, transactional=task.booked, compensate=undo))
        if task.rescue is None:
            return ways
        rescue = self.nodes[task.rescue] = step(perform, retry=RETRY)
        self.flow.append(ways[0].on_error >> rescue)
        return [*ways, rescue]

    def _halt(self, halt: programs.Halt) -> None:
        match halt.kind:
            case "wait":
                node = wait(halt.seconds)
            case "pause":
                node = pause()
            case "approval":
                node = approval(role="chaos")
            case "event":
                node = event(EVENT)
        ways = self._after(halt.name, node)
        if halt.otherwise is not None:
            self._ways = [node.on_reject]
            ways += self._behind(halt.otherwise)
        self._ways = ways

    def _after(self, name: str, node: Any) -> list[Any]:
        self.nodes[name] = node
        self.flow += [way >> node for way in self._ways]
        return [node]
