"""Welfare optima at temperature 0 as users of cvxpy write them down, for groups of equal population."""

from peer_timing import emit, run_peer


def welfare(problem):
    """Solves for the policy of one welfare function: the problem built each time, and, where it is one, solved again."""
    try:
        import cvxpy as cp
        import numpy as np
    except ImportError as error:
        return emit({"peer": "cvxpy", "failure": f"not installed: {error}"})

    groups, items = problem["groups"], problem["items"]
    utilities = np.array(problem["utilities"]).reshape(groups, items)
    n = np.full(groups, 1 / groups)
    asked = problem["welfare"]

    def build():
        policy = cp.Variable(items, nonneg=True)
        x = cp.Variable(groups)
        objective = objective_of(cp, np, asked, x, n, utilities)
        return cp.Problem(cp.Maximize(objective), [x == utilities @ policy, cp.sum(policy) == 1]), policy

    def solve(built):
        built[0].solve(warm_start=False)
        return built

    def read(built):
        solved, policy = built
        stats = solved.solver_stats
        return {"policy": policy.value.tolist(), "solver": stats.solver_name, "solverTime": 1000 * stats.solve_time}

    limit = problem["limit"]
    if asked["function"] in ("leximin", "kalai-smorodinsky"):
        policy = lambda value: {"policy": value.tolist(), "solver": "linear programs", "solverTime": None}
        call = lambda: lexicographic(cp, np, asked, utilities)
        return run_peer("cvxpy, built and solved", limit, call, policy)
    run_peer("cvxpy, built and solved", limit, lambda: solve(build()), read)
    built = build()
    run_peer("cvxpy, solved again", limit, lambda: solve(built), read)


def objective_of(cp, np, asked, x, n, utilities):
    function = asked["function"]
    if function == "utilitarian":
        return n @ x
    if function == "relative-utilitarian":
        return (n / np.ptp(utilities, axis=1)) @ x
    if function == "nash":
        return n @ cp.log(x)
    if function == "maximin":
        return cp.min(x)
    if function == "power-mean":
        exponent = asked["exponent"]
        return cp.pnorm(cp.multiply(n ** (1 / exponent), x), exponent)
    if function == "kolm-pollak":
        return -cp.log_sum_exp(-asked["kappa"] * x + np.log(n)) / asked["kappa"]
    if function == "cvar":
        z = cp.Variable()
        return z - n @ cp.pos(z - x) / asked["alpha"]
    if function == "generalised-gini":
        shares = 1 - (1 - np.linspace(0, 1, len(n) + 1)) ** asked["parameter"]
        falls = -np.diff(np.append(np.diff(shares), 0))
        return sum(fall * cp.sum_smallest(x, k + 1) for k, fall in enumerate(falls))
    if function == "custom" and asked["expression"] == "sum(n .* log(x))":
        return n @ cp.log(x)
    raise ValueError(f"no such function here: {function}")


def lexicographic(cp, np, asked, utilities):
    """Linear programs, one after the other: the most for the least, who is held there, and so on."""
    groups, items = utilities.shape
    policy = cp.Variable(items, nonneg=True)
    x = utilities @ policy
    lottery = [cp.sum(policy) == 1]

    def most(objective, held):
        cp.Problem(cp.Maximize(objective), lottery + held).solve()
        return objective.value

    scale = np.ones(groups)
    if asked["function"] == "kalai-smorodinsky":
        scale = np.array([most(x[g], [x >= 0]) for g in range(groups)])
    t = cp.Variable()
    fixed = {}
    while len(fixed) < groups:
        free = [g for g in range(groups) if g not in fixed]
        held = [x[g] / scale[g] >= level - 1e-8 for g, level in fixed.items()]
        level = most(t, held + [x[g] / scale[g] >= t for g in free])
        found = policy.value
        held += [x[g] / scale[g] >= level - 1e-8 for g in free]
        # Only those that are at the level may be held there.
        reached = [g for g in free if utilities[g] @ found / scale[g] <= level + 1e-6]
        stuck = [g for g in reached if most(x[g] / scale[g], held) <= level + 1e-6]
        if not stuck:
            break
        fixed.update({g: level for g in stuck})
    return found
