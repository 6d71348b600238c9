import { choleskyFactor, choleskySolve } from '../numeric/cholesky.ts'
import { gibbsPolicy } from './gibbs.ts'
import type { DualSet, Relation } from './problem.ts'

/** A welfare problem in units where every group's utilities have size 1. */
export type ScaledProblem = {
  groups: number
  items: number
  /** û, G × n, row-major. */
  utilities: Float64Array
  reference: Float64Array
  /** β̂ ≥ 0. */
  temperature: number
}

/** A point of the path: strictly positive, and at the optimum when all complementary products have gone to zero. */
export type Iterate = {
  /** λ̂; length G. */
  weights: Float64Array
  /** y: the utilities that the welfare function takes account of; length G. */
  counted: Float64Array
  /** s = x − y, the slack of λ̂ ≥ 0: what a group gains that welfare has no use for; length G. */
  surplus: Float64Array
  /** p; length n. */
  policy: Float64Array
  /** Reduced costs z_i = ν − û_i·λ̂ + β̂(log(p_i/π_i) + 1); length n. */
  costs: Float64Array
  /** Multiplier of Σp = 1. */
  level: number
  /** Multiplier of h(λ̂) ≥ 0: the welfare. */
  multiplier: number
  /** Slack of h(λ̂) ≥ 0. */
  slack: number
}

/** Receives every iterate; answers true when it is good enough. */
export type Judge = (iterate: Iterate) => boolean

const MAX_ITERATIONS = 200

/**
 * Minimises the dual D(λ̂) over Λ̂ by a primal–dual interior point (Mehrotra's predictor–corrector), for β̂ ≥ 0:
 *
 *   Ûp = y + s,   Σp = 1,   z = ν1 − Ûᵀλ̂ + β̂(log(p/π) + 1),   h(λ̂) = k,   R(λ̂, y, w) = 0,
 *   p∘z = s∘λ̂ = w·k = μ → 0,
 *
 * where R says, group by group, that λ̂ is the slope of the welfare w at y. Keeping y apart from λ̂ is what makes
 * Newton's method converge from afar: λ̂·y = const is followed far better than y = const/λ̂.
 *
 * p, z, s, y, ν and k are eliminated, so that the Newton system is G × G: an iteration costs O(nG²).
 *
 * @returns the number of iterations
 */
export function followCentralPath(problem: ScaledProblem, dualSet: DualSet, judge: Judge): number {
  const iterate = startOf(problem, dualSet)
  const system = newSystem(problem)
  const move = newMove(problem)
  const corrector = newMove(problem)
  for (let iteration = 1; iteration <= MAX_ITERATIONS; iteration++) {
    const now = centrality(iterate, dualSet)
    assemble(problem, dualSet, iterate, system, false)
    if (!factor(system)) return iteration

    solve(problem, dualSet, iterate, system, 0, null, move)
    const reach = stepLength(iterate, move, dualSet, 1)
    const ratio = Math.min(1, centralityAfter(iterate, move, reach, dualSet) / now)
    solve(problem, dualSet, iterate, system, ratio ** 3 * now, move, corrector)
    const step = stepLength(iterate, corrector, dualSet, Math.max(0.9, 1 - now))
    if (!(step > 0)) return iteration
    advance(iterate, corrector, step)
    if (judge(iterate)) return iteration
  }
  return MAX_ITERATIONS
}

/**
 * Continues from an iterate with the policy tied to the weights, p = Gibbs(Ûᵀλ̂), for β̂ > 0: the last digits of λ̂,
 * on which a policy that is recomputed from the weights depends 1/β̂ times as strongly.
 *
 * @returns the number of iterations
 */
export function polish(problem: ScaledProblem, dualSet: DualSet, start: Iterate, judge: Judge): number {
  const iterate = copyOf(start)
  const system = newSystem(problem)
  const move = newMove(problem)
  const values = new Float64Array(problem.items)
  iterate.costs.fill(0)
  let centre = centrality(iterate, dualSet)
  for (let iteration = 1; iteration <= 30; iteration++) {
    valuesOf(problem, iterate.weights, values)
    gibbsPolicy(values, problem.reference, problem.temperature, iterate.policy)
    if (judge(iterate)) return iteration
    assemble(problem, dualSet, iterate, system, true)
    if (!factor(system)) return iteration
    centre = Math.max(1e-30, Math.min(centre * 0.01, centre ** 1.5))
    solve(problem, dualSet, iterate, system, centre, null, move)
    move.policy.fill(0)
    move.costs.fill(0)
    const step = stepLength(iterate, move, dualSet, 0.999)
    if (!(step > 0)) return iteration
    advance(iterate, move, step)
  }
  return 30
}

/** The Newton system, reduced to the weights: K dλ̂ − (∂y/∂w) dw = b, ∇h·dλ̂ + (k/w) dw = c. */
type System = {
  /** Right after assembly K, then its factor; G × G. */
  matrix: Float64Array
  relation: Relation
  /** D_i = p_i/(β̂ + z_i) and its sum. */
  mass: Float64Array
  massSum: number
  /** Mean of û under D, and û minus it: G and G × n. */
  mean: Float64Array
  centred: Float64Array
  /** x(p) = Ûp. */
  utilities: Float64Array
  policySum: number
  /** Residual of the definition of z. */
  costResidual: Float64Array
  forced: Float64Array
}

type Move = Iterate

function newSystem({ groups, items }: ScaledProblem): System {
  return {
    matrix: new Float64Array(groups * groups),
    relation: {
      h: 0,
      gradient: new Float64Array(groups),
      target: new Float64Array(groups),
      give: new Float64Array(groups),
      along: new Float64Array(groups),
    },
    mass: new Float64Array(items),
    massSum: 0,
    mean: new Float64Array(groups),
    centred: new Float64Array(groups * items),
    utilities: new Float64Array(groups),
    policySum: 0,
    costResidual: new Float64Array(items),
    forced: new Float64Array(items),
  }
}

function newMove({ groups, items }: ScaledProblem): Move {
  return {
    weights: new Float64Array(groups),
    counted: new Float64Array(groups),
    surplus: new Float64Array(groups),
    policy: new Float64Array(items),
    costs: new Float64Array(items),
    level: 0,
    multiplier: 0,
    slack: 0,
  }
}

/** A copy that later steps leave alone. */
export function copyOf(iterate: Iterate): Iterate {
  return {
    ...iterate,
    weights: iterate.weights.slice(),
    counted: iterate.counted.slice(),
    surplus: iterate.surplus.slice(),
    policy: iterate.policy.slice(),
    costs: iterate.costs.slice(),
  }
}

/** A start with all complementary products equal; the equations are met only later. */
function startOf(problem: ScaledProblem, dualSet: DualSet): Iterate {
  const { items, reference } = problem
  const centre = 1 / items
  const { weights, counted, slack } = dualSet.start
  const policy = reference.map((share) => (share + centre) / 2)
  const values = new Float64Array(items)
  valuesOf(problem, weights, values)
  return {
    weights: weights.slice(),
    counted: counted.slice(),
    surplus: weights.map((weight) => centre / weight),
    policy,
    costs: policy.map((share) => centre / share),
    level: 1 + values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
    multiplier: 1,
    slack,
  }
}

function valuesOf(
  { groups, items, utilities }: ScaledProblem,
  weights: Float64Array,
  values: Float64Array,
): void {
  values.fill(0)
  for (let g = 0; g < groups; g++) {
    const weight = weights[g]
    const row = g * items
    for (let i = 0; i < items; i++) values[i] += weight * utilities[row + i]
  }
}

/** The mean complementary product μ. */
function centrality(
  { weights, surplus, policy, costs, multiplier, slack }: Iterate,
  { equality }: DualSet,
): number {
  let sum = equality ? 0 : multiplier * slack
  for (let g = 0; g < weights.length; g++) sum += weights[g] * surplus[g]
  for (let i = 0; i < policy.length; i++) sum += policy[i] * costs[i]
  return sum / (weights.length + policy.length + (equality ? 0 : 1))
}

function centralityAfter(at: Iterate, move: Move, step: number, { equality }: DualSet): number {
  let sum = equality ? 0 : (at.multiplier + step * move.multiplier) * (at.slack + step * move.slack)
  for (let g = 0; g < at.weights.length; g++) {
    sum += (at.weights[g] + step * move.weights[g]) * (at.surplus[g] + step * move.surplus[g])
  }
  for (let i = 0; i < at.policy.length; i++) {
    sum += (at.policy[i] + step * move.policy[i]) * (at.costs[i] + step * move.costs[i])
  }
  return sum / (at.weights.length + at.policy.length + (equality ? 0 : 1))
}

/** Builds K = Σ_i D_i (û_i − ū)(û_i − ū)ᵀ + diag(s/λ̂ − ∂y/∂λ̂) and the residuals. */
function assemble(
  problem: ScaledProblem,
  dualSet: DualSet,
  at: Iterate,
  system: System,
  exact: boolean,
): void {
  const { groups, items, utilities: u, reference, temperature } = problem
  const { matrix, relation, mass, mean, centred, costResidual } = system
  dualSet.relate(at.weights, at.counted, at.multiplier, relation)

  valuesOf(problem, at.weights, costResidual)
  let massSum = 0
  let policySum = 0
  for (let i = 0; i < items; i++) {
    const p = at.policy[i]
    mass[i] = p / (temperature + at.costs[i])
    massSum += mass[i]
    policySum += p
    const entropy = temperature > 0 ? temperature * (Math.log(p / reference[i]) + 1) : 0
    costResidual[i] = exact ? 0 : at.level - costResidual[i] + entropy - at.costs[i]
  }
  system.massSum = massSum
  system.policySum = exact ? 1 : policySum

  for (let g = 0; g < groups; g++) {
    const row = g * items
    let x = 0
    let weighted = 0
    for (let i = 0; i < items; i++) {
      x += u[row + i] * at.policy[i]
      weighted += u[row + i] * mass[i]
    }
    system.utilities[g] = x
    const middle = weighted / massSum
    mean[g] = middle
    for (let i = 0; i < items; i++) centred[row + i] = u[row + i] - middle
  }
  const { forced } = system
  for (let g = 0; g < groups; g++) {
    const rowG = g * items
    for (let i = 0; i < items; i++) forced[i] = centred[rowG + i] * mass[i]
    for (let k = 0; k <= g; k++) {
      const rowK = k * items
      let sum = 0
      for (let i = 0; i < items; i++) sum += forced[i] * centred[rowK + i]
      matrix[g * groups + k] = sum
    }
    matrix[g * groups + g] += at.surplus[g] / at.weights[g] + relation.give[g]
  }
}

/** Factorises K; where rounding has made it singular, with the least multiple of its diagonal that helps. */
function factor(system: System): boolean {
  const { matrix, mean } = system
  const groups = mean.length
  const original = matrix.slice()
  for (let shift = 0; shift < 1e-4; shift = shift === 0 ? 1e-15 : shift * 10) {
    matrix.set(original)
    for (let g = 0; g < groups; g++) matrix[g * groups + g] *= 1 + shift
    if (choleskyFactor(matrix, groups) < 0) return true
  }
  return false
}

/**
 * Solves for the move towards complementary products of μ.
 *
 * @param predictor the move whose second-order effect is corrected for, or null
 */
function solve(
  problem: ScaledProblem,
  dualSet: DualSet,
  at: Iterate,
  system: System,
  mu: number,
  predictor: Move | null,
  move: Move,
): void {
  const { groups, items } = problem
  const { matrix, relation, mass, massSum, mean, centred, costResidual, forced } = system
  const { h, gradient, target, give: yielding } = relation

  let forcedMass = 0
  for (let i = 0; i < items; i++) {
    const second = predictor === null ? 0 : predictor.policy[i] * predictor.costs[i]
    forced[i] = (mu - second) / at.policy[i] - at.costs[i] - costResidual[i]
    forcedMass += mass[i] * forced[i]
  }
  const missing = 1 - system.policySum

  const right = move.weights
  const along = new Float64Array(groups)
  for (let g = 0; g < groups; g++) {
    const row = g * items
    let drift = 0
    for (let i = 0; i < items; i++) drift += centred[row + i] * mass[i] * forced[i]
    const second = predictor === null ? 0 : predictor.weights[g] * predictor.surplus[g]
    const surplusTarget = (mu - second) / at.weights[g] - at.surplus[g]
    const residual = system.utilities[g] - target[g] - at.surplus[g]
    right[g] = surplusTarget - residual - drift - mean[g] * missing
    along[g] = relation.along[g]
  }
  choleskySolve(matrix, groups, right)
  choleskySolve(matrix, groups, along)

  let needed = dualSet.equality ? -h : at.slack - h
  let give = 0
  if (!dualSet.equality) {
    const second = predictor === null ? 0 : predictor.multiplier * predictor.slack
    needed += (mu - second) / at.multiplier - at.slack
    give = at.slack / at.multiplier
  }
  for (let g = 0; g < groups; g++) {
    needed -= gradient[g] * right[g]
    give += gradient[g] * along[g]
  }
  move.multiplier = needed / give
  for (let g = 0; g < groups; g++) right[g] += along[g] * move.multiplier

  if (dualSet.equality) move.slack = 0
  else {
    const second = predictor === null ? 0 : predictor.multiplier * predictor.slack
    move.slack = (mu - second - at.slack * move.multiplier) / at.multiplier - at.slack
  }
  for (let g = 0; g < groups; g++) {
    const second = predictor === null ? 0 : predictor.weights[g] * predictor.surplus[g]
    move.surplus[g] = (mu - second - at.surplus[g] * move.weights[g]) / at.weights[g] - at.surplus[g]
    move.counted[g] =
      target[g] - at.counted[g] - yielding[g] * move.weights[g] + relation.along[g] * move.multiplier
  }

  // dp_i = D_i (û_i·dλ̂ − dν + e_i), with dν such that Σp becomes 1; ū·dλ̂ is part of dν.
  const rise = forcedMass / massSum - missing / massSum
  valuesOfCentred(problem, centred, move.weights, move.policy)
  let shift = 0
  for (let g = 0; g < groups; g++) shift += mean[g] * move.weights[g]
  move.level = rise + shift
  for (let i = 0; i < items; i++) {
    const change = mass[i] * (move.policy[i] - rise + forced[i])
    const second = predictor === null ? 0 : predictor.policy[i] * predictor.costs[i]
    move.policy[i] = change
    move.costs[i] = (mu - second - at.costs[i] * change) / at.policy[i] - at.costs[i]
  }
}

function valuesOfCentred(
  { groups, items }: ScaledProblem,
  centred: Float64Array,
  weights: Float64Array,
  values: Float64Array,
): void {
  values.fill(0)
  for (let g = 0; g < groups; g++) {
    const weight = weights[g]
    const row = g * items
    for (let i = 0; i < items; i++) values[i] += weight * centred[row + i]
  }
}

/** The longest step up to 1 that keeps everything positive, times `fraction` where a bound is met. */
function stepLength(at: Iterate, move: Move, { equality }: DualSet, fraction: number): number {
  let step = 1 / fraction
  for (let g = 0; g < at.weights.length; g++) {
    // Only the maximin, whose dual set is an equality, counts utilities of either sign.
    if (!equality && move.counted[g] < 0) step = Math.min(step, -at.counted[g] / move.counted[g])
    if (move.weights[g] < 0) step = Math.min(step, -at.weights[g] / move.weights[g])
    if (move.surplus[g] < 0) step = Math.min(step, -at.surplus[g] / move.surplus[g])
  }
  for (let i = 0; i < at.policy.length; i++) {
    if (move.policy[i] < 0) step = Math.min(step, -at.policy[i] / move.policy[i])
    if (move.costs[i] < 0) step = Math.min(step, -at.costs[i] / move.costs[i])
  }
  if (!equality) {
    if (move.multiplier < 0) step = Math.min(step, -at.multiplier / move.multiplier)
    if (move.slack < 0) step = Math.min(step, -at.slack / move.slack)
  }
  return Math.min(1, step * fraction)
}

function advance(at: Iterate, move: Move, step: number): void {
  for (let g = 0; g < at.weights.length; g++) {
    at.weights[g] += step * move.weights[g]
    at.counted[g] += step * move.counted[g]
    at.surplus[g] += step * move.surplus[g]
  }
  for (let i = 0; i < at.policy.length; i++) {
    at.policy[i] += step * move.policy[i]
    at.costs[i] += step * move.costs[i]
  }
  at.level += step * move.level
  at.multiplier += step * move.multiplier
  at.slack += step * move.slack
}
