"""The fused TD3 update beside Stable-Baselines3 and sbx: the same machine, one after the other, one thread each.

    python3 -m venv venv && venv/bin/pip install -r benches/requirements-peers.txt
    venv/bin/python benches/td3_peers.py

Same work for all: actor 10-256-256-3, twin critics 13-256-256-1, batch 256, policy delay 2, Adam; updates a second from a
full replay, without an environment. Each peer runs in a process of its own, pinned to one core where the system allows;
rounds alternate, so that other work on the machine hits all alike. Prints medians and the ratios of each round's rates.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

ROUNDS = 5
SECONDS = 8.0
TRANSITIONS = 100_000
CHUNK = 100
ROOT = pathlib.Path(__file__).resolve().parent.parent


def environment():
    import gymnasium
    import numpy as np

    class Still(gymnasium.Env):
        """Never stepped: it only tells the shapes."""

        observation_space = gymnasium.spaces.Box(-1.0, 1.0, (10,), np.float32)
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (3,), np.float32)

    return Still()


def filled(model):
    import numpy as np

    rng = np.random.default_rng(1)
    space = lambda *shape: rng.uniform(-1.0, 1.0, shape).astype(np.float32)
    buffer = model.replay_buffer
    for _ in range(TRANSITIONS):
        buffer.add(space(1, 10), space(1, 10), space(1, 3), space(1), np.zeros(1), [{}])
    return model


def peer(name):
    """Updates a second of a peer in this process."""
    settings = dict(batch_size=256, buffer_size=TRANSITIONS, policy_delay=2, learning_starts=0, seed=1, device="cpu")
    if name == "Stable-Baselines3":
        import torch
        from stable_baselines3 import TD3
        from stable_baselines3.common.logger import configure

        torch.set_num_threads(1)
        model = filled(TD3("MlpPolicy", environment(), policy_kwargs=dict(net_arch=[256, 256]), **settings))
    else:
        from sbx import TD3
        from stable_baselines3.common.logger import configure

        model = filled(TD3("MlpPolicy", environment(), policy_kwargs=dict(net_arch=[256, 256]), **settings))
    model.set_logger(configure(None, []))
    model._n_updates = 0
    train = lambda: model.train(gradient_steps=CHUNK, batch_size=256)
    train()  # compiles
    train()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        train()
        steps += CHUNK
    return steps / (time.perf_counter() - start)


def measured(name):
    single = dict(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", JAX_PLATFORMS="cpu")
    single["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [sys.executable, __file__, name]
    out = subprocess.run(pinned(command), env=os.environ | single, capture_output=True, text=True)
    if out.returncode:
        sys.exit(f"{name} failed:\n{out.stderr}")
    return json.loads(out.stdout.splitlines()[-1])


def pinned(command):
    return ["taskset", "-c", "0", *command] if sys.platform == "linux" else command


def bench_program():
    """Path of the built bench."""
    command = ["cargo", "bench", "--bench", "td3_update", "--no-run", "--message-format=json"]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    programs = [json.loads(line).get("executable") for line in out.splitlines() if line.startswith("{")]
    return [program for program in programs if program][-1]


def own(program, *sets):
    """Updates a second of the fused kernel on one thread, by instruction set."""
    out = subprocess.run(pinned([program, *sets]), capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(\S+) +median.*1 thread +([0-9.]+) steps/s, +([0-9.]+) % of peak", out, re.MULTILINE)
    return {name: (float(rate), float(share)) for name, rate, share in found}


def main():
    program = bench_program()
    first = own(program)
    fastest = max(first, key=first.get)
    rates = {"fused": [], "Stable-Baselines3": [], "sbx": []}
    shares = []
    for _ in range(ROUNDS):
        rate, share = own(program, fastest)[fastest]
        rates["fused"].append(rate)
        shares.append(share)
        for name in ("Stable-Baselines3", "sbx"):
            rates[name].append(measured(name))
    for name, values in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(rates["fused"], values)]
        print(f"{name:18} {statistics.median(values):7.1f} updates/s; fused is {statistics.median(ratios):.2f} times that")
    load = "" if not hasattr(os, "getloadavg") else f"; load average of the machine now {os.getloadavg()[0]:.1f}"
    print(f"fused, {fastest}: {statistics.median(shares):.1f} % of the f32 peak of the core measured in the same turns{load}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(peer(sys.argv[1])))
    else:
        main()
