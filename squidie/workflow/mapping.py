"""What goes into a step.

Paths such as `payload.order.total?`, looked up in the payload and in the outputs of the steps before.

A segment with a dot, a question mark or a backslash of its own is written with a backslash before each. Numeric
segments index lists.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from squidie.errors import Invalid
from squidie.workflow.memo import by_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Binder = Callable[[Mapping[str, Any]], dict[str, Any]]

_SEGMENT = re.compile(r"(?:[^.?\\]|\\.)+", re.DOTALL)
_SPECIAL = re.compile(r"([.?\\])")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
ABSENT: Any = object()
"""What `find` finds where there is nothing."""
LONGEST = 1_000


class Path(NamedTuple):
    """Where a value is. An optional path that leads nowhere leaves the parameter to its own default."""

    segments: tuple[str, ...]
    optional: bool = False

    @property
    def root(self) -> str:
        """The first segment: `payload`, `schedule`, `parent`, `error`, `ctx`, or the name of an output."""
        return self.segments[0]

    def __str__(self) -> str:
        return written(self.segments) + ("?" if self.optional else "")


class MissingPath(Invalid):
    """An input path leads nowhere.

    `missing_at` is the path up to the first part that is absent. `details`: `parameter`, `path`, `missing_at`.
    """

    def __init__(self, parameter: str, path: str, missing_at: str) -> None:
        self.parameter, self.path, self.missing_at = parameter, path, missing_at
        details = {"parameter": parameter, "path": path, "missing_at": missing_at}
        super().__init__(f"the parameter {parameter!r} reads {path}, and there is no {missing_at}", details=details)


def parse_path(path: str | Sequence[str | int]) -> Path:
    """The path that was written, as text or as a list. Raises `ValueError` with the reason."""
    return _parse_text(path) if isinstance(path, str) else _parse_list(path)


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> Path:
    if len(text) > LONGEST:
        raise ValueError(f"a path has at most {LONGEST} characters")
    optional = text.endswith("?") and not text.endswith("\\?")
    body = text[:-1] if optional else text
    segments, at = [], 0
    while part := _SEGMENT.match(body, at):
        segments.append(_ESCAPED.sub(r"\1", part[0]))
        at = part.end() + 1
        if part.end() == len(body):
            return Path(tuple(segments), optional)
        if body[part.end()] != ".":
            break
    raise ValueError('a path is written like "order.total", with a ? at its end if it may lead nowhere')


def _parse_list(path: object) -> Path:
    parts = list(path) if isinstance(path, list | tuple) else []
    if not parts or not all(
        isinstance(part, str | int) and not isinstance(part, bool) and part != "" for part in parts
    ):
        raise ValueError('a path is text ("order.total") or a list of its parts (["order", "total"])')
    return Path(tuple(str(part) for part in parts))


def written(segments: Iterable[str]) -> str:
    """The segments as one text, read back by `parse_path`."""
    return ".".join(_SPECIAL.sub(r"\\\1", segment) for segment in segments)


def lookup(path: Path | str, roots: Mapping[str, Any], *, parameter: str = "") -> Any:
    """The value at the path. Raises `MissingPath` if there is none, optional or not."""
    path = parse_path(path) if isinstance(path, str) else path
    value: Any = roots
    for depth, segment in enumerate(path.segments):
        value = _below(value, segment)
        if value is ABSENT:
            raise MissingPath(parameter, written(path.segments), written(path.segments[: depth + 1]))
    return value


def find(path: Path, roots: Mapping[str, Any]) -> Any:
    """The value at the path, or `ABSENT`. Each root is asked for by its key, so that one may be read only then."""
    try:
        value = roots[path.root]
    except KeyError:
        return ABSENT
    for segment in path.segments[1:]:
        value = _below(value, segment)
    return value


def _below(value: Any, segment: str) -> Any:
    if isinstance(value, list | tuple):
        index = int(segment) if segment.isascii() and segment.isdigit() and len(segment) < 10 else len(value)
        return value[index] if index < len(value) else ABSENT
    if hasattr(value, "keys"):
        return value.get(segment, ABSENT)
    return ABSENT


def bind(node_input: Mapping[str, str], roots: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a step by parameter name. Raises `MissingPath`."""
    return _compiled(node_input)(roots)


def compile_input(node: Any) -> Binder:
    """What binds the arguments of this node, worked out once."""
    return _compiled(node.input)


def _compile(node_input: Mapping[str, str]) -> Binder:
    parsed = [(name, parse_path(path)) for name, path in node_input.items()]
    wanted = tuple((name, path.segments[0], path.segments[1:], path) for name, path in parsed)

    def binder(roots: Mapping[str, Any]) -> dict[str, Any]:
        bound = {}
        for name, root, rest, path in wanted:
            try:
                value = roots[root]
                for segment in rest:
                    value = value[segment]
            except (KeyError, TypeError, IndexError):  # absent, or a list: rare enough to be looked at slowly
                if (value := _second_look(name, path, roots)) is ABSENT:
                    continue
            bound[name] = value
        return bound

    return binder


def _second_look(parameter: str, path: Path, roots: Mapping[str, Any]) -> Any:
    try:
        return lookup(path, roots, parameter=parameter)
    except MissingPath:
        if path.optional:
            return ABSENT
        raise


_compiled = by_identity(_compile)
