"""Checks a model folder's actor.onnx with foreign tools: onnx.checker, and ONNX Runtime against golden.csv.

    python check_onnx.py MODEL_FOLDER [TOLERANCE]

Prints one JSON object. Exit code 0 if the file passes the full check, has a free batch dimension, holds all of its data,
and both one row at a time and all rows at once give the golden outputs within TOLERANCE (1e-5, what the gateway demands
of its runtimes). Golden outputs are computed in f64: float32 runtimes are within 1e-6 of them with the weights of the
trained actors, while two float32 runtimes may be twice as far from each other.
"""

import csv
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-5


def golden(folder):
    with open(folder / "golden.csv", newline="") as file:
        rows = list(csv.reader(file))
    numbers = np.array(rows[1:], dtype=np.float32)
    inputs = sum(name.startswith("observation_") for name in rows[0])
    return numbers[:, :inputs], numbers[:, inputs:]


def check_structure(model, inputs):
    onnx.checker.check_model(model, full_check=True)
    (source,) = model.graph.input
    (result,) = model.graph.output
    for value, width in ((source, inputs), (result, 3)):
        batch, last = value.type.tensor_type.shape.dim
        assert batch.dim_param and not batch.dim_value, f"{value.name}: the batch is not free"
        assert last.dim_value == width, f"{value.name}: {last.dim_value} numbers, expected {width}"
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    return {prop.key: prop.value for prop in model.metadata_props}


def largest_differences(path, observations, actions):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    together = session.run(None, {name: observations})[0]
    alone = np.concatenate([session.run(None, {name: row[None, :]})[0] for row in observations])
    return [float(np.abs(found - actions).max()) for found in (together, alone)]


def main():
    folder = pathlib.Path(sys.argv[1])
    tolerance = float(sys.argv[2]) if len(sys.argv) > 2 else TOLERANCE
    observations, actions = golden(folder)
    path = folder / "actor.onnx"
    metadata = check_structure(onnx.load(path), observations.shape[1])
    differences = largest_differences(path, observations, actions)
    report = {
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "metadata": metadata,
        "rows": len(actions),
        "largest_difference": max(differences),
    }
    print(json.dumps(report))
    return 0 if max(differences) <= tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
