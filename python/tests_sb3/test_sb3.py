"""What python/README.md shows of torch and Stable-Baselines3, run as it is written. By hand:

    python/test && python/.venv/bin/pip install -r python/requirements-sb3.txt
    MEMG_GATEWAY=target/release/gateway python/.venv/bin/python -m pytest -s python/tests_sb3
"""

import os
import pathlib
import subprocess

import numpy as np
import pytest

import memg_gym

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILE = ROOT / "config" / "profiles" / "site-a-2016.csv"


def blocks():
    """The Python blocks of the README."""
    text = (ROOT / "python" / "README.md").read_text()
    return [part.split("```")[0] for part in text.split("```python\n")[1:]]


def test_the_five_lines_train_and_are_judged(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    lines = blocks()[0]
    assert len(lines.strip().splitlines()) == 5
    names = {}
    exec(lines, names)
    with capsys.disabled():
        print(capsys.readouterr().out)
    assert names["model"].num_timesteps == 20_000


def test_stable_baselines3s_checker_is_content():
    from stable_baselines3.common.env_checker import check_env

    check_env(memg_gym.make("site-a", profile=PROFILE))


def test_a_torch_actor_comes_back_through_onnx(monkeypatch, tmp_path):
    gateway = pathlib.Path(os.environ.get("MEMG_GATEWAY", ROOT / "target" / "release" / "gateway")).resolve()
    if not gateway.exists():
        pytest.skip(f"no gateway at {gateway}")
    import torch

    torch.manual_seed(1)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(blocks()[1].replace("torch.onnx.export(Actor().eval(),", "network = Actor().eval()\ntorch.onnx.export(network,"), names)
    site = ROOT / "config" / "sites" / "site-a.toml"
    command = [gateway, "model", "pack", "actor.onnx", "--schema", "10d", "--out", "my-actor", "--site", site, "--profile", PROFILE]
    subprocess.run(command, check=True)
    folder = memg_gym.load_model("./my-actor")
    seen = np.random.default_rng(1).uniform(0, 1, (200, 10)).astype(np.float32)
    with torch.no_grad():
        expected = names["network"](torch.from_numpy(seen)).numpy()
    assert np.abs(folder.act(seen) - expected).max() <= 1e-5

    def own(observation):
        with torch.no_grad():
            return names["network"](torch.from_numpy(observation)).numpy()

    mine = memg_gym.Actor(own, observation=folder, name="mine")
    kept = memg_gym.evaluate([mine, "./my-actor"], profile=PROFILE, month_days="20-24", block_days=5)
    assert kept[0]["cost_eur_per_day"] == pytest.approx(kept[1]["cost_eur_per_day"], abs=0.01)
