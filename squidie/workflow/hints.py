"""Annotations that are text, resolved without running what they say.

Only names, attributes, subscripts and `|` are looked up. An annotation that calls, computes or cannot be found counts
as `Any`: what a function says of itself must never do anything.
"""

from __future__ import annotations

import ast
import inspect
import sys
from typing import TYPE_CHECKING, Annotated, Any, ForwardRef, Literal, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOK_UPS = (ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.Load)
_HARMLESS = (*_LOOK_UPS, ast.Constant, ast.Tuple, ast.List, ast.BinOp, ast.BitOr, ast.UnaryOp, ast.USub)
_LONGEST = 2_000


class _Holder:
    """Something with annotations, as `get_type_hints` wants it."""

    def __init__(self, annotation: Any) -> None:
        self.__annotations__ = {"it": annotation}


def resolve(annotation: Any, names: Mapping[str, Any], local: Mapping[str, Any] | None = None) -> Any:
    """What the annotation stands for, or `Any` where that cannot be known without running it."""
    if annotation is inspect.Parameter.empty:
        return Any
    if annotation is None:
        return type(None)
    try:
        found = _evaluate(annotation, names, local) if isinstance(annotation, str) else annotation
        if all(_is_harmless(text) for text in _texts(found)):
            return get_type_hints(_Holder(found), globalns=dict(names), localns=dict(local or {}), include_extras=True)[
                "it"
            ]
    except Exception:  # noqa: BLE001 - whatever an annotation does when it is looked up, it only costs itself its meaning
        return Any
    return Any


def of_class(cls: type) -> dict[str, Any]:
    """The annotations of a class and its bases, by name."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        names = vars(sys.modules.get(base.__module__, object))
        found |= {name: resolve(raw, names, vars(base)) for name, raw in _own(base).items()}
    return found


def _own(base: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 - only there

        return dict(annotationlib.get_annotations(base, format=annotationlib.Format.FORWARDREF))
    return inspect.get_annotations(base)


def signature(function: Any) -> inspect.Signature:
    """Its signature; annotations stay as they are written, where Python would otherwise work them out now."""
    if sys.version_info >= (3, 14):
        import annotationlib  # noqa: PLC0415 - only there

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def _evaluate(text: str, names: Mapping[str, Any], local: Mapping[str, Any] | None) -> Any:
    if not _is_harmless(text):
        return Any
    return eval(text, dict(names), dict(local or {}))  # noqa: S307 - look-ups only, see above


def _is_harmless(text: str) -> bool:
    if len(text) > _LONGEST:
        return False
    try:
        return all(isinstance(node, _HARMLESS) for node in ast.walk(ast.parse(text.strip(), mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _texts(annotation: Any) -> list[str]:
    """The texts still to be looked up inside an annotation; values of a `Literal` and notes are no such texts."""
    if isinstance(annotation, str):
        return [annotation]
    if isinstance(annotation, ForwardRef):
        return [annotation.__forward_arg__]
    if get_origin(annotation) is Literal:
        return []
    if get_origin(annotation) is Annotated:
        return _texts(get_args(annotation)[0])
    return [text for part in get_args(annotation) for text in _texts(part)]
