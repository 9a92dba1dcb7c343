"""Writes an actor.onnx of a kind that the gateway's own networks are not.

    python foreign_onnx.py KIND ACTOR.onnx

leaky: LeakyRelu between, Tanh at the end. open: nothing at the end, so actions leave [-1, 1]. nan: 0/0 at the end.
four: four outputs. external: as leaky, its weights in a file beside it.
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(kind):
    rng = np.random.default_rng(1)
    outputs = 4 if kind == "four" else 3
    shapes = {"w1": (10, 16), "b1": (16,), "w2": (16, outputs), "b2": (outputs,)}
    scale = 100.0 if kind == "open" else 0.5
    tensors = [numpy_helper.from_array((scale * rng.normal(size=s)).astype(np.float32), n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Gemm", ["observation", "w1", "b1"], ["h"]),
        helper.make_node("LeakyRelu", ["h"], ["a"], alpha=0.1),
        helper.make_node("Gemm", ["a", "w2", "b2"], ["y"]),
    ]
    if kind == "nan":
        nodes += [helper.make_node("Sub", ["y", "y"], ["zero"]), helper.make_node("Div", ["zero", "zero"], ["action"])]
    else:
        nodes.append(helper.make_node("Identity" if kind == "open" else "Tanh", ["y"], ["action"]))
    value = helper.make_tensor_value_info
    inputs, results = value("observation", TensorProto.FLOAT, ["batch", 10]), value("action", TensorProto.FLOAT, ["batch", outputs])
    graph = helper.make_graph(nodes, "actor", [inputs], [results], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def main():
    kind, path = sys.argv[1:3]
    external = kind == "external"
    onnx.save(model(kind), path, save_as_external_data=external, location="actor.data", size_threshold=0)


if __name__ == "__main__":
    main()
