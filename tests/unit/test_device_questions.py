"""The science in model/ and augment/ asks for no device, dtype or backend: ops/ and the training loop know them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hico_platform

PACKAGE = Path(hico_platform.__file__).parent

ASKED_BY_NAME = {"is_cuda", "is_cpu", "is_floating_point", "kernels_for", "ctypes", "backends", "is_available"}
COMPARED = {"device", "dtype"}


def questions(source: str) -> Iterator[str]:
    """What a module asks of a tensor's device, dtype or backend."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in ASKED_BY_NAME:
                yield ast.unparse(node)
            case ast.Attribute(value=ast.Attribute(attr="device") | ast.Name(id="device"), attr="type" | "index"):
                yield ast.unparse(node)
            case ast.Attribute(value=ast.Name(id="torch"), attr="cuda"):
                yield ast.unparse(node)
            case ast.Import(names=names) if any(name.name.split(".")[0] == "ctypes" for name in names):
                yield ast.unparse(node)
            case ast.Compare(left=left, comparators=others) | ast.Match(subject=left, cases=others):
                sides = [left, *(side for side in others if isinstance(side, ast.expr))]
                if any(isinstance(side, ast.Attribute) and side.attr in COMPARED for side in sides):
                    yield ast.unparse(node)


@pytest.mark.parametrize("folder", ["model", "augment"])
def test_no_module_asks_for_device_dtype_or_backend(folder: str) -> None:
    modules = sorted((PACKAGE / folder).rglob("*.py"))
    assert len(modules) > 4
    found = {str(module.relative_to(PACKAGE)): list(questions(module.read_text())) for module in modules}
    assert {name: asked for name, asked in found.items() if asked} == {}, "ask in ops/, which models call"


@pytest.mark.parametrize(
    "line",
    [
        "x.is_cuda",
        "indices.device.type == 'cpu'",
        "device.type",
        "x.dtype == torch.bfloat16",
        "torch.bfloat16 is x.dtype",
        "x.device in known",
        "torch.cuda.is_available()",
        "torch.backends.mkldnn",
        "import ctypes",
        "import ctypes.util",
        "kernels_for(x)",
        "match x.dtype:\n    case torch.float32: pass",
    ],
)
def test_a_question_is_seen(line: str) -> None:
    assert list(questions(line))


@pytest.mark.parametrize(
    "line", ["torch.zeros(3, device=x.device)", "keys.to(self.keys.dtype)", "node.type == 'joint'"]
)
def test_tensors_may_be_made_where_others_lie(line: str) -> None:
    assert not list(questions(line))
