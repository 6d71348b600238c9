import { gibbsInContexts, reachOf } from '../contexts.ts'
import { divergence } from '../gibbs.ts'
import type { WelfareProblem } from '../problem.ts'
import { columnsOf, imageOf, rowRanges, worthOf } from './columns.ts'
import type { Lifted } from './constraints.ts'
import { backward, evaluate, newEntries } from './evaluate.ts'
import { forEachContext } from './newton.ts'
import { kinksOf, type Program } from './program.ts'

/**
 * A linear function above W: W(x) ≤ λ·x + level for all x.
 *
 * Replacing each kink of W by a mixture of its branches, and adding κ ≥ 0 times what the domain needs to be positive, gives a
 * function U that is smooth and concave and nowhere below W, and λ·x + level is its tangent at a point y.
 */
export type Tangent = {
  /** λ = ∇U(y); length G, not negative. */
  weights: Float64Array
  /** U(y) − λ·y: −W_* (λ), or above it. */
  level: number
  /** μ; length K. */
  prices: Float64Array
  /** The mixture, one share for each branch of all kinks. */
  shares: Float64Array
}

/**
 * The tangent at y that goes with multipliers η of branches (the mixture is in proportion to them) and of the domain.
 *
 * @param multipliers η ≥ 0, as many as the lifted program has constraints
 */
export function tangentAt(
  { program, constraints, branches }: Lifted,
  y: Float64Array,
  multipliers: Float64Array,
  prices: Float64Array,
): Tangent {
  const shares = sharesOf(program, multipliers)
  const kinks = { as: 'mixed', shares } as const
  const values = newEntries(program)
  evaluate(program, y, kinks, values)
  const slopes = newEntries(program)
  slopes[program.root][0] = 1
  let level = values[program.root][0]
  for (let j = branches; j < constraints.length; j++) {
    const { step, entry } = constraints[j]
    slopes[step][entry] += multipliers[j]
    level += multipliers[j] * values[step][entry]
  }
  const weights = new Float64Array(program.groups)
  backward(program, values, kinks, slopes, weights)
  for (let g = 0; g < weights.length; g++) {
    // W does not fall, so that a slope below 0 is rounding.
    weights[g] = Math.max(0, weights[g])
    level -= weights[g] * y[g]
  }
  return { weights, level, prices, shares }
}

/** The multipliers of each cell's branches, divided by their sum. */
function sharesOf(program: Program, multipliers: Float64Array): Float64Array {
  const shares = new Float64Array(multipliers.length)
  for (const { branch, branches, cells } of kinksOf(program)) {
    for (let c = 0; c < cells; c++) {
      const first = branch + c * branches
      let sum = 0
      for (let b = first; b < first + branches; b++) sum += multipliers[b]
      for (let b = first; b < first + branches; b++) shares[b] = sum > 0 ? multipliers[b] / sum : 1 / branches
    }
  }
  return shares
}

/** W(x), as the expression has it; NaN or −∞ outside its domain. */
export function welfareAt(program: Program, x: Float64Array): number {
  const values = newEntries(program)
  evaluate(program, x, { as: 'exact' }, values)
  for (const { step } of program.domain) if (values[step].some((value) => !(value >= 0))) return Number.NaN
  return values[program.root][0]
}

/** What rounding leaves of a difference of two equal numbers, or of a policy that is another, in units of these. */
const STILL = 1e-15

/** What a policy and a tangent prove about each other. */
export type Certified = {
  tangent: Tangent
  policy: Float64Array
  /** Up. */
  utilities: Float64Array
  welfare: number
  gap: number
  /** gap / max(|F|, Σ_g λ_g·range_g), with the range that policies have; ∞ where W is not defined at x. */
  relativeGap: number
  /** The most by which a limit is exceeded, in units of its costs' range. */
  excess: number
}

export function errorOf({ relativeGap, excess }: Certified): number {
  return relativeGap + excess
}

/**
 * The duality gap of a policy and a tangent, from these numbers alone.
 *
 * With v = Uᵀλ − Cᵀμ, D − F is the sum of three terms that cannot be negative: the policy's loss against v, which is
 * β KL(p‖p_v), or at β = 0 what its v falls short of the best in each context; μ·(τ − Cp); and how far the tangent is
 * above W at x.
 */
export function certify(
  problem: WelfareProblem,
  program: Program,
  policy: Float64Array,
  tangent: Tangent,
): Certified {
  const { groups, reference, temperature, guardrails } = problem
  const columns = columnsOf(problem)
  const ranges = rowRanges(columns)
  const image = imageOf(columns, policy)
  const utilities = image.slice(0, groups)
  const welfare = welfareAt(program, utilities)
  const { weights, level, prices } = tangent

  const reach = reachOf(problem)
  let above = level - welfare
  let terms = Math.abs(level)
  let spread = 0
  for (let g = 0; g < groups; g++) {
    above += weights[g] * utilities[g]
    terms += weights[g] * Math.abs(utilities[g])
    spread += weights[g] * reach[g]
  }
  let gap = Math.max(0, above)
  let excess = 0
  guardrails.limits.forEach((limit, k) => {
    const over = image[groups + k] - limit
    gap += Math.max(0, -prices[k] * over)
    if (over > 0) excess = Math.max(excess, over / (ranges[groups + k] || Math.abs(limit) || 1))
  })
  gap += lossAgainst(problem, worthOf(columns, weights, prices), policy)
  const objective = welfare - (temperature > 0 ? temperature * divergence(policy, reference) : 0)
  const size = Math.max(Math.abs(objective), spread)
  // Where no policy moves a group that counts the reference is best, and what is left is the rounding of W's terms, and of a
  // policy, of which KL is the square.
  const still = spread === 0 && gap <= STILL * (terms + STILL * temperature)
  const relativeGap = gap === 0 || still ? 0 : gap / size
  return {
    tangent,
    policy,
    utilities,
    welfare,
    gap,
    relativeGap: Number.isNaN(relativeGap) ? Number.POSITIVE_INFINITY : relativeGap,
    excess,
  }
}

/** max_q (v·q − β KL(q‖π)) − (v·p − β KL(p‖π)). */
function lossAgainst(problem: WelfareProblem, worth: Float64Array, policy: Float64Array): number {
  const { temperature, contexts } = problem
  let loss = 0
  if (temperature === 0) {
    forEachContext(problem, (q, from, to) => {
      let top = Number.NEGATIVE_INFINITY
      for (let i = from; i < to; i++) top = Math.max(top, worth[i])
      let sum = 0
      for (let i = from; i < to; i++) {
        loss += policy[i] * (top - worth[i])
        sum += policy[i]
      }
      loss += Math.max(0, (contexts.weights[q] - sum) * top)
    })
    return loss
  }
  const gibbs = new Float64Array(policy.length)
  const levels = new Float64Array(contexts.weights.length)
  gibbsInContexts(problem, worth, gibbs, levels)
  const whole = policy.every((share, i) => share === 0 || gibbs[i] > 1e-300)
  if (whole) return Math.max(0, temperature * divergence(policy, gibbs))
  // Where the Gibbs policy has underflowed at an item that p still holds.
  forEachContext(problem, (q, from, to) => {
    for (let i = from; i < to; i++) {
      const tilt = policy[i] > 0 ? temperature * Math.log(policy[i] / problem.reference[i]) : 0
      loss += policy[i] * (tilt + levels[q] - worth[i])
    }
  })
  return Math.max(0, loss)
}
