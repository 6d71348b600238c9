"""Solves welfare problems with cvxpy: one problem in JSON on each line of standard input, one policy on each line of output.

A problem has columns, each an item in a context: utilities U (groups × columns), the reference P0 and the policy P, whose
blocks sum to the weights of their contexts, costs C and limits. Every welfare function is written from its definition, and
so that cvxpy needs no rational approximation of exponents or weights: power means as power cones, Nash as relative entropy.
"""

import itertools
import json
import sys
import warnings

import cvxpy as cp
import numpy as np

warnings.filterwarnings("ignore")

# What a stage of a lexicographic order may lose to the stages after it.
SLACK = 1e-8


class Failure(Exception):
    pass


def optimum(objective, constraints):
    problem = cp.Problem(cp.Maximize(objective), constraints)
    problem.solve()
    # Whoever asks puts the policy into the objective, and sees how accurate it is.
    if problem.status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        return problem.value
    if problem.status in (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE):
        raise Failure("infeasible")
    raise Failure(problem.status)


def power_mean(x, n, exponent):
    """t at most the power mean, with the constraints that say so."""
    t = cp.Variable(nonneg=True)
    if exponent == 1:
        return n @ x, []
    if exponent == 0:
        return t, [cp.sum(cp.multiply(n, cp.rel_entr(t * np.ones(len(n)), x))) <= 0]
    s = cp.Variable(len(n))
    copies = t * np.ones(len(n))
    if exponent > 0:
        # s ≤ x^ρ t^(1−ρ)
        return t, [cp.PowCone3D(x, copies, s, exponent * np.ones(len(n))), n @ s >= t]
    # s ≥ t (x/t)^ρ
    share = 1 / (1 - exponent)
    return t, [cp.PowCone3D(s, x, copies, share * np.ones(len(n))), n @ s <= t]


def rank_dependent(x, n, curve):
    """The least over all orders of the groups of what their ranks make of them."""
    t = cp.Variable()
    rows = []
    for order in itertools.permutations(range(len(n))):
        below = np.concatenate([[0], np.cumsum(n[list(order)])])
        row = np.zeros(len(n))
        row[list(order)] = np.diff([curve(min(1, share)) for share in below])
        rows.append(row)
    return t, [np.array(rows) @ x >= t]


def gini_curve(welfare):
    if "parameter" in welfare:
        return lambda share: 1 - (1 - share) ** welfare["parameter"]
    weights = np.array(welfare["weights"], dtype=float)
    sums = np.concatenate([[0], np.cumsum(weights / weights.sum())])
    return lambda share: np.interp(share, np.linspace(0, 1, len(sums)), sums)


def custom(x, n, expression):
    if expression == "min(x)":
        return cp.min(x), []
    if expression == "geomean(x)":
        return power_mean(x, n, 0)
    if expression == "powermean(x, -2)":
        return power_mean(x, n, -2)
    if expression == "sum(n .* x) + 2 * min(x)":
        return n @ x + 2 * cp.min(x), []
    if expression == "0.5 * mean(x) + 0.5 * min(x)":
        return (n @ x + cp.min(x)) / 2, []
    if expression == 'x["group 00"] + 2 * min(x)':
        return x[0] + 2 * cp.min(x), []
    if expression == "min(mean(x), 2 * min(x))":
        return cp.minimum(n @ x, 2 * cp.min(x)), []
    if expression == "sum(n .* min(x, 2 * x + 1))":
        return n @ cp.minimum(x, 2 * x + 1), []
    if expression == "sqrt(mean(x)) + sqrt(min(x))":
        return cp.sqrt(n @ x) + cp.sqrt(cp.min(x)), []
    if expression == "sum(n .* sqrt(x))":
        return n @ cp.sqrt(x), []
    if expression == "sum(n .* log(x))":
        return n @ cp.log(x), []
    raise Failure("an expression that is not known here")


def welfare_of(problem, x, n, bests):
    """W(x) and what it needs besides."""
    welfare = problem["welfare"]
    function = welfare["function"]
    if function == "utilitarian":
        return n @ x, []
    if function == "nash":
        return power_mean(x, n, 0)
    if function == "power-mean":
        return power_mean(x, n, welfare["exponent"])
    if function in ("maximin", "leximin"):
        return cp.min(x), []
    if function == "kolm-pollak":
        kappa = welfare["kappa"]
        return -cp.log_sum_exp(-kappa * x + np.log(n)) / kappa, []
    if function == "cvar":
        z = cp.Variable()
        return z - n @ cp.pos(z - x) / welfare["alpha"], []
    if function == "generalised-gini":
        return rank_dependent(x, n, gini_curve(welfare))
    if function == "kalai-smorodinsky":
        return cp.min(x / bests), []
    if function == "relative-utilitarian":
        return (n / np.array(problem["ranges"])) @ x, []
    if function == "custom":
        return custom(x, n, welfare["expression"])
    raise Failure("a function that is not known here")


def lexicographic(x, feasible, scale, policy):
    """The lexicographic maximum of x / scale, by one linear program a stage and one for each group that may be fixed."""
    groups = len(scale)
    fixed = {}
    t = cp.Variable()
    while len(fixed) < groups:
        free = [g for g in range(groups) if g not in fixed]
        held = feasible + [x[g] / scale[g] >= level - SLACK for g, level in fixed.items()]
        level = optimum(t, held + [x[g] / scale[g] >= t for g in free])
        held += [x[g] / scale[g] >= level - SLACK for g in free]
        stuck = [g for g in free if optimum(x[g] / scale[g], held) <= level + 1e-6]
        if not stuck:
            raise Failure("no group is stuck")
        fixed.update({g: level for g in stuck})
    # A policy that gives all groups what they have been found to get.
    optimum(0, feasible + [x[g] / scale[g] >= level - 10 * SLACK for g, level in fixed.items()])
    return policy.value


def solve(problem):
    utilities = np.array(problem["utilities"])
    n = np.array(problem["population"])
    reference = np.array(problem["reference"])
    beta = problem["temperature"]
    columns = utilities.shape[1]
    policy = cp.Variable(columns, nonneg=True)
    x = utilities @ policy
    starts = np.concatenate([[0], np.cumsum(problem["sizes"])])
    feasible = [
        cp.sum(policy[start:end]) == weight
        for start, end, weight in zip(starts[:-1], starts[1:], problem["weights"])
    ]
    if problem["costs"]:
        feasible.append(np.array(problem["costs"]) @ policy <= np.array(problem["limits"]))

    function = problem["welfare"]["function"]
    bests = None
    if function == "kalai-smorodinsky":
        gains = feasible + [x >= 0]
        bests = np.array([optimum(x[g], gains) for g in range(len(n))])
    if beta == 0 and function in ("leximin", "kalai-smorodinsky"):
        return lexicographic(x, feasible, np.ones(len(n)) if bests is None else bests, policy)
    objective, needed = welfare_of(problem, x, n, bests)
    if beta > 0:
        objective = objective - beta * cp.sum(cp.rel_entr(policy, reference))
    optimum(objective, feasible + needed)
    return policy.value


for line in sys.stdin:
    try:
        answer = {"policy": solve(json.loads(line)).tolist()}
    except Failure as failure:
        answer = {"failure": str(failure)}
    except Exception as error:
        answer = {"failure": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps(answer), flush=True)
