"""The microgrid of memg-gateway for reinforcement learning.

`make` gives a Gymnasium environment, `make_vec` many of them side by side, `parallel_env` a community of sites behind one transformer
for PettingZoo. `load_model`, `load_policy`, `Forecaster` and `SafetyFilter` are what a gateway decides with; `evaluate` judges any of
them, and any function of one's own, as `gateway evaluate` does.

Powers are kW, + = charging the battery, + = importing from the grid; costs are EUR. Every action passes the gateway's safety filter.
"""

import gymnasium

from ._core import Profile, SafetyFilter, Site
from .community import CommunityEnv, parallel_env
from .environment import MicrogridEnv, make
from .evaluation import Actor, evaluate
from .models import Forecaster, Model, load_model, load_policy
from .vector import MicrogridVectorEnv, make_vec

__all__ = [
    "Actor",
    "CommunityEnv",
    "Forecaster",
    "MicrogridEnv",
    "MicrogridVectorEnv",
    "Model",
    "Profile",
    "SafetyFilter",
    "Site",
    "evaluate",
    "load_model",
    "load_policy",
    "make",
    "make_vec",
    "parallel_env",
]

gymnasium.register(
    id="memg_gym/Microgrid-v0",
    entry_point="memg_gym.environment:MicrogridEnv",
    vector_entry_point="memg_gym.vector:MicrogridVectorEnv",
)
