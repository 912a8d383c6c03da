"""What is drawn at random: values that may be stored and such that may not, facts of every kind, graphs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from math import inf, nan
from uuid import UUID

from hypothesis import strategies as st

from squidie.history.canonical import canonical
from squidie.history.chain import EPOCH
from squidie.history.facts import (
    KINDS,
    Claim,
    Disposition,
    Ended,
    ErrorRecord,
    FailureCode,
    Moved,
    Opening,
    Receipt,
    ReleaseReason,
)
from squidie.workflow.spec import END, Edge, Node, Outcome, Retry, Spec, Trigger

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
integers = st.integers(-(2**63), 2**63 - 1)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)
"""Values that the journal takes, and gives back equal."""
flat = scalars | st.lists(scalars, max_size=2) | st.dictionaries(text, scalars, max_size=2)
"""As many of them as matter inside a fact."""

odd_text = st.text(st.characters(), max_size=4) | st.just("\0") | st.just("\ud800")
odd_scalars = scalars | odd_text | st.integers() | st.sampled_from([
    nan, inf, -inf, b"x", Decimal(1), UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC), frozenset({1}), object(),
])  # fmt: skip
any_values = st.recursive(
    odd_scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(odd_text | st.integers() | st.none(), inner, max_size=4)
    ),
    max_leaves=12,
)
"""Values that the journal takes, and such that it refuses."""

steps = st.sampled_from("abc")
attempts = st.integers(1, 3)
edges = st.sampled_from(["a:ok:b", "b:ok:c", "a:error:c"])
times = st.timedeltas(timedelta(0), timedelta(days=90_000)).map(EPOCH.__add__)
claims = st.builds(Claim, id=text, n=st.integers(1, 9), owner=text, claimed_at=times, lease_until=times)
errors = st.builds(
    ErrorRecord,
    kind=st.sampled_from(FailureCode),
    type=text,
    message=text,
    code=text,
    details=flat,
    origin=st.none() | text,
    frames=st.lists(text, max_size=2).map(tuple),
    retryable=st.booleans(),
    attempt=attempts,
)
receipts = st.builds(
    Receipt,
    verb=text,
    digest=text,
    request_id=text,
    key=st.none() | text,
    actor=flat,
    comment=st.none() | text,
    metadata=flat,
)
openings = st.builds(Opening, step=steps, attempt=attempts, queue=text, due_at=times, priority=st.integers(0, 999))
FIELDS = {
    "by": st.none() | receipts,
    "clock": st.none() | times,
    "opens": st.lists(openings, max_size=2).map(tuple),
    "ends": st.lists(st.builds(Ended, step=steps, attempt=attempts, claim=claims), max_size=1).map(tuple),
    "step": steps,
    "attempt": attempts,
    "max_attempts": attempts,
    "claim": claims,
    "error": errors,
    "output": flat.map(canonical),
    "payload": flat.map(canonical),
    "moved": st.builds(
        Moved,
        taken=st.lists(edges, max_size=2).map(tuple),
        skipped_edges=st.lists(edges, max_size=2).map(tuple),
        skipped_steps=st.lists(steps, max_size=1).map(tuple),
    ),
    "disposition": st.sampled_from(Disposition),
    "due_at": times,
    "lost": st.integers(1, 9),
    "leaves": st.lists(text, max_size=2).map(tuple),
    "unread": st.booleans(),
    "priority": st.integers(0, 999),
    "schedule": flat,
    "attributes": flat,
}
OPTIONAL = {"version", "key", "partition", "window"}


def _field(kind, name):
    if name == "reason":
        return {"attempt_released": st.sampled_from(ReleaseReason), "run_cancelled": text}.get(
            kind, st.just(FailureCode.CLAIMS_EXHAUSTED)
        )
    return FIELDS.get(name, st.none() | text if name in OPTIONAL else text)


def facts_of(kind):
    """Facts of one kind."""
    names = [name for name in KINDS[kind].__struct_fields__ if name != "v"]
    return st.builds(KINDS[kind], **{name: _field(kind, name) for name in names})


facts = st.one_of(*map(facts_of, KINDS))
histories = st.lists(st.tuples(times, facts), max_size=6)


@st.composite
def graphs(draw, most=6):
    """Acyclic graphs with ok and error edges, diamonds, islands and ends; some steps are tried again."""
    names = "abcdefgh"[: draw(st.integers(1, most))]
    ways = st.sampled_from([(), (), (Outcome.OK,), (Outcome.OK,), (Outcome.ERROR,), tuple(Outcome)])
    pairs = [*combinations(names, 2), *((name, END) for name in names)]
    found = [Edge(source=source, target=target, on=on) for source, target in pairs for on in draw(ways)]
    retry = st.none() | st.builds(Retry, st.integers(1, 3))
    nodes = [Node(name=name, action=name, retry=draw(retry)) for name in draw(st.permutations(names))]
    return Spec(
        name="Drawn", triggers=(Trigger(name="go"),), nodes=tuple(nodes), edges=tuple(draw(st.permutations(found)))
    )
