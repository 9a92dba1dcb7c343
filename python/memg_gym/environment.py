"""The microgrid as a Gymnasium environment."""

import copy

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from . import _core
from .arguments import action_space, array, checked, core_seed, observation_space, only, profile_of, site_of, steps_of, view_of


class MicrogridEnv(gymnasium.Env):
    """One microgrid over days of a profile. A step is the site's policy step, 15 minutes at site A.

    Action: battery, CHP and grid wish in [-1, 1] (docs/python.md says in kW what they mean). It passes the safety filter as any request
    does in the gateway. Reward: minus the step's cost in EUR, minus `constraint_weight` EUR for each rule that the action broke before
    the filter, minus `risk_weight` times the excess over the running value at risk of level `risk_alpha`.

    There is no terminal state: `terminated` is always False, the end of an episode is a truncation.

    `info` holds what the step did by the names of `gateway evaluate --trace`, and `clamps`, `explanation`, `violations` (hard limits broken by
    what was written: always 0) and `violations_requested`.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(
        self,
        site="site-a",
        *,
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
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode: expected None or 'ansi', found {render_mode!r}")
        self.render_mode = render_mode
        self.site = site_of(site)
        self.profile = profile_of(profile, self.site)
        view = view_of(observation, forecaster, self.site)
        self._steps = steps_of(episode_days, self.site)
        self._days = int(episode_days)
        weights = (constraint_weight, risk_weight, risk_alpha)
        self._core = _core.Environment(self.site, self.profile, view, month_days, weights)
        self.observation_space = observation_space(view)
        self.action_space = action_space()
        self._is_under_way = False
        self._told = ""

    def reset(self, *, seed=None, options=None):
        """Begins an episode: a random one, or with `options={"day": "2016-01-20"}` one from that day's midnight on, as
        `gateway evaluate` begins a block (SoC 0.5, battery and CHP at rest); `days` and `soc` may stand beside `day`."""
        super().reset(seed=seed)
        options = only(options, ("day", "days", "soc"))
        if "day" in options:
            observation = self._core.reset_at(options["day"], options.get("days", self._days), options.get("soc"))
        elif options:
            raise ValueError(f"options: {next(iter(options))!r} stands without 'day'")
        else:
            observation = self._core.reset_random(core_seed(self.np_random), self._steps)
        self._is_under_way = True
        self._told = f"{self._core.time}: an episode begins at SoC {self._core.soc:.3f}"
        return array(observation), {"time": self._core.time, "soc": self._core.soc}

    def step(self, action):
        """One step with an action of shape (3,)."""
        action = checked(action, (3,))
        self._needs_reset()
        return self._stepped(self._core.step(action.tolist()))

    def step_policy(self, policy):
        """One step decided by a policy of `load_policy`, bit for bit as `gateway evaluate` takes it; returns what `step` does."""
        self._needs_reset()
        return self._stepped(self._core.step_policy(policy))

    def forecast(self, forecaster, hours=36):
        """What a `Forecaster` expects of the hours ahead: an array a quantity, in its unit, the present step first as it is measured."""
        self._needs_reset()
        steps = round(hours / self.site.step_h)
        told = self._core.forecast(forecaster._forecaster, steps)
        return {name: np.array(values) for name, values in told.items()}

    def render(self):
        """The last step in a line, with `render_mode="ansi"`."""
        return self._told if self.render_mode == "ansi" else None

    def _needs_reset(self):
        if not self._is_under_way:
            raise ResetNeeded("no episode is under way: call reset() first")

    def _stepped(self, stepped):
        if stepped is None:
            raise ResetNeeded("the episode is over: call reset() first")
        observation, reward, terminated, truncated, info = stepped
        self._is_under_way = not truncated
        if self.render_mode == "ansi":
            self._told = line(info)
        return array(observation), reward, terminated, truncated, info


def line(info):
    """A step in words."""
    flows = f"battery {info['p_battery_kw']:+.1f} kW, CHP {info['p_chp_kw']:.1f} kW, grid {info['p_grid_kw']:+.1f} kW"
    told = f"{info['time']}: {flows}, SoC {info['soc_after']:.3f}, {info['cost_eur']:.3f} EUR"
    return f"{told}; {info['explanation']}" if info["explanation"] else told


def make(site="site-a", **arguments):
    """A `MicrogridEnv`; arguments are its own. `gymnasium.make("memg_gym:memg_gym/Microgrid-v0", site=…, profile=…)` makes the same with
    Gymnasium's wrappers."""
    env = MicrogridEnv(site, **arguments)
    env.spec = copy.copy(gymnasium.spec("memg_gym/Microgrid-v0"))
    env.spec.kwargs = {"site": site, **arguments}
    return env
