import { seededRandom } from '../../numeric/random.ts'
import type { Certificate, WelfareProblem } from '../problem.ts'
import { rangesOf } from '../table.ts'
import { type Best, bestPolicy } from './best-policy.ts'
import { type Dominated, dominance } from './dominance.ts'
import { type RegionVolume, regionVolume } from './region.ts'
import { sandwich, type Touching } from './sandwich.ts'
import { hypervolume, knee } from './shape.ts'
import { onSimplex } from './support.ts'

/** The front of policies, as a list that stands for it. */
export type PolicyFront = {
  /** Best policies at weights (on the simplex), from those at the last group's corner to those at the first's. */
  policies: (Best & { weights: Float64Array })[]
  approximation: Approximation
  dominated: Dominated[]
  hypervolume: RegionVolume
  /** Index into the policies. */
  knee: number
  certificate: Certificate
}

/** How well the policies stand for the front. */
export type Approximation = {
  /**
   * No policy gives every group more, net of the KL term, than some mixture of those listed by more than this part of what is
   * at stake for it: the difference between its best corner of the front and its worst.
   */
  gap: number
  /** The gap that was aimed at; it is missed where the front would take more policies than `limit`. */
  tolerance: number
  limit: number
}

/** Where the gap is this, two pictures of the front look the same. */
const TOLERANCE = 1e-3
/** As many policies as are told, and as many probabilities in all of them. */
const [MOST_POLICIES, MOST_ENTRIES] = [250, 1_000_000]
/** The bounds of so many cells are computed for one group; a bound takes a time of the order of G³. */
const BOUNDS = 1e7
/** Groups whose best and worst corner differ by less than this part of their range have nothing at stake. */
const NOTHING = 1e-6
/** At temperature 0 the best policies of one group may differ for the others: weights of this size choose. */
const TIE_BREAK = 1e-6
/** Where there are more groups, the region that mixtures reach is not measured: it would take too many directions. */
const MEASURED_GROUPS = 8

/**
 * The front of policies: at a temperature above 0, or where policies must keep to guardrails or choose in several contexts,
 * the policies that are best at some group weights, as a list that is grown where it stands for the front worst. In utilities
 * net of the KL term the front is convex, and so every point of it is the best one at some weights.
 *
 * @param seed of what is sampled: the hypervolume, for three groups and more
 * @param progress told how much is done, from 0 to 1
 * @throws Problem what the optimum under guardrails throws
 */
export function frontOfPolicies(
  given: WelfareProblem,
  seed: number,
  progress: (done: number) => void,
): PolicyFront {
  const { groups, items, temperature } = given
  // From each group's least utility up, where small differences have their own digits.
  const least = lowestOf(given)
  const problem = { ...given, utilities: given.utilities.map((u, k) => u - least[Math.floor(k / items)]) }
  const random = seededRandom(seed)
  const ranges = rangesOf(problem).map((range) => (range > 0 ? range : 1))
  const corners = Array.from({ length: groups }, (_, g) =>
    touchedAt(
      problem,
      ranges,
      Float64Array.from({ length: groups }, (_, h) => (h === g ? 1 : 0)),
    ),
  )
  const low = new Float64Array(groups)
  const unit = new Float64Array(groups)
  for (let g = 0; g < groups; g++) {
    const values = corners.map(({ best }) => best.net[g])
    low[g] = Math.min(...values)
    const stake = Math.max(...values) - low[g]
    unit[g] = stake > NOTHING * ranges[g] ? stake : ranges[g]
  }

  const limit = Math.max(groups + 1, Math.min(MOST_POLICIES, Math.floor(MOST_ENTRIES / items)))
  const limits = { gap: TOLERANCE, points: limit, bounds: Math.max(1, Math.floor(BOUNDS / groups ** 3)) }
  const solved: ReturnType<typeof touchedAt>[] = []
  const { touched, gap } = sandwich(
    groups,
    (weights): Touching => {
      const found = touchedAt(problem, unit, weights)
      solved.push(found)
      let value = found.value
      const point = new Float64Array(groups)
      for (let g = 0; g < groups; g++) {
        value -= weights[g] * (low[g] / unit[g])
        point[g] = (found.best.net[g] - low[g]) / unit[g]
      }
      return { weights, value, point }
    },
    limits,
    (points) => progress(0.9 * Math.min(1, points / limit)),
  )

  const policies = distinct(touched, solved).map((found) => ({
    ...found,
    utilities: found.utilities.map((utility, g) => utility + least[g]),
    net: found.net.map((utility, g) => utility + least[g]),
  }))
  const net = {
    count: policies.length,
    groups,
    utilities: Float64Array.from(policies.flatMap((policy) => Array.from(policy.net))),
  }
  const excess = policies.reduce((most, policy) => Math.max(most, policy.excess), 0)
  const alone = problem.contexts.weights.length === 1 && problem.guardrails.limits.length === 0
  const faces = solved.map(({ best, raw, value }): Touching => {
    const weights = onSimplex(raw)
    const size = raw.reduce((sum, weight) => sum + weight, 0)
    return {
      weights,
      value: value / size + weights.reduce((sum, weight, g) => sum + weight * least[g], 0),
      point: best.net.map((utility, g) => utility + least[g]),
    }
  })
  const best = Float64Array.from({ length: groups }, (_, g) => faces[g].value)
  return {
    policies,
    approximation: { gap, tolerance: TOLERANCE, limit },
    dominated: alone ? dominance(problem).dominated : [],
    hypervolume:
      groups <= MEASURED_GROUPS
        ? regionVolume(faces, best, random)
        : { inner: hypervolume(net, random), outer: { volume: Number.POSITIVE_INFINITY, error: 0 } },
    knee: knee(net),
    certificate: {
      gap: excess,
      relativeGap: policies.reduce(
        (most, policy) => Math.max(most, policy.excess === 0 ? 0 : policy.excess / spread(policy.weights)),
        0,
      ),
      iterations: touched.length,
      unique: temperature > 0 && policies.length === 1,
    },
  }

  function spread(weights: Float64Array): number {
    return weights.reduce((sum, weight, g) => sum + weight * ranges[g], 0)
  }
}

/**
 * The best policy at weights in units of so much per group, with λ·y there in these units, at most. Where a weight is 0 and
 * the temperature too, ties are broken by small weights, so that the policy is not beaten for the groups that have none.
 */
function touchedAt(problem: WelfareProblem, unit: Float64Array, inUnits: Float64Array) {
  const raw = inUnits.map((weight, g) => weight / unit[g])
  const exact = bestPolicy(problem, onSimplex(raw))
  const worth = raw.reduce((sum, weight, g) => sum + weight * exact.net[g], 0)
  const size = raw.reduce((sum, weight) => sum + weight, 0)
  const value = worth + size * exact.excess
  if (problem.temperature > 0 || inUnits.every((weight) => weight > TIE_BREAK))
    return { raw, value, best: exact, weights: onSimplex(raw) }
  const mixed = onSimplex(inUnits.map((weight, g) => Math.max(weight, TIE_BREAK) / unit[g]))
  return { raw, value, best: bestPolicy(problem, mixed), weights: mixed }
}

/** The least utility of each group; length G. */
function lowestOf({ groups, items, utilities: u }: WelfareProblem): Float64Array {
  return Float64Array.from({ length: groups }, (_, g) => {
    let low = Number.POSITIVE_INFINITY
    for (let i = g * items; i < (g + 1) * items; i++) if (u[i] < low) low = u[i]
    return low
  })
}

/** Each policy once, in the order of its weights. */
function distinct(touched: Touching[], solved: { best: Best; weights: Float64Array }[]) {
  const byPoint = new Map<string, Best & { weights: Float64Array }>()
  touched.forEach(({ point }, k) => {
    const name = point.join()
    if (!byPoint.has(name)) byPoint.set(name, { ...solved[k].best, weights: solved[k].weights })
  })
  return [...byPoint.values()].sort((a, b) => {
    for (let g = 0; g < a.weights.length; g++)
      if (a.weights[g] !== b.weights[g]) return a.weights[g] - b.weights[g]
    return 0
  })
}
