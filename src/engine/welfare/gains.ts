import { Problem } from '../problem.ts'
import { certify } from './certificate.ts'
import { extremesOf, topsOf } from './contexts.ts'
import { slackRows, valuesAt } from './guardrails.ts'
import { followCentralPath, type Start } from './interior-point.ts'
import type { ScaledProblem } from './iterate.ts'
import { maximin } from './maximin.ts'
import { NO_GUARDRAILS, type WelfareProblem } from './problem.ts'
import { middleOf, type Scaling, scalingOf } from './scaling.ts'
import { utilitiesOf } from './table.ts'

/** A worst gain is one above this, in units of each group's largest utility: fitted rewards are no more exact … */
const SOME = 1e-9
/** … and none where it is proven to be below this. */
const NONE = 1e-8
/** A utility below this part of the terms that it is the sum of may be rounding. */
const CANCELLED = 1e-6

/**
 * No policy gives every group a gain, as weights λ on the simplex and prices μ ≥ 0 prove: where
 * Σ_q w_q max_i (Uᵀλ − Cᵀμ)_i + μ·τ ≤ 0, no policy within the guardrails can have every x_g > 0. The evidence is in integers;
 * whoever knows the groups' names turns it into a {@link Problem}.
 */
export class NoGains extends Error {
  /** λ; length G. */
  readonly weights: Float64Array
  /** μ; length K. */
  readonly prices: Float64Array
  /** Σ_q w_q max_i (Uᵀλ − Cᵀμ)_i + μ·τ, at most 0 up to the 1e-8 of a group's largest utility that counts as none. */
  readonly bound: number

  constructor(weights: Float64Array, prices: Float64Array, bound: number) {
    super('no policy gives every group a gain')
    this.weights = weights
    this.prices = prices
    this.bound = bound
  }
}

/**
 * No policy meets all guardrails, or none with room to spare, as multipliers μ ≥ 0 with Σμ = 1 prove (Farkas' lemma): no
 * policy has Σ_k μ_k (τ_k − C_k·p) above `room`.
 */
export class NoRoom extends Error {
  /** μ; length K. */
  readonly multipliers: Float64Array
  /** max_p Σ_k μ_k (τ_k − C_k·p): below 0 where no policy meets the guardrails, 0 but for rounding where they only touch. */
  readonly room: number

  constructor(multipliers: Float64Array, room: number) {
    super('no policy meets all guardrails with room to spare')
    this.multipliers = multipliers
    this.room = room
  }
}

/**
 * A start within all guardrails, at which every group gains where that is needed: the middle policy, or else one from the
 * path to the largest worst gain and slack.
 *
 * @throws NoGains where there is no such policy
 * @throws NoRoom where the guardrails alone are why
 */
export function innerStart(problem: WelfareProblem, { scaled, sizes }: Scaling, needsGains: boolean): Start {
  const { groups } = problem
  const rows = scaled.groups
  if (needsGains) {
    const { most } = extremesOf(problem)
    for (let g = 0; g < groups; g++) {
      if (most[g] <= 0) throw new NoGains(unit(groups, g), new Float64Array(rows - groups), most[g])
    }
  }
  const first = needsGains ? 0 : groups
  const middle = middleOf(scaled)
  if (first === rows) return middle
  const x = new Float64Array(rows)
  const terms = new Float64Array(rows)
  utilitiesOf(scaled, middle.policy, x)
  utilitiesOf({ ...scaled, utilities: scaled.utilities.map(Math.abs) }, middle.policy, terms)
  if (x.subarray(first).every((value, k) => value > CANCELLED * terms[first + k])) return middle

  const found = ascend(problem, scaled.utilities.subarray(first * scaled.items))
  if (found.start !== null) return towards(middle, found.start, scaled, first)
  requireRoom(problem)
  if (!(found.bound <= NONE)) {
    throw new Problem(
      'not-converged',
      'Whether some policy gives every group a gain is beyond double precision.',
    )
  }
  // λ and μ for the scaled rows, brought back to given ones with λ on the simplex.
  const proof = found.weights.map((weight, r) => weight / sizes[r])
  const weights = proof.slice(0, groups)
  const total = weights.reduce((a, b) => a + b, 0)
  const prices = proof.slice(groups).map((price) => price / total)
  maximin.project(weights)
  throw new NoGains(weights, prices, largest(problem, weights, prices))
}

/** What a start keeps of what its rows are at a policy that is farther from the middle. */
const KEPT = 0.1

/** The policy on the way from one within all bounds to the middle at which every row that must be positive still is. */
function towards(middle: Start, within: Start, scaled: ScaledProblem, first: number): Start {
  const own = new Float64Array(scaled.groups)
  const other = new Float64Array(scaled.groups)
  utilitiesOf(scaled, within.policy, own)
  utilitiesOf(scaled, middle.policy, other)
  let part = 1
  for (let r = first; r < own.length; r++) {
    const fall = own[r] - other[r]
    if (fall > 0) part = Math.min(part, ((1 - KEPT) * own[r]) / fall)
  }
  const policy = within.policy.map((share, i) => share + part * (middle.policy[i] - share))
  return { policy, tilt: policy.map((share, i) => Math.log(share / scaled.reference[i])) }
}

/** Guardrails that miss each other by no more than this, in units of their rows, touch. */
const TOUCHING = 1e-9
/** Multipliers below this part of the largest, in units of the rows, are rounding. */
const MULTIPLIER = 1e-7

/**
 * Sees to it that some policy meets all guardrails with room to spare, without which prices need not exist.
 *
 * @throws NoRoom
 */
export function requireRoom(problem: WelfareProblem): void {
  const { items, contexts } = problem
  const count = problem.guardrails.limits.length
  if (count === 0) return
  const slacks = slackRows(problem)
  const sizes = Float64Array.from({ length: count }, (_, k) => {
    const size = slacks.subarray(k * items, (k + 1) * items).reduce((a, b) => Math.max(a, Math.abs(b)), 0)
    return size > 0 ? size : 1
  })
  const found = ascend(
    problem,
    slacks.map((slack, at) => slack / sizes[Math.floor(at / items)]),
  )
  if (found.start !== null) return
  if (!(found.bound <= NONE)) {
    throw new Problem(
      'not-converged',
      'Whether some policy meets all constraints is beyond double precision.',
    )
  }
  const top = found.weights.reduce((a, b) => Math.max(a, b), 0)
  const multipliers = found.weights.map((weight, k) => (weight > MULTIPLIER * top ? weight / sizes[k] : 0))
  maximin.project(multipliers)
  const tops = topsOf(contexts, valuesAt({ ...problem, groups: 0 }, slacks, new Float64Array(0), multipliers))
  const room = tops.reduce((sum, value, q) => sum + contexts.weights[q] * value, 0)
  const scale = multipliers.reduce((sum, multiplier, k) => sum + multiplier * sizes[k], 0)
  throw new NoRoom(multipliers, Math.abs(room) <= TOUCHING * scale ? 0 : room)
}

/** Climbs towards the policy whose least row is largest: a start where that is above 0, or the proof that it is not. */
function ascend(problem: WelfareProblem, table: Float64Array) {
  const { items, reference } = problem
  const groups = table.length / items
  const relaxed: WelfareProblem = {
    ...problem,
    groups,
    utilities: table,
    population: new Float64Array(groups).fill(1 / groups),
    temperature: 0,
    guardrails: NO_GUARDRAILS,
  }
  const { scaled, link } = scalingOf(relaxed, maximin, maximin.link)
  let start: Start | null = null
  let weights = new Float64Array(groups)
  let bound = Number.POSITIVE_INFINITY
  followCentralPath(scaled, link, middleOf(scaled), (iterate) => {
    const certified = certify(relaxed, maximin, iterate.policy, iterate.weights)
    const { welfare, gap } = certified
    if (welfare > SOME && gap <= welfare) {
      start = {
        policy: iterate.policy.slice(),
        tilt: iterate.policy.map((share, i) => Math.log(share / reference[i])),
      }
    }
    if (welfare + gap < bound) {
      bound = welfare + gap
      weights = certified.weights.slice()
    }
    return start !== null || gap < 1e-14
  })
  return { start: start as Start | null, weights, bound }
}

/** Σ_q w_q max_i (Uᵀλ − Cᵀμ)_i + μ·τ. */
function largest(problem: WelfareProblem, weights: Float64Array, prices: Float64Array): number {
  const tops = topsOf(problem.contexts, valuesAt(problem, slackRows(problem), weights, prices))
  return tops.reduce((sum, top, q) => sum + problem.contexts.weights[q] * top, 0)
}

function unit(length: number, at: number): Float64Array {
  return Float64Array.from({ length }, (_, k) => (k === at ? 1 : 0))
}
