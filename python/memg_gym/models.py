"""Model folders, policies and forecasters of the gateway."""

import os

import numpy as np

from . import _core
from .arguments import array, site_of


class Model:
    """A network from a model folder. It has proven itself as in the gateway: hashes, shapes, golden outputs."""

    def __init__(self, path):
        self._model = _core.Model(os.fspath(path))

    def __deepcopy__(self, memo):
        """It never changes: a copy is the same (Gymnasium copies the arguments of environments)."""
        return self

    @property
    def name(self):
        """Short name, as in journals and tables."""
        return self._model.name

    @property
    def schema(self):
        """What it sees, such as memg-extended/2."""
        return self._model.schema

    @property
    def manifest(self):
        """The text of its model.toml: how it was made and what it is worth."""
        return self._model.manifest

    def act(self, observation):
        """What it asks for: three numbers in [-1, 1], for an observation or a batch of them (one a row)."""
        observation = np.asarray(observation, dtype=np.float32)
        if observation.ndim not in (1, 2) or observation.shape[-1] != self._model.length:
            raise ValueError(f"observation: expected {self._model.length} numbers ({self.schema}), found shape {observation.shape}")
        if not np.isfinite(observation).all():
            raise ValueError("observation: expected finite numbers")
        return array(self._model.act(observation.ravel().tolist()), shape=(*observation.shape[:-1], 3))


class Forecaster:
    """Guesses the hours ahead: "persistence", a planner's folder such as models/plan, or that of an actor that sees forecasts."""

    def __init__(self, source="persistence", *, site="site-a"):
        self._forecaster = _core.Forecaster(os.fspath(source), site_of(site))

    def __deepcopy__(self, memo):
        """It never changes either."""
        return self

    @property
    def name(self):
        """Short name."""
        return self._forecaster.name


def load_model(path):
    """The network of a model folder. `ort:` and `candle:` before it are not in this package: a graph of other layers than three dense
    ones runs in the gateway and in the Python package onnxruntime."""
    return Model(path)


def load_policy(policy, site="site-a"):
    """Who decides, for `MicrogridEnv.step_policy`: idle, seed, rule, plan (plans 36 hours ahead on persistence forecasts), a planner's
    folder (models/plan), or a model folder with the guard that the gateway puts around it. `policy.plan` tells the last plan, by the hour
    and why."""
    return _core.Policy(os.fspath(policy), site_of(site))
