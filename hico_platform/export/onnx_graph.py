"""The encoder as a graph of ONNX's own operators, one for each step of ``hico_platform.model``, for any batch size.

It is written out here and not traced: a traced recurrence becomes a node for each step and gate, where ONNX has one
operator. ``onnx_file.py`` compares every graph with PyTorch before it is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from torch import nn

from hico_platform.build import BODIES
from hico_platform.enums import Stream
from hico_platform.model.downsampling import UnifiedDownsampling
from hico_platform.model.encoder import Branch
from hico_platform.model.recurrent import Recurrent
from hico_platform.model.transformer import Transformer, TransformerLayer

if TYPE_CHECKING:
    from hico_platform.export.encoder import Encoder

INPUT, OUTPUT = "poses", "features"
OPSET, IR_VERSION = 18, 10

_GRU_GATES = (1, 0, 2)  # PyTorch's reset, update, new as ONNX's update, reset, new
_LSTM_GATES = (0, 3, 1, 2)  # PyTorch's input, forget, cell, output as ONNX's input, output, forget, cell

Array = npt.NDArray[Any]


def onnx_model(encoder: Encoder) -> bytes:
    """The graph with its weights as the content of a file: ``poses`` (N, T, M, J, C) to ``features`` (N, 2*G*D)."""
    from onnx import TensorProto, helper

    graph = _Graph()
    frames, joints, coordinates = encoder.config.views.frames, len(encoder.layout.joints), encoder.coordinates
    poses = graph.of_stream(INPUT, encoder.config.views.stream, parents=encoder.layout.parents, axes=5)
    temporal = graph.reshape(poses, 0, frames, BODIES * joints * coordinates)
    by_joint = graph.add("Transpose", graph.reshape(poses, 0, frames, BODIES * joints, coordinates), perm=[0, 2, 1, 3])
    spatial = graph.reshape(by_joint, 0, BODIES * joints, frames * coordinates)
    network = encoder.network
    parts = [*graph.branch(temporal, network.temporal), *graph.branch(spatial, network.spatial)]
    graph.nodes.append(helper.make_node("Concat", parts, [OUTPUT], axis=1))
    number = TensorProto.FLOAT
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "hico",
            [helper.make_tensor_value_info(INPUT, number, ["N", frames, BODIES, joints, coordinates])],
            [helper.make_tensor_value_info(OUTPUT, number, ["N", encoder.feature_width])],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="hico-platform",
    )
    content: bytes = made.SerializeToString()
    return content


class _Graph:
    """Nodes and weights; each method adds what computes something, and returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Array) -> str:
        from onnx import numpy_helper

        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def reshape(self, x: str, *shape: int) -> str:
        """0 stands for the size that ``x`` has there."""
        return self.add("Reshape", x, self.constant(np.array(shape, np.int64)))

    def of_stream(self, poses: str, stream: Stream, *, parents: Sequence[int], axes: int) -> str:
        """As ``augment.streams.to_stream``."""
        match stream:
            case Stream.JOINT:
                return poses
            case Stream.BONE:
                of_parents = self.add("Gather", poses, self.constant(np.array(parents, np.int64)), axis=axes - 2)
                return self.add("Sub", poses, of_parents)
            case Stream.MOTION:
                bounds = [np.array([value], np.int64) for value in (0, 1, -1, 2**31)]
                first, second, last, end = map(self.constant, bounds)
                later = self.add("Slice", poses, second, end, second)
                earlier = self.add("Slice", poses, first, last, second)
                ends = self.constant(np.array([0, 1], np.int64))
                zero = self.constant(np.array(0, np.float32))
                return self.add("Pad", self.add("Sub", later, earlier), ends, zero, second)

    def branch(self, tokens: str, branch: Branch) -> list[str]:
        """(N, L, token_width) to the vector (N, D) of each granularity."""
        widen, norm, mix = branch.embedding[0], branch.embedding[1], branch.embedding[3]
        levels = [self.linear(self.add("Relu", self.norm(self.linear(tokens, widen), norm)), mix)]
        for _ in range(branch.granularities - 1):
            levels.append(self.halve(levels[-1], branch.downsample))
        axis = self.constant(np.array([1], np.int64))
        return [self.add("ReduceMax", self.sequence(level, branch.sequence), axis, keepdims=0) for level in levels]

    def halve(self, x: str, module: UnifiedDownsampling) -> str:
        """(N, L, D) to (N, L // 2, D)."""
        convolution = module.convolution
        mixed = self.add(
            "Conv", self.add("Transpose", x, perm=[0, 2, 1]), self.constant(_values(convolution.weight)),
            self.constant(_values(convolution.bias)), group=convolution.groups,
            kernel_shape=[convolution.kernel_size[0]], pads=[int(convolution.padding[0])] * 2,
        )  # fmt: skip
        activated = self.add("Relu", self.norm(self.add("Transpose", mixed, perm=[0, 2, 1]), module.norm))
        pooled = self.add("MaxPool", self.add("Transpose", activated, perm=[0, 2, 1]), kernel_shape=[2], strides=[2])
        return self.add("Transpose", pooled, perm=[0, 2, 1])

    def sequence(self, x: str, module: nn.Module) -> str:
        """(N, L, D) to (N, L, D)."""
        if isinstance(module, Recurrent):
            return self.recurrent(x, module.rnn)
        if isinstance(module, Transformer):
            for each in module.layers:
                layer = cast(TransformerLayer, each)
                x = self.norm(self.add("Add", x, self.attention(x, layer.attention)), layer.attention_norm)
                hidden = self.add("Relu", self.linear(x, layer.widen))
                x = self.norm(self.add("Add", x, self.linear(hidden, layer.narrow)), layer.feed_forward_norm)
            return x
        raise TypeError(f"no operators for {type(module).__name__}")

    def recurrent(self, x: str, rnn: nn.RNNBase) -> str:
        """Bidirectional layers, first tokens first inside."""
        x = self.add("Transpose", x, perm=[1, 0, 2])
        is_lstm = isinstance(rnn, nn.LSTM)
        gates = _LSTM_GATES if is_lstm else _GRU_GATES
        more = {} if is_lstm else {"linear_before_reset": 1}
        for layer in range(rnn.num_layers):
            both = [rnn.all_weights[2 * layer], rnn.all_weights[2 * layer + 1]]
            w, r = (np.stack([_by_gate(weights[index], gates) for weights in both]) for index in (0, 1))
            b = np.stack([np.concatenate([_by_gate(weights[index], gates) for index in (2, 3)]) for weights in both])
            found = self.add(
                "LSTM" if is_lstm else "GRU", x, self.constant(w), self.constant(r), self.constant(b),
                direction="bidirectional", hidden_size=rnn.hidden_size, **more,
            )  # fmt: skip  # (L, 2, N, D / 2)
            x = self.reshape(self.add("Transpose", found, perm=[0, 2, 1, 3]), 0, 0, 2 * rnn.hidden_size)
        return self.add("Transpose", x, perm=[1, 0, 2])

    def attention(self, x: str, module: Any) -> str:
        """(N, L, D) to (N, L, D)."""
        width = module.out.in_features
        of_head = width // module.heads
        split = self.reshape(self.linear(x, module.qkv), 0, 0, 3, module.heads, of_head)
        split = self.add("Transpose", split, perm=[2, 0, 3, 1, 4])  # (3, N, heads, L, D / heads)
        query, key, value = (
            self.add("Gather", split, self.constant(np.array(index, np.int64)), axis=0) for index in range(3)
        )
        scores = self.add("MatMul", query, self.add("Transpose", key, perm=[0, 1, 3, 2]))
        scaled = self.add("Mul", scores, self.constant(np.array(1 / math.sqrt(of_head), np.float32)))
        mixed = self.add("MatMul", self.add("Softmax", scaled, axis=-1), value)
        return self.linear(self.reshape(self.add("Transpose", mixed, perm=[0, 2, 1, 3]), 0, 0, width), module.out)

    def linear(self, x: str, module: nn.Module) -> str:
        layer = cast(nn.Linear, module)
        product = self.add("MatMul", x, self.constant(_values(layer.weight).T))
        return self.add("Add", product, self.constant(_values(layer.bias)))

    def norm(self, x: str, module: nn.Module) -> str:
        layer = cast(nn.LayerNorm, module)
        weight, bias = self.constant(_values(layer.weight)), self.constant(_values(layer.bias))
        return self.add("LayerNormalization", x, weight, bias, axis=-1, epsilon=layer.eps)


def _values(parameter: Any) -> Array:
    values: Array = parameter.detach().numpy()
    return values


def _by_gate(parameter: Any, gates: Sequence[int]) -> Array:
    """The blocks of a weight or bias, one for each gate, in another order."""
    blocks = np.split(_values(parameter), len(gates))
    return np.concatenate([blocks[gate] for gate in gates])
