"""Microgrids behind one transformer, as a PettingZoo parallel environment."""

import warnings

import gymnasium
from gymnasium.error import ResetNeeded
from pettingzoo import ParallelEnv

from . import _core
from .arguments import action_space, array, checked, core_seed, observation_space, profile_of, site_of, steps_of, view_of


class CommunityEnv(ParallelEnv):
    """Sites that may together import and export no more than a cap. Each agent sees its own site alone.

    Every step each site's filter gets a share of the cap as its limit from outside; shares never sum to more than the cap, so it holds
    whatever agents ask for. What they want comes first; where that does not fit, what they cannot do without, and then equal fractions
    (docs/python.md). In the end a filter sheds load: `unserved_kw` in the infos, at 10 EUR/kWh at site A.

    An agent's reward is that of `MicrogridEnv` for its own site, with its own exchange at its own tariff. `infos[agent]` hold what its step did,
    `share_import_kw` and `share_export_kw`, and the net exchange of all, `community_grid_kw` (+ = importing).
    """

    metadata = {"name": "memg_community_v0", "render_modes": []}

    def __init__(
        self,
        sites="site-a",
        *,
        profiles=None,
        profile=None,
        agents=None,
        cap_share=None,
        cap_kw=None,
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
        self.render_mode = render_mode
        self.sites, self.profiles = members(sites, profile, profiles, agents)
        self.possible_agents = [f"site_{number}" for number in range(len(self.sites))]
        self.agents = []
        views = [view_of(observation, forecaster, site) for site in self.sites]
        self._steps = steps_of(episode_days, self.sites[0])
        self._days = int(episode_days)
        weights = (constraint_weight, risk_weight, risk_alpha)
        self._core = _core.Community(self.sites, self.profiles, views, month_days, weights, cap_share, cap_kw)
        self.cap_kw = self._core.cap_kw
        self.observation_spaces = {agent: observation_space(view) for agent, view in zip(self.possible_agents, views)}
        self.action_spaces = {agent: action_space() for agent in self.possible_agents}
        self._np_random = None

    def observation_space(self, agent):
        """The same object each time, as PettingZoo asks for."""
        return self.observation_spaces[agent]

    def action_space(self, agent):
        """Battery, CHP and grid wish in [-1, 1]."""
        return self.action_spaces[agent]

    def reset(self, seed=None, options=None):
        """Begins an episode of all at the same time: a random one, or with `options={"day": "2016-01-20"}` from that midnight on."""
        options = {name: value for name, value in (options or {}).items() if is_known(name)}
        if seed is not None or self._np_random is None:
            self._np_random, _ = gymnasium.utils.seeding.np_random(seed)
        if "day" in options:
            observed = self._core.reset_at(options["day"], options.get("days", self._days))
        elif options:
            raise ValueError("options: 'days' stands without 'day'")
        else:
            observed = self._core.reset_random(core_seed(self._np_random), self._steps)
        self.agents = list(self.possible_agents)
        return self._by_agent(map(array, observed)), {agent: {} for agent in self.agents}

    def step(self, actions):
        """One step with an action of every agent."""
        if not self.agents:
            raise ResetNeeded("no episode is under way: call reset() first")
        if set(actions) != set(self.agents):
            raise ValueError(f"actions: expected one of each of {', '.join(self.agents)}, found {', '.join(map(str, actions))}")
        stepped = self._core.step([checked(actions[agent], (3,)).tolist() for agent in self.agents])
        if stepped is None:
            raise ResetNeeded("the episode is over: call reset() first")
        sites, exchange = stepped
        observed, rewards, truncated, infos = zip(*sites)
        for info in infos:
            info["community_grid_kw"] = exchange
        told = (map(array, observed), rewards, [False] * len(sites), truncated, infos)
        told = tuple(self._by_agent(values) for values in told)
        if any(truncated):
            self.agents = []
        return told

    def _by_agent(self, values):
        return dict(zip(self.possible_agents, values))


def is_known(option):
    """Told and left out if it is not: PettingZoo's own test resets with an option that nobody knows."""
    if option not in ("day", "days"):
        warnings.warn(f"options: {option!r} is unknown and left out; expected day, days", stacklevel=3)
        return False
    return True


def members(sites, profile, profiles, agents):
    """Sites and their profiles. One site may stand for `agents` of them, one profile for all."""
    if isinstance(sites, (list, tuple)):
        if agents is not None and agents != len(sites):
            raise ValueError(f"agents: expected {len(sites)}, one a site, found {agents}")
        sites = [site_of(site) for site in sites]
    else:
        count = agents if agents is not None else len(profiles) if profiles is not None else 4
        if count < 1:
            raise ValueError(f"agents: expected at least 1, found {count}")
        sites = [site_of(sites)] * count
    if (profile is None) == (profiles is None):
        raise TypeError("expected either profile (one for all sites) or profiles (one a site)")
    if profiles is None:
        profiles = [profile] * len(sites)
    if len(profiles) != len(sites) or not sites:
        raise ValueError(f"profiles: expected {len(sites)}, one a site, found {len(profiles)}")
    return sites, [profile_of(profile, site) for profile, site in zip(profiles, sites)]


def parallel_env(sites="site-a", **arguments):
    """A `CommunityEnv`; arguments are its own."""
    return CommunityEnv(sites, **arguments)
