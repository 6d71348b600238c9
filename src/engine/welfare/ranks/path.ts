import { topsOf } from '../contexts.ts'
import { utilitiesOf, valuesOf } from '../table.ts'
import type { Levels } from './levels.ts'
import { type Equations, evaluate, factorise, newEquations, newSystem, solve } from './newton.ts'
import {
  advance,
  leastProduct,
  newPoint,
  type Point,
  products,
  type RankProblem,
  type Steps,
  shorten,
  stepLengths,
} from './point.ts'

/** Receives every point with what its equations come to; answers true when it is good enough. */
export type RankJudge = (at: Point, equations: Equations) => boolean

const MAX_ITERATIONS = 200
/** Products whose sum is below this are rounding. */
const NOTHING = 1e-25
/** No product is smaller than this part of the mean because of a step. */
const CENTRED = 1e-6
/** A step makes products no smaller than this part of what they were: more would only be rounding. */
const STEEPEST = 1e-4
const SHORTEST_STEP = 1e-6
/** A step may leave the equations with a misfit of this part of the products, and with any that is half undone. */
const MISFIT = 0.01

/**
 * Finds the p and λ at which c_0 n·x + Σ_k c_k CVaR_k(x) − β KL(p‖π) is largest (see {@link Levels}), for β ≥ 0, by a
 * primal–dual interior point (Mehrotra's predictor–corrector):
 *
 *   x = Up,   Σp = w_q and z = ν_q − Aᵀω + β log(p/π) in context q,   ω = (λ, μ),   λ = c_0 n + Σ_k λ^k,
 *   x_g = w_k + t_kg − s_kg,   Σ_g λ^k_g = c_k,   rests_k = caps_k − λ^k,
 *   p∘z = λ^k∘t_k = rests_k∘s_k = μ∘slacks = aim → 0.
 *
 * w_k is the utility up to which level k looks: who is below it has all that the level can give. All but the last line
 * nearly holds at every point. An iteration costs O(nG² + KG² + K³).
 *
 * @param start a policy p > 0 at which every guardrail has slack
 * @returns the number of iterations
 */
export function followRanks(
  problem: RankProblem,
  levels: Levels,
  start: Float64Array,
  judge: RankJudge,
): number {
  const { temperature } = problem
  const count = levels.shares.length
  const system = newSystem(problem, count)
  const equations = newEquations(problem)
  const spareEquations = newEquations(problem)
  const predictor = newPoint(problem, count)
  const move = newPoint(problem, count)
  let at = startAt(problem, levels, start)
  let trial = newPoint(problem, count)
  evaluate(problem, levels, at, equations)
  for (let iteration = 1; iteration <= MAX_ITERATIONS; iteration++) {
    const { sum, mean } = products(at)
    if (!(sum > NOTHING) || !factorise(problem, at, system)) return iteration
    solve(problem, levels, at, equations, system, 0, null, predictor)
    const reach = stepLengths(at, predictor, 0.99, temperature)
    advance(at, predictor, reach, trial)
    const ratio = Math.max(0, products(trial).sum / sum)
    evaluate(problem, levels, trial, spareEquations)
    const aim = mean * Math.min(1, Math.max(ratio ** 3, STEEPEST, spareEquations.misfit / sum))
    shorten(predictor, reach)
    solve(problem, levels, at, equations, system, aim, predictor, move)
    let step = trySteps(aim)
    if (step < 0.1) {
      // The prediction was of no use here: move to the centre.
      solve(problem, levels, at, equations, system, 0.9 * mean, null, move)
      step = trySteps(0.9 * mean)
    }
    if (step === 0) return iteration
    ;[at, trial] = [trial, at]
    evaluate(problem, levels, at, equations)
    if (judge(at, equations)) return iteration
  }
  return MAX_ITERATIONS

  /** Steps to `trial`, as far as equations nearly hold, products fall, and none is left to its bound before the others. */
  function trySteps(aim: number): number {
    const before = products(at)
    const fall = 1 - aim / before.mean
    const centred = Math.min(CENTRED, leastProduct(at, temperature) / before.mean)
    let steps = stepLengths(at, move, Math.max(0.9, 1 - before.mean), temperature)
    for (;;) {
      const step = Math.min(steps.primal, steps.dual)
      if (!(step > SHORTEST_STEP)) return 0
      advance(at, move, steps, trial)
      evaluate(problem, levels, trial, spareEquations, at.policy)
      const { sum, mean } = products(trial)
      const { misfit, oldMisfit } = spareEquations
      if (
        (misfit <= MISFIT * sum || oldMisfit <= (1 - 0.5 * step) * equations.misfit) &&
        sum <= (1 - 0.1 * step * fall) * before.sum &&
        leastProduct(trial, temperature) >= centred * mean
      )
        return step
      steps = shorter(steps)
    }
  }
}

/** Equal steps first, which the equations like better, and then shorter ones. */
function shorter({ primal, dual }: Steps): Steps {
  const least = Math.min(primal, dual)
  return primal === dual ? { primal: 0.7 * least, dual: 0.7 * least } : { primal: least, dual: least }
}

/** How often the size of the products is adapted to what the items make of it. */
const ADAPTATIONS = 4

/** The point at a policy at which the products of parts, and those of items in the mean, are alike. */
function startAt(problem: RankProblem, levels: Levels, policy: Float64Array): Point {
  const { groups, people, items, population, reference, temperature, contexts } = problem
  const { starts } = contexts
  const at = newPoint(problem, levels.shares.length)
  at.policy.set(policy)
  const x = new Float64Array(groups)
  utilitiesOf(problem, policy, x)
  const entropy = policy.map((share, i) =>
    temperature > 0 ? temperature * Math.log(share / reference[i]) : 0,
  )
  const values = new Float64Array(items)
  const weights = new Float64Array(groups)
  let product = 1 / items
  for (let round = 0; round < ADAPTATIONS; round++) {
    centreLevels(levels, x.subarray(0, people), product, at)
    for (let g = 0; g < people; g++) weights[g] = levels.mean * population[g]
    for (let e = 0; e < at.parts.length; e++) weights[e % people] += at.parts[e]
    for (let k = 0; k < groups - people; k++) {
      at.slacks[k] = x[people + k]
      at.prices[k] = weights[people + k] = product / at.slacks[k]
    }
    valuesOf(problem, weights, values)
    for (let i = 0; i < items; i++) values[i] -= entropy[i]
    const tops = topsOf(contexts, values)
    let loss = 0
    for (let q = 0; q < tops.length; q++) {
      const rise = (product * (starts[q + 1] - starts[q])) / contexts.weights[q]
      at.costLevels[q] = tops[q] + rise
      for (let i = starts[q]; i < starts[q + 1]; i++) {
        at.costs[i] = tops[q] - values[i] + rise
        loss += policy[i] * (tops[q] - values[i])
      }
    }
    if (loss <= 10 * items * product || round + 1 === ADAPTATIONS) break
    product = loss / items
  }
  return at
}

/** Halvings that leave nothing of an interval. */
const HALVINGS = 200

/**
 * Puts the levels where all their products are `product`: a part of the share at which λ^k_g (x_g − w_k + s_kg) and
 * (cap − λ^k_g) s_kg are, and w_k such that these parts sum to the share.
 */
function centreLevels({ shares, caps }: Levels, x: Float64Array, product: number, at: Point): void {
  const people = x.length
  for (let k = 0; k < shares.length; k++) {
    let low = x.reduce((a, b) => Math.min(a, b))
    let high = x.reduce((a, b) => Math.max(a, b))
    const over = (people * product) / shares[k]
    let beyond = over
    while (sumAt(k, low) > shares[k] && Number.isFinite(low)) low -= beyond *= 2
    beyond = over
    while (sumAt(k, high) < shares[k] && Number.isFinite(high)) high += beyond *= 2
    for (let halving = 0; halving < HALVINGS; halving++) {
      const middle = (low + high) / 2
      if (middle === low || middle === high) break
      if (sumAt(k, middle) < shares[k]) low = middle
      else high = middle
    }
    at.levels[k] = (low + high) / 2
    sumAt(k, at.levels[k])
  }

  /** The sum of the parts of a level at w, which are written to the point with their partners. */
  function sumAt(k: number, w: number): number {
    let sum = 0
    for (let g = 0; g < people; g++) {
      const e = k * people + g
      const cap = caps[e]
      const lead = Math.abs(x[g] - w)
      const small = (2 * product * cap) / (lead * cap + 2 * product + Math.hypot(lead * cap, 2 * product))
      at.parts[e] = x[g] >= w ? small : cap - small
      at.rests[e] = x[g] >= w ? cap - small : small
      at.above[e] = product / at.parts[e]
      at.below[e] = product / at.rests[e]
      sum += at.parts[e]
    }
    return sum
  }
}
