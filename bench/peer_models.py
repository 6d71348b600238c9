"""The models of the fit, as packages of Python have them or as their regressions can be made to be them.

Bradley–Terry is a logistic regression on the differences of items, its position effect one more column, a Gaussian prior
a ridge; Davidson's ties make it a log-linear Poisson model with a nuisance parameter for each pair. What is prepared
beforehand (the design matrix, lists of pairs) is not timed.

Every peer yields (name, call, read, remark): `read` turns what the call returns into the numbers that all are compared by,
rewards with mean zero and then what else the model has; the remark says where a peer's model is another one.
"""

from peer_timing import emit, run_peer


def model(problem):
    """Runs the peers of one model."""
    for package, peers in PEERS[problem["model"]]:
        try:
            for name, call, read, remark in peers(problem):
                run_peer(name, problem["limit"], call, read, remark)
        except ImportError as error:
            emit({"peer": package, "failure": f"not installed: {error}"})


def columns(problem):
    import numpy as np

    names = ("winner", "loser", "tie", "first", "count", "annotator")
    return problem["items"], {name: np.array(problem["games"][name]) for name in names}


def oriented(problem):
    """Items i < j of each row, whether i won, and whether i was shown first (±1, or 0)."""
    import numpy as np

    n, rows = columns(problem)
    i = np.minimum(rows["winner"], rows["loser"])
    j = np.maximum(rows["winner"], rows["loser"])
    won = (rows["winner"] == i).astype(float)
    return n, i, j, won, np.where(won == 1, rows["first"], -rows["first"]), rows


def design(problem, drop_last):
    """The logistic regression: X (rows × parameters), y and counts. Ungrounded unless the last item is left out."""
    import numpy as np

    n, i, j, won, first, rows = oriented(problem)
    x = np.zeros((len(i), n))
    x[np.arange(len(i)), i] += 1
    x[np.arange(len(i)), j] -= 1
    x = x[:, : n - 1] if drop_last else x
    if first.any():
        x = np.column_stack([x, first])
    return np.ascontiguousarray(x), won, rows["count"].astype(float)


def by_pair(problem):
    """The same with one row a pair and order: X and (wins, losses)."""
    import numpy as np

    x, won, count = design(problem, True)
    unique, at = np.unique(x, axis=0, return_inverse=True)
    at = at.reshape(-1)
    wins = np.bincount(at, weights=count * won, minlength=len(unique))
    losses = np.bincount(at, weights=count * (1 - won), minlength=len(unique))
    return unique, np.column_stack([wins, losses])


def centred(n):
    """Reads n − 1 coefficients against the last item, and whatever follows them."""
    import numpy as np

    def read(coefficients):
        coefficients = np.asarray(coefficients, dtype=float).reshape(-1)
        rewards = np.append(coefficients[: n - 1], 0)
        return [*(rewards - rewards.mean()), *coefficients[n - 1 :]]

    return read


def all_centred(values):
    import numpy as np

    return (np.asarray(values) - np.mean(values)).tolist()


def expanded(problem):
    """Single comparisons, for peers that take no counts."""
    import numpy as np

    _, rows = columns(problem)
    return [
        (int(w), int(l))
        for w, l in zip(np.repeat(rows["winner"], rows["count"]), np.repeat(rows["loser"], rows["count"]))
    ]


def sklearn_fit(x, y, weight, penalty, tolerance, solver="newton-cholesky"):
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    options = {"C": np.inf if penalty is None else penalty, "fit_intercept": False, "max_iter": 10_000}
    regression = LogisticRegression(solver=solver, **options, **({} if tolerance is None else {"tol": tolerance}))
    return lambda: regression.fit(x, y, sample_weight=weight)


def sklearn_peers(problem):
    n = problem["items"]
    x, y, weight = design(problem, True)
    read = centred(n)
    for label, tolerance in (("default (1e-4)", None), ("1e-10", 1e-10)):
        for solver in ("newton-cholesky", "lbfgs"):
            call = sklearn_fit(x, y, weight, None, tolerance, solver)
            yield f"scikit-learn LogisticRegression {solver}, {label}", call, lambda r: read(r.coef_), None


def sklearn_ridge(problem):
    x, y, weight = design(problem, False)
    penalty = problem["standardDeviation"] ** 2
    for label, tolerance in (("default (1e-4)", None), ("1e-10", 1e-10)):
        call = sklearn_fit(x, y, weight, penalty, tolerance)
        name = f"scikit-learn LogisticRegression newton-cholesky, ridge, {label}"
        yield name, call, lambda r: all_centred(r.coef_[0]), None


def statsmodels_glm(problem):
    import statsmodels.api as sm

    x, outcome = by_pair(problem)
    for label, options in (("default (1e-8)", {}), ("1e-14", {"tol": 1e-14})):
        yield (
            f"statsmodels GLM, binomial, {label}",
            lambda options=options: sm.GLM(outcome, x, family=sm.families.Binomial()).fit(**options),
            lambda r: centred(problem["items"])(r.params),
            None,
        )


def choix_gaussian(problem):
    import choix

    n = problem["items"]
    pairs = expanded(problem)
    variance = problem["standardDeviation"] ** 2
    # The penalty is α‖θ‖², so that α = 1/(2σ²) is the normal prior of variance σ².
    for method in ("Newton-CG", "BFGS"):
        yield (
            f"choix opt_pairwise {method}, 1e-10",
            lambda method=method: choix.opt_pairwise(n, pairs, alpha=0.5 / variance, method=method, tol=1e-10),
            all_centred,
            None,
        )
    yield (
        "choix ep_pairwise",
        lambda: choix.ep_pairwise(n, pairs, 1 / variance)[0],
        all_centred,
        "another estimate: the mean of an approximate posterior",
    )


def with_phantom(problem):
    """The problem with k wins and k losses of every item against one more item."""
    n, games = problem["items"], problem["games"]
    extra = {
        "winner": [*range(n), *[n] * n],
        "loser": [*[n] * n, *range(n)],
        "tie": [0] * 2 * n,
        "first": [0] * 2 * n,
        "annotator": [0] * 2 * n,
        "count": [problem["strength"]] * 2 * n,
    }
    return {**problem, "items": n + 1, "games": {name: [*games[name], *extra[name]] for name in extra}}


def choix_pseudo_item(problem):
    import choix
    import numpy as np

    n, rows = columns(with_phantom(problem))

    def call(**options):
        matrix = np.zeros((n, n))
        np.add.at(matrix, (rows["winner"], rows["loser"]), rows["count"])
        return choix.ilsr_pairwise_dense(matrix, **options)

    read = lambda values: all_centred(np.asarray(values)[:-1])
    yield "choix ilsr_pairwise_dense, phantom item, default (1e-8)", call, read, None
    yield (
        "choix ilsr_pairwise_dense, phantom item, 1e-12",
        lambda: call(tol=1e-12, max_iter=1000),
        read,
        None,
    )


def without_phantom(peers):
    """Peers on the problem with the phantom item, whose reward is dropped."""

    def run(problem):
        for name, call, read, remark in peers(with_phantom(problem)):
            yield name, call, lambda r, read=read: all_centred(read(r)[:-1]), remark

    return run


def firthmodels_peers(problem):
    from firthmodels import FirthLogisticRegression

    x, y, weight = design(problem, True)
    read = centred(problem["items"])
    for backend in ("numba", "numpy"):
        for label, tolerance in (("default (1e-4)", {}), ("1e-10", {"gtol": 1e-10, "xtol": 1e-10, "max_iter": 1000})):
            regression = FirthLogisticRegression(backend=backend, fit_intercept=False, **tolerance)
            yield (
                f"firthmodels, {backend}, {label}",
                lambda regression=regression: regression.fit(x, y, sample_weight=weight),
                lambda r: read(r.coef_),
                None,
            )


def evalica_ties(problem):
    import evalica
    import numpy as np
    import pandas as pd

    n, rows = columns(problem)
    outcomes = [evalica.Winner.Draw if tie else evalica.Winner.X for tie in rows["tie"]]
    weights = None if (rows["count"] == 1).all() else rows["count"].astype(float).tolist()
    index = pd.RangeIndex(n)

    def call(**options):
        return evalica.newman(rows["winner"], rows["loser"], outcomes, index=index, weights=weights, **options)

    def read(result):
        # Its ν is half of Davidson's.
        return [*all_centred(np.log(result.scores.sort_index())), np.log(2 * result.v)]

    yield "evalica newman, default (1e-6)", call, read, None
    yield "evalica newman, 1e-12", lambda: call(tolerance=1e-12, limit=20_000), read, None


def log_linear(problem):
    """Davidson's model as a Poisson regression: three outcomes for each pair and order, and a parameter for each of them."""
    import numpy as np

    n, i, j, won, first, rows = oriented(problem)
    cells = np.column_stack([i, j, first])
    pairs, at = np.unique(cells, axis=0, return_inverse=True)
    at = at.reshape(-1)
    outcome = np.where(rows["tie"] == 1, 2, 1 - won).astype(int)
    y = np.zeros((len(pairs), 3))
    np.add.at(y, (at, outcome), rows["count"])
    half = np.zeros((len(pairs), n))
    half[np.arange(len(pairs)), pairs[:, 0]] = 0.5
    half[np.arange(len(pairs)), pairs[:, 1]] = -0.5
    half = half[:, : n - 1]
    extra = pairs[:, 2:3] / 2
    blocks = [
        np.hstack([sign * half, np.full((len(pairs), 1), float(sign == 0)), sign * extra, np.eye(len(pairs))])
        for sign in (1, -1, 0)
    ]
    x = np.vstack(blocks)
    positions = bool(first.any())
    x = x if positions else np.delete(x, n, axis=1)
    return x, y.T.reshape(-1), n + 1 if positions else n


def statsmodels_log_linear(problem):
    import statsmodels.api as sm

    x, y, kept = log_linear(problem)
    yield (
        "statsmodels GLM, Poisson with a parameter a pair",
        lambda: sm.GLM(y, x, family=sm.families.Poisson()).fit(),
        lambda r: centred(problem["items"])(r.params[:kept]),
        None,
    )


def errors_of(n):
    """Standard errors in the gauge where rewards sum to zero, from a covariance against the last item."""
    import numpy as np

    def read(covariance):
        centring = np.eye(n)[:, : n - 1] - 1 / n
        return np.sqrt(np.diag(centring @ np.asarray(covariance)[: n - 1, : n - 1] @ centring.T)).tolist()

    return read


def statsmodels_fisher(problem):
    import statsmodels.api as sm

    x, outcome = by_pair(problem)
    yield (
        "statsmodels GLM, binomial, 1e-14",
        lambda: sm.GLM(outcome, x, family=sm.families.Binomial()).fit(tol=1e-14).cov_params(),
        errors_of(problem["items"]),
        None,
    )


def statsmodels_robust(problem):
    """The sandwich of single comparisons: statsmodels takes no counts for one, so it gets every comparison."""
    import numpy as np
    import statsmodels.api as sm

    x, y, weight = design(problem, True)
    count = weight.astype(int)
    x, y = np.repeat(x, count, axis=0), np.repeat(y, count)
    annotator = np.repeat(columns(problem)[1]["annotator"], count)
    if problem["model"] == "clustered":
        # A correction for the number of clusters is another convention.
        options = {
            "cov_type": "cluster",
            "cov_kwds": {"groups": annotator, "use_correction": False, "df_correction": False},
        }
    else:
        options = {"cov_type": "HC0"}
    for name, regress in (
        ("GLM, binomial", lambda: sm.GLM(y, x, family=sm.families.Binomial()).fit(tol=1e-14, **options)),
        ("Logit", lambda: sm.Logit(y, x).fit(disp=0, method="newton", tol=1e-12, **options)),
    ):
        yield (
            f"statsmodels {name}, {options['cov_type']}",
            lambda regress=regress: regress().cov_params(),
            errors_of(problem["items"]),
            None,
        )


def choix_rankings(problem):
    import choix

    n, rankings = problem["items"], problem["rankings"]
    yield "choix ilsr_rankings, default (1e-8)", lambda: choix.ilsr_rankings(n, rankings), all_centred, None
    yield (
        "choix ilsr_rankings, 1e-11",
        lambda: choix.ilsr_rankings(n, rankings, tol=1e-11, max_iter=1000),
        all_centred,
        None,
    )
    yield (
        "choix mm_rankings, 1e-11",
        lambda: choix.mm_rankings(n, rankings, tol=1e-11, max_iter=100_000),
        all_centred,
        None,
    )
    yield (
        "choix opt_rankings Newton-CG, no penalty, 1e-10",
        lambda: choix.opt_rankings(n, rankings, alpha=0, method="Newton-CG", tol=1e-10),
        all_centred,
        None,
    )


def differences(problem):
    """Feature differences with half of the rows turned round, since a regression needs both outcomes."""
    import numpy as np

    x = np.array(problem["differences"])
    y = np.arange(len(x)) % 2
    return np.ascontiguousarray(x * np.where(y == 1, 1, -1)[:, None]), y.astype(float)


def sklearn_linear(problem):
    x, y = differences(problem)
    for label, tolerance in (("default (1e-4)", None), ("1e-10", 1e-10)):
        for solver in ("newton-cholesky", "lbfgs"):
            call = sklearn_fit(x, y, None, None, tolerance, solver)
            name = f"scikit-learn LogisticRegression {solver}, {label}"
            yield name, call, lambda r: r.coef_[0].tolist(), None


def statsmodels_linear(problem):
    import statsmodels.api as sm

    x, y = differences(problem)
    yield (
        "statsmodels Logit, Newton",
        lambda: sm.Logit(y, x).fit(disp=0, method="newton", tol=1e-12),
        lambda r: r.params.tolist(),
        None,
    )
    yield (
        "statsmodels GLM, binomial, default (1e-8)",
        lambda: sm.GLM(y, x, family=sm.families.Binomial()).fit(),
        lambda r: r.params.tolist(),
        None,
    )


def crowd_kit(problem):
    import numpy as np
    import pandas as pd
    from crowdkit.aggregation import NoisyBradleyTerry

    n, rows = columns(problem)
    won, lost, judge = (np.repeat(rows[name], rows["count"]) for name in ("winner", "loser", "annotator"))
    turned = np.arange(len(won)) % 2 == 1
    frame = pd.DataFrame(
        {
            "worker": judge,
            "left": np.where(turned, lost, won),
            "right": np.where(turned, won, lost),
            "label": won,
        }
    )

    def read(scores):
        scores = scores.reindex(range(n)).to_numpy()
        return all_centred(np.log(scores / (1 - scores)))

    yield (
        "crowd-kit NoisyBradleyTerry, default",
        lambda: NoisyBradleyTerry().fit_predict(frame),
        read,
        "another model: a careless annotator picks left or right by habit, where Crowd-BT's says the opposite",
    )


PEERS = {
    "davidson": [("evalica", evalica_ties)],
    "position": [("scikit-learn", sklearn_peers), ("statsmodels", statsmodels_glm)],
    "davidson-position": [("statsmodels", statsmodels_log_linear)],
    "gaussian": [("choix", choix_gaussian), ("scikit-learn", sklearn_ridge)],
    "pseudo-item": [
        ("choix", choix_pseudo_item),
        ("scikit-learn", without_phantom(sklearn_peers)),
        ("statsmodels", without_phantom(statsmodels_glm)),
    ],
    "firth": [("firthmodels", firthmodels_peers)],
    "fisher": [("statsmodels", statsmodels_fisher)],
    "sandwich": [("statsmodels", statsmodels_robust)],
    "clustered": [("statsmodels", statsmodels_robust)],
    "rankings": [("choix", choix_rankings)],
    "linear": [("scikit-learn", sklearn_linear), ("statsmodels", statsmodels_linear)],
    "reliability": [("crowd-kit", crowd_kit)],
}
