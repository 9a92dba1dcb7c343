"""Sites behind one transformer: PettingZoo's contract, and the cap that holds whatever agents ask for."""

import warnings

import numpy as np
import pytest
from conftest import PROFILE
from gymnasium.error import ResetNeeded
from pettingzoo.test import parallel_api_test

import memg_gym

SITE = memg_gym.Site("site-a")


def synthetic(days=3, count=4):
    return [memg_gym.Profile.synthetic(days, seed, SITE) for seed in range(1, count + 1)]


@pytest.mark.filterwarnings("ignore:options")
def test_pettingzoos_test_is_content():
    parallel_api_test(memg_gym.parallel_env("site-a", profile=PROFILE, cap_share=0.3), num_cycles=300)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_cap_holds_in_every_step_whatever_agents_ask_for(share):
    env = memg_gym.parallel_env("site-a", profiles=synthetic(), cap_share=share, episode_days=3)
    imported, exported = env.cap_kw
    assert (imported, exported) == (400 * share, 320 * share)
    env.reset(options={"day": "2016-01-01"})
    wild, at_cap, steps = np.random.default_rng(1), 0, 0
    while env.agents:
        # A battery needs some steps to its full power; every other time all want to charge.
        if steps % 12 == 0:
            wishes = [wild.choice([-1.0, 1.0, 0.3], 3) if steps % 24 else np.array([1.0, -1.0, 1.0]) for _ in env.agents]
            actions = dict(zip(env.agents, wishes))
        _, _, _, _, infos = env.step(actions)
        steps += 1
        infos = list(infos.values())
        net = infos[0]["community_grid_kw"]
        assert net == pytest.approx(sum(info["p_grid_kw"] for info in infos), abs=1e-9)
        assert -exported - 1e-6 <= net <= imported + 1e-6
        assert sum(info["share_import_kw"] for info in infos) <= imported + 1e-9
        assert sum(info["share_export_kw"] for info in infos) <= exported + 1e-9
        assert all(info["violations"] == 0 for info in infos)
        at_cap += net > imported - 0.1
    assert at_cap > 0, "a cap that never binds shows nothing"


def test_a_cap_that_is_never_reached_leaves_each_site_alone():
    profiles = synthetic(1, 2)
    env = memg_gym.parallel_env("site-a", profiles=profiles, cap_share=1.0)
    alone = [memg_gym.make("site-a", profile=profile) for profile in profiles]
    env.reset(options={"day": "2016-01-01"})
    for one in alone:
        one.reset(options={"day": "2016-01-01"})
    wild = np.random.default_rng(2)
    while env.agents:
        actions = {agent: wild.uniform(-1, 1, 3) for agent in env.agents}
        seen, rewards, _, _, _ = env.step(actions)
        each = [one.step(action) for one, action in zip(alone, actions.values())]
        assert [list(one) for one in seen.values()] == [list(one[0]) for one in each]
        assert list(rewards.values()) == [one[1] for one in each]


def test_the_same_seed_gives_the_same_episode_at_one_time_for_all():
    def begun(seed):
        env = memg_gym.parallel_env("site-a", profiles=synthetic(5), cap_kw=(120, 96))
        env.reset(seed=seed)
        actions = {agent: np.zeros(3) for agent in env.agents}
        told = [env.step(actions) for _ in range(5)]
        assert all(len({info["time"] for info in infos.values()}) == 1 for *_, infos in told)
        return [list(rewards.values()) for _, rewards, *_ in told]

    assert begun(1) == begun(1) != begun(2)


def test_sites_may_differ_and_all_end_together():
    sites = ["site-a", "battery-only", "pv-battery"]
    env = memg_gym.parallel_env(sites, profile=PROFILE, cap_share=0.4)
    env.reset(seed=1)
    for _ in range(95):
        env.step({agent: np.zeros(3) for agent in env.agents})
    assert env.agents == ["site_0", "site_1", "site_2"]
    _, _, terminated, truncated, _ = env.step({agent: np.zeros(3) for agent in env.agents})
    assert all(truncated.values()) and not any(terminated.values()) and env.agents == []
    with pytest.raises(ResetNeeded):
        env.step({})


def test_communities_that_cannot_be_are_refused():
    short = [memg_gym.Profile.synthetic(days, 1, SITE) for days in (2, 3)]
    cases = [
        ({"profile": PROFILE}, ValueError, "either cap_share or cap_kw"),
        ({"profile": PROFILE, "cap_share": 0.3, "cap_kw": (1, 1)}, ValueError, "either cap_share or cap_kw"),
        ({"profile": PROFILE, "cap_share": 1.3}, ValueError, "cap_share: expected"),
        ({"profile": PROFILE, "cap_kw": (-1, 0)}, ValueError, "cap_kw: expected"),
        ({"profile": PROFILE, "cap_kw": (float("nan"), 0)}, ValueError, "cap_kw: expected"),
        ({"profiles": short, "cap_share": 0.3}, ValueError, "the profile of site 1 holds other days"),
        ({"profiles": short, "agents": 3, "cap_share": 0.3}, ValueError, "profiles: expected 3"),
        ({"cap_share": 0.3}, TypeError, "either profile"),
        ({"profile": PROFILE, "agents": 0, "cap_share": 0.3}, ValueError, "agents: expected"),
    ]
    for arguments, error, words in cases:
        with pytest.raises(error, match=words):
            memg_gym.parallel_env("site-a", **arguments)
    env = memg_gym.parallel_env("site-a", profile=PROFILE, agents=2, cap_share=0.3)
    env.reset(seed=1)
    with pytest.raises(ValueError, match="expected one of each of site_0, site_1"):
        env.step({"site_0": np.zeros(3)})
    with pytest.raises(ValueError, match="finite"):
        env.step({"site_0": np.zeros(3), "site_1": np.full(3, np.nan)})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        env.reset(options={"dya": "2016-01-20"})
    assert "'dya' is unknown" in str(told[0].message)
