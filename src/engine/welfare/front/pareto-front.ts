import { linearProgramSolver } from '../../numeric/linear-program.ts'
import { seededRandom } from '../../numeric/random.ts'
import { gibbsPolicy } from '../gibbs.ts'
import type { Certificate, WelfareProblem } from '../problem.ts'
import { dominance, toleranceOf } from './dominance.ts'
import { simplexLattice } from './lattice.ts'
import { hypervolume, knee } from './shape.ts'
import { type Support, supports } from './support.ts'

/** Everything that no other choice beats for all groups. */
export type ParetoFront = {
  /** At temperature 0: the non-dominated items, each with the weights that support it. */
  items: (Support & { item: number })[] | null
  /** Above: the policies of least trade-off between the groups, one for each of an even spread of weights. */
  policies: { weights: Float64Array; policy: Float64Array; utilities: Float64Array }[] | null
  dominated: { item: number; by: number[] }[]
  hypervolume: { volume: number; error: number }
  /** Index into the items or policies. */
  knee: number
  certificate: Certificate
}

/**
 * The Pareto front: at temperature 0 the items that no other dominates, with the weights under which each is best;
 * above it the policies p_i ∝ π_i e^{(Σ_g λ_g u_gi)/β} over an even lattice of weights λ, each the only best one at
 * its weights.
 *
 * @param seed of what is sampled: shares for three groups and more, the hypervolume for four and more
 */
export async function paretoFront(problem: WelfareProblem, seed: number): Promise<ParetoFront> {
  const { groups, items, utilities: u } = problem
  const random = seededRandom(seed)
  const { front, dominated } = dominance(problem)

  if (problem.temperature > 0) {
    const policies = simplexLattice(groups).map((weights) => policyAt(problem, weights))
    const points = {
      count: policies.length,
      groups,
      utilities: concatenate(policies.map((point) => point.utilities)),
    }
    return {
      items: null,
      policies,
      dominated,
      hypervolume: hypervolume(points, random),
      knee: knee(points),
      certificate: { gap: 0, relativeGap: 0, iterations: 0, unique: policies.length === 1 },
    }
  }

  const found = supports(problem, front, toleranceOf(problem), await linearProgramSolver(), random)
  const columns = front.map((i) => Float64Array.from({ length: groups }, (_, g) => u[g * items + i]))
  const points = { count: front.length, groups, utilities: concatenate(columns) }
  const gap = found.reduce((largest, support) => Math.max(largest, support.gap), 0)
  return {
    items: front.map((item, k) => ({ item, ...found[k] })),
    policies: null,
    dominated,
    hypervolume: hypervolume(points, random),
    knee: knee(points),
    certificate: {
      gap,
      relativeGap: relative(problem, found),
      iterations: front.length,
      unique: front.length === 1,
    },
  }
}

function policyAt(
  { groups, items, utilities: u, reference, temperature }: WelfareProblem,
  weights: Float64Array,
) {
  const values = new Float64Array(items)
  for (let g = 0; g < groups; g++) for (let i = 0; i < items; i++) values[i] += weights[g] * u[g * items + i]
  const policy = new Float64Array(items)
  gibbsPolicy(values, reference, temperature, policy)
  const utilities = new Float64Array(groups)
  for (let g = 0; g < groups; g++)
    for (let i = 0; i < items; i++) utilities[g] += policy[i] * u[g * items + i]
  return { weights, policy, utilities }
}

/** The largest gap of a supported item relative to Σ_g λ_g·range_g. */
function relative({ groups, items, utilities: u }: WelfareProblem, found: Support[]): number {
  let largest = 0
  for (const { weights, gap } of found) {
    if (weights === null || gap === 0) continue
    let spread = 0
    for (let g = 0; g < groups; g++) {
      const row = u.subarray(g * items, (g + 1) * items)
      spread += weights[g] * (row.reduce((a, b) => Math.max(a, b)) - row.reduce((a, b) => Math.min(a, b)))
    }
    largest = Math.max(largest, gap / spread)
  }
  return largest
}

function concatenate(rows: Float64Array[]): Float64Array {
  const width = rows[0]?.length ?? 0
  const all = new Float64Array(rows.length * width)
  rows.forEach((row, k) => {
    all.set(row, k * width)
  })
  return all
}
