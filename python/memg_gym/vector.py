"""Many microgrids of one site side by side, stepped in one call."""

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from . import _core
from .arguments import action_space, array, checked, core_seed, observation_space, only, profile_of, site_of, steps_of, view_of


class MicrogridVectorEnv(gymnasium.vector.VectorEnv):
    """`num_envs` times `MicrogridEnv`, each with its own random episodes. A member whose episode is over begins the next one with the
    following step, whose action it ignores (`AutoresetMode.NEXT_STEP`). `infos` hold `cost_eur` of each."""

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        site="site-a",
        *,
        num_envs,
        profile=None,
        observation="10d",
        forecaster=None,
        month_days=None,
        episode_days=1,
        constraint_weight=0.0,
        risk_weight=0.0,
        risk_alpha=0.95,
        render_mode=None,
    ):
        if render_mode is not None:
            raise ValueError(f"render_mode: expected None, found {render_mode!r}")
        if num_envs < 1:
            raise ValueError(f"num_envs: expected at least 1, found {num_envs}")
        self.num_envs, self.render_mode = num_envs, render_mode
        self.site = site_of(site)
        self.profile = profile_of(profile, self.site)
        view = view_of(observation, forecaster, self.site)
        self._steps = steps_of(episode_days, self.site)
        weights = (constraint_weight, risk_weight, risk_alpha)
        self._core = _core.Batch(self.site, self.profile, view, month_days, weights, num_envs)
        self.single_observation_space, self.observation_space = observation_space(view), observation_space(view, num_envs)
        self.single_action_space, self.action_space = action_space(), action_space(num_envs)
        self._over = None

    def reset(self, *, seed=None, options=None):
        """Begins a random episode in each member. `seed`: one number, or one a member, as for `MicrogridEnv`."""
        only(options, ())
        if seed is None or isinstance(seed, (int, np.integer)):
            super().reset(seed=seed)
            seeds = [core_seed(self.np_random) for _ in range(self.num_envs)]
        else:
            if len(seed) != self.num_envs:
                raise ValueError(f"seed: expected one number or {self.num_envs}, found {len(seed)}")
            super().reset(seed=int(seed[0]))
            # A member of a seed begins as a single environment of that seed does.
            seeds = [core_seed(gymnasium.utils.seeding.np_random(int(one))[0]) for one in seed]
        self._over = np.zeros(self.num_envs, dtype=bool)
        return self._observed(self._core.reset(seeds, self._steps)), {}

    def step(self, actions):
        """One step of all, with actions of shape (num_envs, 3)."""
        actions = checked(actions, (self.num_envs, 3))
        if self._over is None:
            raise ResetNeeded("no episode is under way: call reset() first")
        seeds = [core_seed(self.np_random) if over else None for over in self._over]
        observed, rewards, truncated, costs = self._core.step(actions.tolist(), seeds, self._steps)
        self._over = array(truncated, dtype=np.bool_)
        infos = {"cost_eur": array(costs, dtype="f8")}
        terminated = np.zeros(self.num_envs, dtype=bool)
        return self._observed(observed), array(rewards, dtype="f8"), terminated, self._over.copy(), infos

    def _observed(self, data):
        return array(data, shape=self.observation_space.shape)


def make_vec(site="site-a", *, num_envs, **arguments):
    """A `MicrogridVectorEnv`; arguments are its own."""
    return MicrogridVectorEnv(site, num_envs=num_envs, **arguments)
