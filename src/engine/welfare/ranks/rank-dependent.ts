import type { Face, WelfareFunction } from '../problem.ts'
import { utilitarian } from '../utilitarian.ts'
import { type Curve, orderOf } from './curve.ts'
import { searchRanks } from './search.ts'

/**
 * W(x) = Σ_k x_(k) [Φ(N_k) − Φ(N_{k−1})], the utilities from the worst off up, with N_k the population of the k worst
 * off: generalised Gini welfare, for any population (Weymark, Math. Soc. Sci. 1, 1981; Yaari, Econometrica 55, 1987).
 *
 * W is the least λ·x of the weights in Λ = {λ ≥ 0 : Σλ = 1, λ(S) ≤ Φ(n(S)) for every set S of groups}.
 */
export function rankDependent(curve: Curve): WelfareFunction {
  const { rise } = curve
  if (curve.bends?.length === 1) return utilitarian
  const welfareFunction: WelfareFunction = {
    value(x, population) {
      let sum = 0
      let below = 0
      for (const g of orderOf(x)) {
        const upTo = Math.min(1, below + population[g])
        sum += x[g] * rise(below, upTo)
        below = upTo
      }
      return sum
    },
    /**
     * Cuts the concentration curve of λ down to Φ. Since Φ is concave, the sets that can exceed it are those of the groups
     * with the largest λ_g/n_g; what such a set has too much goes to the next group, and the least of two concave curves
     * is concave again, so that this order stays.
     */
    project(weights, population) {
      let total = 0
      for (let g = 0; g < weights.length; g++) {
        weights[g] = Math.max(0, weights[g])
        total += weights[g]
      }
      for (let g = 0; g < weights.length; g++) weights[g] /= total
      let below = 0
      let room = 0
      let carried = 0
      for (const g of orderOf(weights.map((weight, k) => -weight / population[k]))) {
        const upTo = Math.min(1, below + population[g])
        weights[g] += carried
        room += rise(below, upTo) - weights[g]
        carried = Math.max(0, -room)
        weights[g] -= carried
        room = Math.max(0, room)
        below = upTo
      }
    },
    needsGains: false,
    weightlessFrom: (welfare) => welfare,
    link: null,
    search: (problem) => searchRanks(problem, welfareFunction, curve),
    face: (weights, utilities, population) => faceOf(curve, weights, utilities, population),
  }
  return welfareFunction
}

/** What a set has less than its Φ, and this part of a difference in utilities, are the same zero. */
const ALIKE = 1e-3
const NOTHING = 1e-10

/**
 * The utilities at which λ·x = W(x). By complementary slackness, wherever a set of the groups with the largest λ_g/n_g has
 * all of its Φ, whoever is in it has no more than whoever is not; groups between two such sets have the same; and where Φ is
 * straight between several such sets, there is no order between them.
 */
function faceOf(
  { rise }: Curve,
  weights: Float64Array,
  utilities: Float64Array,
  population: Float64Array,
): Face {
  const order = orderOf(weights.map((weight, g) => -weight / population[g]))
  const spread = utilities.reduce((a, b) => Math.max(a, b)) - utilities.reduce((a, b) => Math.min(a, b))
  // Blocks of groups between sets that have all of their Φ, and the slope of Φ over each.
  const blocks: { members: number[]; from: number; to: number }[] = []
  let members: number[] = []
  let from = 0
  let to = 0
  let room = 0
  order.forEach((g, place) => {
    members.push(g)
    const upTo = Math.min(1, to + population[g])
    room += rise(to, upTo) - weights[g]
    to = upTo
    const lead = leadOf(order, place, utilities)
    const full = room <= Math.max(NOTHING, ALIKE * (spread > 0 ? lead / spread : 0))
    if (!full && place + 1 < order.length) return
    blocks.push({ members, from, to })
    members = []
    from = to
  })
  const combination = (more: number, less: number) =>
    weights.map((_, g) => (g === more ? 1 : 0) - (g === less ? 1 : 0))
  const held: Float64Array[] = []
  const atLeast: Float64Array[] = []
  // Sets of one slope, between which there is no order.
  let run: number[] = []
  let lower: number[] = []
  let slope = Number.NaN
  for (const block of blocks) {
    for (const g of block.members.slice(1)) held.push(combination(g, block.members[0]))
    const own = rise(block.from, block.to) / (block.to - block.from)
    if (!(Math.abs(own - slope) <= NOTHING * Math.abs(slope))) {
      lower = run
      run = []
      slope = own
    }
    run.push(...block.members)
    for (const more of block.members) for (const less of lower) atLeast.push(combination(more, less))
  }
  return { held, atLeast }
}

/** By how much the worst off of those after a place are better off than the best off up to it. */
function leadOf(order: readonly number[], place: number, utilities: Float64Array): number {
  let high = Number.NEGATIVE_INFINITY
  let low = Number.POSITIVE_INFINITY
  order.forEach((g, k) => {
    if (k <= place) high = Math.max(high, utilities[g])
    else low = Math.min(low, utilities[g])
  })
  return Math.max(0, low - high)
}
