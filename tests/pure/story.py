"""Random runs of random workflows: who does what to them, and what must hold at every moment.

Graphs of every kind of node, with conditions, deadlines and undo; outcomes, answers, events, timers, lost claims and
commands in any order. What must hold is told from the facts alone, by rules of our own.
"""

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from squidie.decide.commands import Limits
from squidie.errors import Refused
from squidie.history.canonical import NULL, canonical
from squidie.history.facts import FailureCode, OpenKind, ReleaseReason
from squidie.history.lifecycle import RunStatus
from squidie.history.run import NodeStatus
from squidie.workflow.spec import MANUAL
from tests.pure.drawn import workflow
from tests.pure.scene import DECLINED, Scene, by, owed, shown

TIMED_OUT = msgspec.structs.replace(DECLINED, kind=FailureCode.TIMED_OUT)
OUTCOMES = [
    *[Scene.claim] * 5,
    *[Scene.fail] * 2,
    lambda scene, step: scene.fail(step, retryable=False),
    lambda scene, step: scene.fail(step, after=1.5),
    lambda scene, step: scene.fail(step, error=TIMED_OUT),
    lambda scene, step: scene.defer(step, after=3.0),
    Scene.expire,
    Scene.release,
    lambda scene, step: scene.release(step, ReleaseReason.CHILD_DIED),
]
JUMPS = (0, 0, 0, 1, 60, -3_600)
PEOPLE = ("ann", "bob", "eve")
LONG = 40
"""After so many things everybody hurries to the end."""

PAYLOADS = [canonical({"order": 5}), canonical({"order": 6, "at": "2026-03-01T12:00:30+00:00"})]
stories = given(st.randoms(use_true_random=True))


def tell(dice):
    """One thing after another until the run has ended."""
    spec = workflow(dice)
    scene = Scene(spec, limits=Limits(max_claims=2, buffer=2), payload=dice.choice(PAYLOADS), by=by("eve"))
    holds(scene)
    for number in range(LONG + 40 * len(spec.nodes)):
        if not scene.run.is_open:
            for _ in range(dice.choice([0, 0, 3])):
                try_(scene, dice, "note")
            return scene
        if number < LONG:
            try_(
                scene,
                dice,
                dice.choice(["work", "work", "work", "answer", "send", "hasten", "steer", "cancel", "note"]),
            )
            scene.now += timedelta(seconds=dice.choice(JUMPS))
        else:
            hurry(scene, dice)
        holds(scene)
    raise AssertionError(f"the run does not end: {scene.run}")


def try_(scene, dice, what):
    """What is refused has changed nothing."""
    before = msgspec.json.encode(scene.run), dict(scene.rows)
    try:
        DOES[what](scene, dice)
    except Refused:
        assert (msgspec.json.encode(scene.run), scene.rows) == before


def work(scene, dice):
    """A worker or a sweeper does something about a row."""
    if not scene.rows:
        return
    step = dice.choice(sorted(row.step for row in scene.rows.values()))
    if scene.row(step).kind is OpenKind.TIMER:
        scene.elapse(step)
    elif dice.random() < 0.35:
        scene.complete(step, {"n": dice.choice([0, 1, 2]), "of": "x" * dice.choice([1, 9_000])})
    else:
        dice.choice(OUTCOMES)(scene, step)


def answer(scene, dice):
    """A person answers one of the questions, or hands it on; now and then one that is none."""
    asked = [name for name in scene.run.open_steps if scene.run.nodes[name].is_manual] * 5
    steps = [None, *asked, *sorted(scene.spec.by_name)]
    actor = dice.choice(PEOPLE)
    match dice.choice(["approve", "approve", "reject", "resume", "delegate"]):
        case "approve":
            scene.approve(dice.choice(steps), actor=actor)
        case "reject":
            scene.reject(dice.choice(steps), actor=actor)
        case "resume":
            scene.resume(dice.choice(steps), data={"n": 1})
        case _:
            scene.delegate("boss", dice.choice(steps), due=dice.choice([None, 7.0]))


def send(scene, dice):
    event = dice.choice(["paid", *scene.spec.by_name])
    scene.deliver(event, {"n": dice.choice([0, 1, "x" * 9_000])}, dice.choice([None, "5", "6"]))


def hasten(scene, dice):
    scene.hasten(dice.choice(sorted(scene.spec.work)))


def steer(scene, dice):
    """Somebody takes up what is parked."""
    parked = [name for name, node in scene.run.nodes.items() if node.status is NodeStatus.PARKED] * 9
    step = dice.choice(parked + sorted(scene.spec.work))
    (scene.requeue if dice.random() < 0.5 else scene.discard)(step)


def cancel(scene, dice):
    if dice.random() < 0.1:
        scene.cancel(compensate=dice.random() < 0.7, abandon_undo=dice.random() < 0.3)


def note(scene, dice):
    """Before the end, and after it."""
    match dice.choice(["label", "archive", "unarchive"]):
        case "label":
            scene.label(**{dice.choice("abc"): dice.choice([None, 1, "x" * 4000])})
        case "archive":
            scene.archive()
        case _:
            scene.unarchive()


def hurry(scene, dice):
    """Whatever is open ends."""
    step = dice.choice(scene.run.open_steps)
    node = scene.run.nodes[step]
    if node.status is NodeStatus.PARKED:
        scene.discard(step)
    elif node.waiting is None:
        scene.complete(step, {"n": 2})
    elif node.waiting.kind in MANUAL:
        (scene.approve(step, actor=f"p{scene.run.revision}") if node.waiting.kind == "approval" else scene.resume(step))
    elif step in scene.run.timers:
        scene.elapse(step)
    else:
        scene.deliver(node.waiting.event, {"n": 2}, node.waiting.correlation)


DOES = {"work": work, "answer": answer, "send": send, "hasten": hasten, "steer": steer, "cancel": cancel, "note": note}


def holds(scene):
    """At every moment."""
    run = scene.run
    assert run.anomalies == ()
    assert run.revision == len(scene.history)
    assert shown(scene.rows) == owed(run)
    debts = [name for name in run.open_steps if run.nodes[name].waiting or run.nodes[name].status is NodeStatus.PARKED]
    work = [row for row in scene.rows.values() if not row.step.startswith("deadline:")]
    assert not run.is_open or work or debts
    assert run.status is stands(run)
    assert run.inline == takes_room(run)
    if run.undo is not None and run.is_open:
        is_undone_in_turn(scene)
    for name in scene.spec.by_name:  # 1.17
        edges = scene.spec.incoming[name]
        if name in run.nodes and edges:
            settled = [run.edges[edge.id] for edge in edges]
            assert any(settled) is (run.nodes[name].status is not NodeStatus.SKIPPED)
        elif edges and run.undo is None and run.is_open:
            assert any(edge.id not in run.edges for edge in edges)


def takes_room(run):
    """3.6: what the state keeps of outputs and early events; a null takes none."""
    found = [node.result for node in run.nodes.values() if node.kept and node.result != NULL]
    found += [each.payload for each in run.buffered if each.kept]
    return sum(map(len, found))


def is_undone_in_turn(scene):
    """5.11, 18.2: nothing new begins in a drain, and then one step after another is undone and nothing else is open."""
    open_now = scene.run.open_steps
    if scene.run.undo.order is None:
        assert scene.run.timers.keys() == {"drain:run"}
        assert all(scene.row(step).lease for step in open_now)
        return
    assert scene.run.timers == {}
    begun = [name.partition(":")[2] for name in scene.run.nodes if name.startswith("compensate:")]
    assert begun == list(scene.run.undo.order)[: len(begun)]
    assert open_now == [f"compensate:{begun[-1]}"]


def stands(run):
    """Section 2, by its words."""
    if not run.is_open:
        return run.status
    if run.undo is not None:
        return RunStatus.COMPENSATING
    open_now = [run.nodes[name] for name in run.open_steps]
    by_people = [
        node.status is NodeStatus.PARKED or (node.waiting is not None and node.waiting.kind in ("pause", "approval"))
        for node in open_now
    ]
    return RunStatus.PAUSED if all(by_people) else RunStatus.RUNNING
