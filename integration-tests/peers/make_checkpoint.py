"""Writes a small TD3 checkpoint as PyTorch would: {"actor": state_dict, "critic": ..., "actor_optimizer": ..., ...}.

    python make_checkpoint.py FILE

With torch installed it is torch.save; without, the same zip of pickle and raw storages is written by hand. Weights are
`sin` of a running number, so that a reader can tell what it must find: see `fixture_value` in src/policy/import_pt.rs.
"""

import collections
import io
import math
import pickle
import sys
import types
import zipfile

HIDDEN, OBSERVATION, ACTIONS = 4, 10, 3


def shapes(inputs, outputs):
    sizes = [("l1", HIDDEN, inputs), ("l2", HIDDEN, HIDDEN), ("l3", outputs, HIDDEN)]
    for name, rows, columns in sizes:
        yield f"{name}.weight", (rows, columns)
        yield f"{name}.bias", (rows,)


def values(shape, start):
    return [math.sin(start + i) for i in range(math.prod(shape))]


def state_dict(tensor, inputs, outputs):
    state, start = collections.OrderedDict(), 0
    for name, shape in shapes(inputs, outputs):
        state[name] = tensor(values(shape, start), shape)
        start += math.prod(shape)
    return state


def checkpoint(tensor):
    moments = {"step": tensor([7.0], (1,)), "exp_avg": tensor(values((HIDDEN, OBSERVATION), 0), (HIDDEN, OBSERVATION))}
    group = {"lr": 3e-4, "betas": (0.9, 0.999), "weight_decay": 0, "amsgrad": False, "fused": None, "params": [0, 1]}
    return {
        "critic": state_dict(tensor, OBSERVATION + ACTIONS, 1),
        "actor": state_dict(tensor, OBSERVATION, ACTIONS),
        "actor_optimizer": {"state": {0: moments}, "param_groups": [group]},
        "total_it": 1000,
    }


def save_with_torch(path):
    import torch

    torch.save(checkpoint(lambda numbers, shape: torch.tensor(numbers, dtype=torch.float32).reshape(shape)), path)


class Tensor:
    def __init__(self, numbers, shape):
        self.numbers, self.shape = numbers, shape


class Storage:
    def __init__(self, tensor):
        self.tensor = tensor


def fake_torch():
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_):
        raise NotImplementedError

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    torch._utils = utils
    sys.modules.update({"torch": torch, "torch._utils": utils})
    return torch


class Pickler(pickle.Pickler):
    def __init__(self, file, torch):
        super().__init__(file, protocol=2)
        self.torch, self.storages = torch, []

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        self.storages.append(value.tensor.numbers)
        return ("storage", self.torch.FloatStorage, str(len(self.storages) - 1), "cpu", len(value.tensor.numbers))

    def reducer_override(self, value):
        if not isinstance(value, Tensor):
            return NotImplemented
        stride = tuple(math.prod(value.shape[i + 1 :]) for i in range(len(value.shape)))
        parts = (Storage(value), 0, value.shape, stride, False, collections.OrderedDict())
        return self.torch._utils._rebuild_tensor_v2, parts


def save_by_hand(path):
    import struct

    buffer = io.BytesIO()
    pickler = Pickler(buffer, fake_torch())
    pickler.dump(checkpoint(Tensor))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        def add(name, data):
            file.writestr(zipfile.ZipInfo("checkpoint/" + name), data)

        add("data.pkl", buffer.getvalue())
        add("byteorder", "little")
        for index, numbers in enumerate(pickler.storages):
            add(f"data/{index}", struct.pack(f"<{len(numbers)}f", *numbers))
        add("version", "3\n")


def main():
    try:
        save_with_torch(sys.argv[1])
        print("torch")
    except ImportError:
        save_by_hand(sys.argv[1])
        print("by hand")


if __name__ == "__main__":
    main()
