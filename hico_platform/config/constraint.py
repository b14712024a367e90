"""Constraints between a trial's fields: comparisons and arithmetic, such as ``model.layers * model.heads <= 8``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hico_platform.config.schema import Scalar

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
        """Whether it is true of ``values``, which has every field that it names."""
        return bool(_evaluate(ast.parse(self.text, mode="eval").body, values))


def names_in(text: str) -> tuple[str, ...]:
    """The dotted fields that an expression names.

    Raises:
        ValueError: it is no expression of numbers, texts, fields, + - * / // %, comparisons, and, or, not.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(error.msg) from error
    names: list[str] = []

    def walk(node: ast.AST) -> None:
        if isinstance(node, (ast.Name, ast.Attribute)):
            names.append(_dotted(node))
            return
        parts: list[ast.AST] = []
        if isinstance(node, ast.BoolOp):
            parts = list(node.values)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
            parts = [node.operand]
        elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
            parts = [node.left, node.right]
        elif isinstance(node, ast.Compare) and all(type(op) in _OPERATIONS for op in node.ops):
            parts = [node.left, *node.comparators]
        elif not (isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float, str))):
            raise ValueError(f"{ast.unparse(node)} is not part of it")
        for part in parts:
            walk(part)

    walk(tree)
    return tuple(names)


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
