"""Says who wins under the rules of pref_voting and VoteKit, for profiles that arrive as JSON on standard input.

A profile is {"ballots": [[order, count], …], "everyOrder": whether to ask for ranked pairs under every order of ties}.
Prints a line of JSON for each: rule → winners, or a lottery; and before them a line of versions.
"""

import importlib.metadata
import json
import sys
import warnings

warnings.filterwarnings("ignore")

from pref_voting.c1_methods import condorcet, copeland, gocha, top_cycle
from pref_voting.margin_based_methods import beat_path, ranked_pairs, split_cycle
from pref_voting.other_methods import kemeny_young
from pref_voting.probabilistic_methods import maximal_lottery
from pref_voting.profiles import Profile
from pref_voting.scoring_methods import borda
from votekit.ballot import RankBallot
from votekit.elections import RankedPairs, Schulze
from votekit.graphs import PairwiseComparisonGraph
from votekit.pref_profile import RankProfile
from votekit.utils import borda_scores


def by_pref_voting(ballots, every_order):
    profile = Profile([order for order, _ in ballots], rcounts=[count for _, count in ballots])
    rules = {
        "borda": borda,
        "copeland": copeland,
        "schulze": beat_path,
        "split-cycle": split_cycle,
        "kemeny": kemeny_young,
        "smith": top_cycle,
        "schwartz": gocha,
    }
    answer = {name: [int(item) for item in rule(profile)] for name, rule in rules.items()}
    if every_order:
        answer["ranked-pairs"] = [int(item) for item in ranked_pairs(profile)]
    lottery = maximal_lottery(profile)
    answer["lottery"] = [float(lottery[item]) for item in range(len(ballots[0][0]))]
    winner = profile.condorcet_winner()
    answer["condorcet"] = [] if winner is None else [int(winner)]
    return answer


def by_votekit(ballots):
    names = "abcdefghij"
    profile = RankProfile(
        ballots=[
            RankBallot(ranking=tuple(frozenset({names[item]}) for item in order), weight=count)
            for order, count in ballots
        ],
        candidates=tuple(names[: len(ballots[0][0])]),
    )
    graph = PairwiseComparisonGraph(profile)
    scores = borda_scores(profile)
    best = max(scores.values())
    indices = lambda items: sorted(names.index(item) for item in items)
    elected = lambda election: indices(item for tier in election.get_elected() for item in tier)
    return {
        "borda": indices(item for item, score in scores.items() if score == best),
        "tiers": [indices(tier) for tier in graph.get_dominating_tiers()],
        "schulze": elected(Schulze(profile, n_seats=1)),
        "ranked-pairs": elected(RankedPairs(profile, n_seats=1)),
    }


versions = {name: importlib.metadata.version(name) for name in ("pref_voting", "votekit")}
print(json.dumps({"Python": sys.version.split()[0], **versions}), flush=True)
for problem in json.load(sys.stdin):
    ballots = problem["ballots"]
    found = {"pref_voting": by_pref_voting(ballots, problem["everyOrder"]), "votekit": by_votekit(ballots)}
    print(json.dumps(found), flush=True)
