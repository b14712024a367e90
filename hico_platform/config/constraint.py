"""Constraints between a trial's fields: comparisons and arithmetic, such as ``model.layers * model.heads <= 8``."""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hico_platform.config.schema import Scalar

MOST_CHARACTERS, MOST_DEPTH = 2000, 64
"""Limits of an expression; evaluation is recursive, one call a level."""

_DEEP = f"it is more than {MOST_DEPTH} levels deep"
_OPERATIONS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A checked expression over dotted fields of the trial configuration."""

    text: str

    def holds(self, values: Mapping[str, Scalar | None]) -> bool:
        """Whether it is true for ``values``, which has every field that it names.

        False where it cannot be evaluated: a division by zero, an overflow, or a field that is not set.
        """
        try:
            return bool(_evaluate(_parsed(self.text), values))
        except (ArithmeticError, TypeError):
            return False


class Kind(StrEnum):
    """The type of an expression."""

    NUMBER = "a number"
    TEXT = "a text"
    TRUTH = "true or false"


def problem_of(text: str, types: Mapping[str, type]) -> str | None:
    """What is wrong with an expression, if anything.

    It is a comparison: of numbers, texts and fields (dotted names in ``types``), with + - * / // %, and, or, not.
    """
    try:
        kind = _kind(_parsed(text), types)
    except SyntaxError as error:
        return error.msg
    except ValueError as error:
        return str(error)
    return None if kind is Kind.TRUTH else f"it comes to {kind}, and is to be true or false"


def unknown_names(text: str, known: Container[str]) -> tuple[str, ...]:
    """The dotted names in an expression that are not ``known``; none where it is no expression."""
    try:
        tree = _parsed(text)
    except (SyntaxError, ValueError):
        return ()
    inner = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    outer = [node for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute)) and node not in inner]
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [ast.unparse(node) for node in outer if node not in called]
    return tuple(name for name in names if name not in known)


def _parsed(text: str) -> ast.expr:
    """The expression of a text.

    Raises:
        SyntaxError: it is none.
        ValueError: it is too long or too deep, or holds what no source may (a NUL byte).
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it has more than {MOST_CHARACTERS} characters")
    try:
        with warnings.catch_warnings():  # of Python, such as "is" beside a number
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
    except (RecursionError, MemoryError):
        raise ValueError(_DEEP) from None
    level: list[ast.AST] = [tree]
    for _ in range(MOST_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise ValueError(_DEEP)
    return tree


def _kind(node: ast.AST, types: Mapping[str, type]) -> Kind:
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float, str)):
        return _kind_of_type(type(node.value))
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _kind_of_type(types[_dotted(node)])
    if isinstance(node, ast.BoolOp):
        _want(node, Kind.TRUTH, node.values, types)
        return Kind.TRUTH
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        kind = Kind.TRUTH if isinstance(node.op, ast.Not) else Kind.NUMBER
        _want(node, kind, [node.operand], types)
        return kind
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        _want(node, Kind.NUMBER, [node.left, node.right], types)
        return Kind.NUMBER
    if isinstance(node, ast.Compare) and all(type(op) in _OPERATIONS for op in node.ops):
        sides = [node.left, *node.comparators]
        equality = all(isinstance(op, (ast.Eq, ast.NotEq)) for op in node.ops)
        _want(node, _kind(node.left, types) if equality else Kind.NUMBER, sides, types)
        return Kind.TRUTH
    raise ValueError(f"{ast.unparse(node)} is not part of it")


def _want(node: ast.AST, kind: Kind, parts: Iterable[ast.AST], types: Mapping[str, type]) -> None:
    for part in parts:
        found = _kind(part, types)
        if found is not kind:
            raise ValueError(f"{ast.unparse(part)} in {ast.unparse(node)} is {found}, and is to be {kind}")


def _kind_of_type(kind: type) -> Kind:
    if kind is bool:
        return Kind.TRUTH
    return Kind.NUMBER if kind in (int, float) else Kind.TEXT


def _evaluate(node: ast.AST, values: Mapping[str, Scalar | None]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BoolOp):
        parts = (bool(_evaluate(part, values)) for part in node.values)
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.UnaryOp):
        inner = _evaluate(node.operand, values)
        return not inner if isinstance(node.op, ast.Not) else -inner
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_evaluate(node.left, values), _evaluate(node.right, values))
    if isinstance(node, ast.Compare):
        sides = [_evaluate(side, values) for side in (node.left, *node.comparators)]
        return all(
            _OPERATIONS[type(op)](left, right) for op, left, right in zip(node.ops, sides, sides[1:], strict=False)
        )
    return values[_dotted(node)]


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise ValueError(f"{ast.unparse(node)} is not part of it")
