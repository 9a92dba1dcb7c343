"""Judging policies as `gateway evaluate` does."""

import json
import os


from . import _core
from .arguments import array, checked, profile_of, site_of, view_of


class Actor:
    """A function of one's own as a policy: from an observation (float32, one dimension) to three numbers in [-1, 1]. It is asked as the
    gateway asks a network: what can be of its wish is requested, and filtered."""

    def __init__(self, function, *, observation="10d", forecaster=None, name="actor"):
        self.function, self.observation, self.forecaster, self.name = function, observation, forecaster, name

    def _for(self, site):
        def call(data):
            return checked(self.function(array(data)), (3,)).tolist()

        return _core.Actor(self.name, view_of(self.observation, self.forecaster, site), call)


def evaluate(policies, site="site-a", *, profile=None, month_days=None, block_days=None, bound=False):
    """What policies cost on days of a profile. Names and folders as for `load_policy`, or `Actor`s.

    Every block of consecutive days (at most `block_days`) begins at SoC 0.5 with battery and CHP at rest, and is settled for the energy
    left in the battery. Returns a list of dictionaries, one a policy: `cost_eur_per_day`, `violations`, `daily_cost_eur`, …

    With `bound` a dictionary instead: `policies` with the rules before them and each one's `regret_to_rule` (cost above perfect foresight
    over the good rule's), and `optimum`, the proven lower bound.
    """
    site = site_of(site)
    if isinstance(policies, (str, os.PathLike, Actor)):
        policies = [policies]
    asked = [policy._for(site) if isinstance(policy, Actor) else os.fspath(policy) for policy in policies]
    return json.loads(_core.evaluate(site, profile_of(profile, site), asked, month_days, block_days, bool(bound)))
