"""Rules for the spec as a whole: its name, its version, its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from squidie.workflow.issues import NAME, NAME_RULE, Issue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from squidie.workflow.spec import Spec

MAX_STEPS = 1_000
MAX_EDGES = 5_000
MAX_BYTES = 1024 * 1024
MAX_VERSION = 128


def steps_in_bounds(spec: Spec) -> Iterable[Issue]:
    """A graph that nobody can draw is data, not a workflow."""
    if len(spec.nodes) > MAX_STEPS:
        yield Issue("steps", "too_many_steps", f"has {len(spec.nodes):,} steps, and at most {MAX_STEPS:,} are taken")


def edges_in_bounds(spec: Spec) -> Iterable[Issue]:
    """Fan-outs into joins multiply."""
    if len(spec.edges) > MAX_EDGES:
        yield Issue("edges", "too_many_edges", f"has {len(spec.edges):,} edges, and at most {MAX_EDGES:,} are taken")


def size_in_bounds(spec: Spec) -> Iterable[Issue]:
    """Each definition is kept in the journal and read by every worker."""
    try:
        size = len(spec.to_json())
    except RecursionError:
        yield Issue("spec", "invalid_spec", "is nested too deeply")
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
        return  # a literal that is no JSON: the rules for payloads and triggers say which
    else:
        if size > MAX_BYTES:
            yield Issue("spec", "spec_too_large", f"has {size:,} bytes, and at most {MAX_BYTES:,} are taken")


def name_is_a_name(spec: Spec) -> Iterable[Issue]:
    """It stands in addresses, commands and log lines."""
    if not NAME.match(spec.name):
        yield Issue("name", "invalid_name", NAME_RULE)


def version_is_a_label(spec: Spec) -> Iterable[Issue]:
    """Shown everywhere, deciding nothing."""
    if spec.version is not None and not (1 <= len(spec.version) <= MAX_VERSION and spec.version.isprintable()):
        yield Issue("version", "invalid_version", f"a version is a label of 1 to {MAX_VERSION} printable characters")


LIMITS = (steps_in_bounds, edges_in_bounds, size_in_bounds)
RULES = (name_is_a_name, version_is_a_label)
