"""Where the repository's data lie, and what a day costs in the gateway."""

import csv
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILE = ROOT / "config" / "profiles" / "site-a-2016.csv"
SITES = ROOT / "config" / "sites"
MODELS = ROOT / "models"


def gateway():
    """The program to compare with: MEMG_GATEWAY, or the one in target/."""
    named = os.environ.get("MEMG_GATEWAY")
    built = [ROOT / "target" / kind / "gateway" for kind in ("debug", "release")]
    found = [pathlib.Path(named)] if named else [path for path in built if path.exists()]
    if found and found[0].exists():
        return found[0]
    if named or os.environ.get("MEMG_PEERS") == "required":
        pytest.fail(f"no gateway at {named or built}: build it, or name it in MEMG_GATEWAY")
    pytest.skip("no gateway is built")


@pytest.fixture(scope="session")
def trace(tmp_path_factory):
    """Rows of `gateway evaluate --trace` for flags."""
    folder = tmp_path_factory.mktemp("traces")

    def rows(name, *flags):
        path = folder / f"{name}.csv"
        command = [gateway(), "evaluate", "--profile", PROFILE, "--no-bound", "--trace", path, *flags]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        with path.open() as lines:
            return list(csv.DictReader(lines))

    return rows
