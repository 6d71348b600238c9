import { normalisedIn } from '../contexts.ts'
import { divergence } from '../gibbs.ts'
import type { WelfareProblem } from '../problem.ts'
import { columnsOf, imageOf, rowMaxima, rowRanges } from './columns.ts'
import {
  type Derivatives,
  differentiate,
  evaluateLifted,
  type Lifted,
  type LiftedValues,
} from './constraints.ts'
import { BLUR, newtonStep } from './newton.ts'

/** A point strictly inside: a policy p > 0, and z with h(Up, z) > 0 and Cp < τ. */
export type Start = { policy: Float64Array; cells: Float64Array }

/** A point of the path, with the multipliers η of h and μ of the guardrails that go with it. */
export type Point = {
  policy: Float64Array
  /** Up. */
  utilities: Float64Array
  /** η; as many as there are constraints. */
  multipliers: Float64Array
  /** μ; length K. */
  prices: Float64Array
  /** h and then τ − Cp. */
  slacks: Float64Array
}

/** Receives each point at which the barrier is about to be lowered; answers true when it is good enough. */
export type Judge = (point: Point) => boolean

const MAX_ITERATIONS = 250
/** How much of the way to a bound a step may go. */
const REACH = 0.995
/** A step that gains this part of what its slope promises is taken. */
const ARMIJO = 1e-4
const HALVINGS = 40
/** By how much the barrier is lowered at once. */
const LOWERED = 0.05
/** The barrier is lowered where a step promises less than so many times it. */
const NEAR = 1
/** Multipliers are kept within this factor of what the barrier alone would give. */
const TRUST = 1e10

/**
 * Maximises f(x, z) − β KL(p‖π) over p ≥ 0, x = Up and z, subject to h(x, z) ≥ 0, Cp ≤ τ and the sum w_q of p in each
 * context, by a primal–dual interior point: Newton's method on
 *
 *   v = Uᵀ∇ₓ(f + η·h) − Cᵀμ,  β log(p/π) + ν − v = s,  ∇_z(f + η·h) = 0,  p∘s = σ,  η∘h = σ,  μ∘(τ − Cp) = σ,  σ → 0.
 *
 * Every point is strictly inside, and a step must raise f − β KL + σ(Σ log p + Σ log h + Σ log (τ − Cp)), which is concave:
 * so each σ is reached from wherever it starts.
 *
 * @returns the number of iterations
 */
export function climb(problem: WelfareProblem, lifted: Lifted, start: Start, judge: Judge): number {
  const columns = columnsOf(problem)
  const { groups, items, reference, temperature, guardrails } = problem
  const smooth = lifted.constraints.length
  const largest = rowMaxima(columns)
  let blur = new Float64Array(smooth + guardrails.limits.length)
  const pointAt = (
    policy: Float64Array,
    cells: Float64Array,
    image: Float64Array,
    expected?: Float64Array,
  ) => {
    const values = evaluateLifted(lifted, image.subarray(0, groups), cells)
    const slacks = new Float64Array(smooth + guardrails.limits.length)
    slacks.set(values.slacks)
    guardrails.limits.forEach((limit, k) => {
      slacks[smooth + k] = limit - image[groups + k]
    })
    // What is left of a slack where its rounding begins is what the step was to leave of it.
    expected?.forEach((slack, j) => {
      if (Math.abs(slacks[j] - slack) <= blur[j]) slacks[j] = slack
    })
    return { policy, cells, image, values, slacks }
  }

  let at = pointAt(start.policy, start.cells, imageOf(columns, start.policy))
  let barrier = firstBarrier(problem, lifted, rowRanges(columns), at)
  let costs = at.policy.map((share) => barrier / share)
  let multipliers = at.slacks.map((slack) => barrier / slack)
  const merit = ({ policy, values, slacks }: typeof at) => {
    let logs = 0
    for (const share of policy) logs += Math.log(share)
    for (const slack of slacks) logs += Math.log(slack)
    return (
      values.objective - (temperature > 0 ? temperature * divergence(policy, reference) : 0) + barrier * logs
    )
  }

  for (let iteration = 1; iteration <= MAX_ITERATIONS; iteration++) {
    const { policy, cells, image, values, slacks } = at
    const tilt = policy.map((share, i) => logRatio(share, reference[i]))
    const derivatives = differentiate(lifted, cells, values, multipliers)
    blur = blurOf(lifted, derivatives, largest, cells, guardrails.limits)
    const state = { policy, tilt, costs, slacks, multipliers, barrier }
    const move = newtonStep(problem, columns, derivatives, state)
    if (move === null || !Number.isFinite(move.slope)) return iteration

    const before = merit(at)
    const rounding =
      1e-14 * (Math.abs(before) + Math.abs(values.objective) + barrier * (items + slacks.length))
    let step = Math.min(stepTo(policy, move.policy), stepTo(slacks, move.slacks))
    let next: typeof at | null = null
    for (let halving = 0; halving < HALVINGS && next === null; halving++) {
      const tried = pointAt(
        along(policy, move.policy, step),
        along(cells, move.cells, step),
        along(image, move.image, step),
        along(slacks, move.slacks, step),
      )
      const inside = tried.slacks.every((slack, j) => slack > (1 - REACH) * slacks[j])
      if (inside && merit(tried) >= before + ARMIJO * step * move.slope - rounding) next = tried
      else step /= 2
    }
    if (next !== null) {
      const dual = Math.min(stepTo(costs, move.costs), stepTo(multipliers, move.multipliers))
      costs = along(costs, move.costs, dual)
      multipliers = along(multipliers, move.multipliers, dual)
      const whole = normalisedIn(problem.contexts, next.policy)
      at = pointAt(whole, next.cells, settled(imageOf(columns, whole), next.image, largest), next.slacks)
      trust(costs, at.policy, barrier)
      trust(multipliers, at.slacks, barrier)
    }
    if (next !== null && (step < 0.5 || move.slope > NEAR * barrier)) continue
    const point: Point = {
      policy: at.policy,
      utilities: at.image.slice(0, groups),
      multipliers: multipliers.slice(0, smooth),
      prices: multipliers.slice(smooth),
      slacks: at.slacks,
    }
    if (judge(point) || next === null) return iteration
    barrier *= LOWERED
  }
  return MAX_ITERATIONS
}

/** Utilities that are off from where they were to be by rounding alone are where they were to be. */
function settled(image: Float64Array, expected: Float64Array, largest: Float64Array): Float64Array {
  return image.map((value, r) => (Math.abs(value - expected[r]) <= BLUR * largest[r] ? expected[r] : value))
}

/** A barrier in proportion to what is at stake: how much f can move with the utilities and the cells, and the KL term. */
function firstBarrier(
  { groups, items, guardrails, temperature, reference }: WelfareProblem,
  lifted: Lifted,
  ranges: Float64Array,
  { policy, cells, values }: { policy: Float64Array; cells: Float64Array; values: LiftedValues },
): number {
  const { gradient } = differentiate(lifted, cells, values, new Float64Array(lifted.constraints.length))
  const room = new Float64Array(lifted.cells).fill(Number.POSITIVE_INFINITY)
  lifted.constraints.forEach(({ cell }, j) => {
    if (cell >= 0) room[cell] = Math.min(room[cell], values.slacks[j])
  })
  let stake = 1e-6 * Math.abs(values.objective)
  if (temperature > 0) stake += temperature * divergence(policy, reference)
  for (let g = 0; g < groups; g++) stake += Math.abs(gradient[g]) * ranges[g]
  for (let c = 0; c < lifted.cells; c++) stake += Math.abs(gradient[groups + c]) * room[c]
  return (stake > 0 ? stake : 1) / (items + lifted.constraints.length + guardrails.limits.length)
}

/** By how much rounding can move each slack: so much of the terms that it is the sum of. */
function blurOf(
  { constraints, cells: count, program: { groups } }: Lifted,
  { jacobian }: Derivatives,
  largest: Float64Array,
  cells: Float64Array,
  limits: Float64Array,
) {
  const width = groups + count
  const blur = new Float64Array(constraints.length + limits.length)
  for (let j = 0; j < constraints.length; j++) {
    let terms = 0
    for (let k = 0; k < width; k++)
      terms += Math.abs(jacobian[j * width + k] * (k < groups ? largest[k] : cells[k - groups]))
    blur[j] = BLUR * terms
  }
  limits.forEach((limit, k) => {
    blur[constraints.length + k] = BLUR * (Math.abs(limit) + largest[groups + k])
  })
  return blur
}

/** log(p/π), with the digits of a small difference. */
function logRatio(share: number, reference: number): number {
  const excess = (share - reference) / reference
  return Math.abs(excess) < 0.5 ? Math.log1p(excess) : Math.log(share / reference)
}

/** The longest step up to 1 that keeps positive numbers so. */
function stepTo(values: Float64Array, move: Float64Array): number {
  let step = 1
  for (let k = 0; k < values.length; k++)
    if (values[k] + step * move[k] < (1 - REACH) * values[k]) step = (-REACH * values[k]) / move[k]
  return step
}

function along(values: Float64Array, move: Float64Array, step: number) {
  return values.map((value, k) => value + step * move[k])
}

/** Keeps multipliers near what the barrier gives: there alone every step raises the barrier function. */
function trust(multipliers: Float64Array, slacks: Float64Array, barrier: number): void {
  for (let k = 0; k < slacks.length; k++) {
    const central = barrier / slacks[k]
    multipliers[k] = Math.min(Math.max(multipliers[k], central / TRUST), central * TRUST)
  }
}
