import { Problem } from '../../problem.ts'
import { gibbsInContexts, reachOf } from '../contexts.ts'
import type { Optimum, WelfareProblem } from '../problem.ts'
import { utilitiesOf } from '../table.ts'
import { type Certified, certify, errorOf, tangentAt, welfareAt } from './certificate.ts'
import { columnsOf, worthOf } from './columns.ts'
import { type Lifted, lift } from './constraints.ts'
import { climb, type Point, type Start } from './interior-point.ts'
import { nearestTo } from './nearest.ts'
import type { Program } from './program.ts'
import { startOf } from './start.ts'

/** A certificate above this is no answer … */
const ERROR_LIMIT = 1e-8
/** … one below this is a good one … */
const ACCEPTED = 1e-11
/** … and one below this is rounding. */
const ROUNDING = 1e-14
/** A multiplier vanishes that falls so much faster than its slack. */
const VANISHING = 0.5
/** So many points without a better certificate are the end. */
const PATIENCE = 4

/**
 * Maximises W(x(p)) − β KL(p‖π) within the guardrails, for a program W that is proven concave and nondecreasing.
 *
 * At β > 0 the policy is the Gibbs policy of the weights and prices, as far as double precision resolves it; at β = 0 it is,
 * among the optimal ones that keep the utilities which count, the one nearest to the reference.
 *
 * @throws OutOfDomain where no policy reaches the domain of W
 * @throws Problem `not-converged` where the certified relative gap stays above 1e-8
 */
export function maximise(problem: WelfareProblem, program: Program): Optimum {
  const lifted = lift(program)
  const start = startOf(problem, lifted)
  const columns = columnsOf(problem)
  const free = newBest()
  const tied = newBest()
  const gibbs = new Float64Array(problem.items)
  let last: Point | null = null
  const iterations = climb(problem, lifted, start, (point) => {
    let better = false
    for (const { multipliers, prices } of last === null ? [point] : [point, limitOf(point, last)]) {
      const tangent = tangentAt(lifted, point.utilities, multipliers, prices)
      // Weights that are all zero are the end of a W that has enough, and no answer.
      if (!tangent.weights.some((weight) => weight > 0)) continue
      better = keep(free, certify(problem, program, point.policy, tangent)) || better
      if (problem.temperature > 0) {
        gibbsInContexts(problem, worthOf(columns, tangent.weights, prices), gibbs)
        better = keep(tied, certify(problem, program, gibbs.slice(), tangent)) || better
      }
    }
    last = point
    const best = Math.min(free.error, problem.temperature > 0 ? tied.error : free.error)
    const all = Math.max(free.error, problem.temperature > 0 ? tied.error : free.error)
    free.stale = better ? 0 : free.stale + 1
    return all <= ROUNDING || (best <= ACCEPTED && free.stale > PATIENCE) || free.stale > 3 * PATIENCE
  })
  const error = Math.min(free.error, problem.temperature > 0 ? tied.error : free.error)
  if ((!(error <= ERROR_LIMIT) || isLight(problem, free)) && isSatiated(problem, lifted, last, start))
    throw satiated()
  if (problem.temperature > 0) {
    // A policy that follows from the weights is what they are for.
    const follows = tied.error <= Math.max(10 * ACCEPTED, free.error)
    return toOptimum(follows ? tied : free, { iterations, unique: true, supportOnly: !follows })
  }
  if (free.certified === null || !(free.error <= ERROR_LIMIT)) throw notConverged(free.error)
  const nearest = nearestTo(problem, lifted, free.certified)
  const found = { ...free, certified: nearest.certified, error: errorOf(nearest.certified) }
  return toOptimum(found, { iterations, unique: nearest.unique, supportOnly: true })
}

/**
 * The multipliers and prices that a point of the path stands for: those that the path takes to zero are zero there.
 *
 * They are the ones that fall with the barrier faster than what they are complementary to (Tapia's indicator), which does not
 * depend on any units.
 */
function limitOf(point: Point, before: Point): Pick<Point, 'multipliers' | 'prices'> {
  const kept = (own: Float64Array, earlier: Float64Array, first: number) =>
    own.map((price, j) => {
      const slack = point.slacks[first + j] / before.slacks[first + j]
      return price / earlier[j] < VANISHING * slack ? 0 : price
    })
  return {
    multipliers: kept(point.multipliers, before.multipliers, 0),
    prices: kept(point.prices, before.prices, point.multipliers.length),
  }
}

type Best = { certified: Certified | null; error: number; gap: number; stale: number }

function newBest(): Best {
  return { certified: null, error: Number.POSITIVE_INFINITY, gap: Number.POSITIVE_INFINITY, stale: 0 }
}

/** Keeps what is better than the best so far; whether the path gets ahead, be it in the gap alone. */
function keep(best: Best, certified: Certified): boolean {
  const error = errorOf(certified)
  const ahead = error < 0.5 * best.error || certified.gap < 0.5 * best.gap
  best.gap = Math.min(best.gap, certified.gap)
  if (error < best.error) Object.assign(best, { certified, error })
  return ahead
}

/** Whether what the weights count is rounding against W. */
function isLight(problem: WelfareProblem, { certified }: Best): boolean {
  if (certified === null) return true
  const { tangent, welfare } = certified
  const reach = reachOf(problem)
  const spread = tangent.weights.reduce((sum, weight, g) => sum + weight * reach[g], 0)
  return spread <= ERROR_LIMIT * Math.abs(welfare)
}

/** A mixture's share below this is none where nothing else is left of the weights. */
const SATED = 1e-4

/**
 * Whether W has its largest value of all at the end of the path: whether a tangent without any weight proves it. What is left
 * there of the shares of branches that still move is what the path has not taken away yet.
 */
function isSatiated(problem: WelfareProblem, lifted: Lifted, end: Point | null, start: Start): boolean {
  if (end === null) return false
  const { policy, utilities, prices, multipliers } = end
  const { shares } = tangentAt(lifted, utilities, multipliers, prices)
  const sated = multipliers.map((price, j) => (j < lifted.branches && shares[j] >= SATED ? price : 0))
  const tangent = tangentAt(
    lifted,
    utilities,
    sated,
    prices.map(() => 0),
  )
  if (tangent.weights.some((weight) => weight > 0)) return false
  const x = new Float64Array(problem.groups)
  utilitiesOf(problem, start.policy, x)
  const began = welfareAt(lifted.program, x)
  // Without weights the best is the reference, or at temperature 0 anything.
  return [policy, problem.reference].some((candidate) => {
    const { gap, welfare, excess } = certify(problem, lifted.program, candidate, tangent)
    const scale = Math.max(Math.abs(welfare), Math.abs(welfare - began), ROUNDING * problem.temperature)
    return excess === 0 && gap <= ERROR_LIMIT * scale
  })
}

function satiated(): Problem {
  return new Problem(
    'welfare-satiated',
    'The expression has its largest value at a policy that can be reached, and nothing that a group gains raises it there: all ' +
      'group weights are zero, and there is no reward to train with. Add a part that always rises, such as 0.01 * mean(x), ' +
      'or raise the levels at which it is satisfied.',
  )
}

function toOptimum(
  { certified, error }: Best,
  { iterations, unique, supportOnly }: { iterations: number; unique: boolean; supportOnly: boolean },
): Optimum {
  if (certified === null || !(error <= ERROR_LIMIT)) throw notConverged(error)
  const { tangent, policy, utilities, welfare, gap, relativeGap } = certified
  const certificate = { gap, relativeGap, iterations, unique }
  return {
    weights: tangent.weights,
    prices: tangent.prices,
    policy,
    utilities,
    welfare,
    supportOnly,
    certificate,
  }
}

function notConverged(error: number): Problem {
  const found = Number.isFinite(error)
    ? `The best policy found has a relative duality gap of ${error.toExponential(2)}`
    : 'No policy could be certified'
  return new Problem(
    'not-converged',
    `${found}, and an answer needs ${ERROR_LIMIT}: utilities, constants of the expression, or the temperature differ by more ` +
      'orders of magnitude than double precision resolves. Choose a scale such as unit-range, or other constants.',
    Number.isFinite(error) ? { evidence: { relativeGap: error } } : {},
  )
}
