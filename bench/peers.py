"""Runs the peers on the problem that arrives as JSON on standard input; prints a line of JSON for each as it ends.

usage: peers.py fit|model|welfare|versions
"""

import importlib.metadata
import json
import sys
import warnings

from peer_models import model
from peer_timing import emit, run_peer
from peer_welfare import welfare

warnings.filterwarnings("ignore")


def fit(problem):
    """Fits rewards to integer columns in memory, with each peer's own methods at its defaults and at a tight tolerance."""
    import numpy as np

    n, limit = problem["items"], problem["limit"]
    winner = np.repeat(np.array(problem["winner"]), problem["times"] or 1)
    loser = np.repeat(np.array(problem["loser"]), problem["times"] or 1)

    def choix_fits():
        import choix

        def matrix():
            return np.bincount(winner * n + loser, minlength=n * n).reshape(n, n).astype(float)

        pairs = list(zip(winner.tolist(), loser.tolist()))
        dense = choix.ilsr_pairwise_dense
        yield "choix ilsr_pairwise_dense, default (1e-8)", lambda: dense(matrix())
        yield "choix ilsr_pairwise_dense, 1e-12", lambda: dense(matrix(), tol=1e-12, max_iter=1000)
        yield "choix ilsr_pairwise, 1e-10", lambda: choix.ilsr_pairwise(n, pairs, tol=1e-10, max_iter=1000)
        yield "choix mm_pairwise, default (1e-8)", lambda: choix.mm_pairwise(n, pairs)
        yield "choix mm_pairwise, 1e-12", lambda: choix.mm_pairwise(n, pairs, tol=1e-12, max_iter=1_000_000)
        for method in ("Newton-CG", "BFGS"):
            yield (
                f"choix opt_pairwise {method}, no penalty, 1e-10",
                lambda method=method: choix.opt_pairwise(n, pairs, alpha=0, method=method, tol=1e-10),
            )

    def evalica_fits():
        import evalica
        import pandas as pd

        index = pd.RangeIndex(n)
        won = [evalica.Winner.X] * len(winner)

        def call(method, **options):
            return lambda: method(winner, loser, won, index=index, **options)

        tight = {"tolerance": 1e-12, "limit": 20_000}
        yield "evalica bradley_terry, default (1e-6)", call(evalica.bradley_terry)
        yield "evalica bradley_terry, 1e-12", call(evalica.bradley_terry, **tight)
        yield "evalica newman, default (1e-6)", call(evalica.newman)
        yield "evalica newman, 1e-12", call(evalica.newman, **tight)

    for name, fits in (("choix", choix_fits), ("evalica", evalica_fits)):
        read = list if name == "choix" else lambda result: np.log(result.scores.sort_index()).tolist()
        try:
            for peer, call in fits():
                run_peer(peer, limit, call, read)
        except ImportError as error:
            emit({"peer": name, "failure": f"not installed: {error}"})


def versions(names):
    found = {"Python": sys.version.split()[0]}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    emit(found)


if __name__ == "__main__":
    {"fit": fit, "model": model, "welfare": welfare, "versions": versions}[sys.argv[1]](json.load(sys.stdin))
