"""Trains a small actor without a framework: it imitates what a trace's policy asked for.

    python train.py TRACE.csv ACTOR.onnx [--schema memg-extended/2] [--epochs N] [--seed N]

TRACE.csv comes from `gateway evaluate --trace … --observations …`: observation_0, observation_1, … are what a network of
that schema sees, action_0 to action_2 what it would have to answer (battery, CHP, grid, each in [-1, 1]). The network is
the gateway's own kind, tanh(W3 relu(W2 relu(W1 x + b1) + b2) + b3), so it runs in every runtime; anything else that
ONNX can say is possible as well and runs through ONNX Runtime. numpy does the arithmetic, onnx writes the file.
"""

import argparse
import csv

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HIDDEN = 128
BATCH = 256
RATE = 1e-3
# What the policy did a step ago (whether the CHP is on; the last set-points; time in the CHP's state). Whoever imitates sees
# that the CHP mostly stays as it is, learns just that, and never starts it: these inputs are not looked at.
BLIND = [5, 10, 11, 12]
# What the network asks of the grid hardly matters (the filter balances), what it asks of battery and CHP does.
WEIGHTS = np.array([1.0, 1.0, 0.1], dtype=np.float32)


def read(path):
    """Observations and actions of a trace, float32, a row a step."""
    with open(path, newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        seen = [i for i, name in enumerate(header) if name.startswith("observation_")]
        done = [header.index(f"action_{i}") for i in range(3)]
        if not seen:
            raise SystemExit(f"{path}: no column observation_0; was the trace written with --observations?")
        numbers = [([float(row[i]) for i in seen], [float(row[i]) for i in done]) for row in rows]
    x, y = zip(*numbers)
    return np.array(x, dtype=np.float32), np.array(y, dtype=np.float32)


def start(inputs, rng):
    """Layers with weights [inputs, outputs], as PyTorch would draw them."""
    widths = [inputs, HIDDEN, HIDDEN, 3]
    layers = []
    for n, m in zip(widths, widths[1:]):
        bound = 1.0 / np.sqrt(n)
        layers += [rng.uniform(-bound, bound, (n, m)).astype(np.float32), np.zeros(m, dtype=np.float32)]
    return layers


def forward(layers, x):
    """Outputs, and the values between."""
    w1, b1, w2, b2, w3, b3 = layers
    h1 = np.maximum(x @ w1 + b1, 0.0)
    h2 = np.maximum(h1 @ w2 + b2, 0.0)
    return np.tanh(h2 @ w3 + b3), h1, h2


def gradients(layers, x, y):
    """Of the mean weighted squared error; and the error itself."""
    _, _, w2, _, w3, _ = layers
    out, h1, h2 = forward(layers, x)
    wrong = WEIGHTS * (out - y)
    at_3 = 2.0 * wrong * (1.0 - out * out) / len(x)
    at_2 = (at_3 @ w3.T) * (h2 > 0.0)
    at_1 = (at_2 @ w2.T) * (h1 > 0.0)
    found = [x.T @ at_1, at_1.sum(0), h1.T @ at_2, at_2.sum(0), h2.T @ at_3, at_3.sum(0)]
    return found, float((wrong * (out - y)).sum(1).mean())


def train(x, y, epochs, seed):
    """Adam with a rate that falls to zero."""
    rng = np.random.default_rng(seed)
    layers = start(x.shape[1], rng)
    blind = [i for i in BLIND if i < x.shape[1]]
    x = x.copy()
    x[:, blind] = 0.0
    layers[0][blind] = 0.0
    means, squares = [np.zeros_like(a) for a in layers], [np.zeros_like(a) for a in layers]
    total, step = epochs * (len(x) // BATCH), 0
    for epoch in range(epochs):
        order, errors = rng.permutation(len(x)), []
        for first in range(0, len(x) - BATCH + 1, BATCH):
            batch = order[first : first + BATCH]
            found, error = gradients(layers, x[batch], y[batch])
            errors.append(error)
            step += 1
            rate = RATE * (1.0 - step / total)
            for a, g, m, v in zip(layers, found, means, squares):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                a -= rate * (m / (1.0 - 0.9**step)) / (np.sqrt(v / (1.0 - 0.999**step)) + 1e-8)
        if epoch % 10 == 9 or epoch + 1 == epochs:
            print(f"epoch {epoch + 1}: error {np.mean(errors):.4f}")
    return layers


def write(path, layers, schema):
    """The ONNX file: everything inside, a free batch dimension, the schema's name in the metadata."""
    names = ["l1", "l2", "l3"]
    tensors, nodes, value = [], [], "observation"
    for i, name in enumerate(names):
        weight, bias = layers[2 * i], layers[2 * i + 1]
        tensors += [numpy_helper.from_array(weight, f"{name}.weight"), numpy_helper.from_array(bias, f"{name}.bias")]
        result = "action" if name == "l3" else f"{name}.out"
        nodes.append(helper.make_node("Gemm", [value, f"{name}.weight", f"{name}.bias"], [f"{name}.sum"]))
        nodes.append(helper.make_node("Tanh" if name == "l3" else "Relu", [f"{name}.sum"], [result]))
        value = result
    inputs = [helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["batch", layers[0].shape[0]])]
    outputs = [helper.make_tensor_value_info("action", TensorProto.FLOAT, ["batch", 3])]
    graph = helper.make_graph(nodes, "actor", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"schema": schema})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trace")
    parser.add_argument("onnx")
    parser.add_argument("--schema", default="memg-extended/2")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    x, y = read(args.trace)
    layers = train(x, y, args.epochs, args.seed)
    out, _, _ = forward(layers, x)
    off = np.abs(out - y).mean(0)
    print(f"{len(x)} steps imitated; mean difference: battery {50 * off[0]:.1f} kW, CHP {40 * off[1]:.1f} kW")
    write(args.onnx, layers, args.schema)


if __name__ == "__main__":
    main()
