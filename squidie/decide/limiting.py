"""Under which limit and rate an attempt is: worked out when it is opened, from what its step could read.

Where the path leads nowhere, or to what is no text, number or boolean, it is under none, and is not run: its worker
fails it as it fails any step whose input is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.decide.seen import seen
from squidie.history.canonical import plain
from squidie.workflow import limits
from squidie.workflow.limits import NO_KEYS, Keys
from squidie.workflow.mapping import ABSENT, find, parse_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

    from squidie.history.run import Run
    from squidie.workflow.options import Limit, Rate
    from squidie.workflow.spec import Spec


class Just(NamedTuple):
    """A step that has just ended, with its result: the run does not hold it yet."""

    step: str
    output: msgspec.Raw


def keys_of(spec: Spec, run: Run, large: Mapping[str, msgspec.Raw], step: str, just: Just | None = None) -> Keys:
    """The keys of an attempt at this step, opened now."""
    node = spec.work[step]
    if node.limit is None and node.rate is None:
        return NO_KEYS
    paths = [part.by for part in (node.limit, node.rate) if part is not None and part.by is not None]
    roots = seen(spec, run, large, step, paths) if paths else {}
    if just is not None and just.step in spec.before(step):
        roots[spec.by_name[just.step].output_name] = plain(just.output)
    return Keys(_key(node.limit, roots), _key(node.rate, roots))


def _key(part: Limit | Rate | None, roots: Mapping[str, Any]) -> str:
    if part is None:
        return ""
    if part.by is None:
        return part.name
    try:
        value = find(parse_path(part.by), roots)
        return "" if value is ABSENT else limits.key(part, value)
    except ValueError:
        return ""
