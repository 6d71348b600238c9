import { type Random, seededRandom } from '../../numeric/random.ts'
import type { Certificate, WelfareProblem } from '../problem.ts'
import { rangesOf } from '../table.ts'
import { cellsOf } from './cells.ts'
import { type Dominated, dominance, toleranceOf } from './dominance.ts'
import { distinctPoints, inUnits, type Points } from './points.ts'
import { hypervolume, knee } from './shape.ts'
import { sharesOf } from './shares.ts'
import { onSimplex, verdicts } from './support.ts'

/** The front of items: what there is to choose from at temperature 0 without lotteries. */
export type ItemFront = {
  items: FrontItem[]
  dominated: Dominated[]
  /** The items of the front that a lottery beats. */
  lotteryDominated: LotteryDominated[]
  hypervolume: { volume: number; error: number }
  /** Index into the items. */
  knee: number
  certificate: Certificate
}

/** An item that no other dominates, and which group weights make it a best one. */
export type FrontItem = {
  item: number
  /** The centre of those weights, on the simplex; null where there are none, and the item is unsupported. */
  weights: Float64Array | null
  /** How far all weights may move from there, within the simplex, with the item still a best one; 0 where unsupported. */
  radius: number
  /** max_j λ·u_j − λ·u_i at these weights, recomputed. */
  gap: number
  /** The part of the simplex that they fill, and its standard error (0 where it is exact). */
  share: number
  shareError: number
}

/** A lottery that no group likes less than the item, to 1e-9 of its range, and some group more. */
export type LotteryDominated = {
  item: number
  by: { item: number; probability: number }[]
  /** Σ_j q_j u_gj − u_gi; length G. */
  gains: Float64Array
}

/** How much of the time each stage takes on a front that is hard. */
const [COMPARED, DECIDED, CENTRED, MEASURED] = [0.1, 0.4, 0.85, 0.95]

/**
 * The items that no other dominates: those that some weights support, with the weights, and those that a lottery beats, with
 * the lottery.
 *
 * @param seed of what is sampled: shares and hypervolume, for four groups and more
 * @param progress told how much is done, from 0 to 1
 */
export function frontOfItems(
  problem: WelfareProblem,
  seed: number,
  progress: (done: number) => void,
): ItemFront {
  const { groups, items, utilities: u } = problem
  const random: Random = seededRandom(seed)
  const { front, dominated } = dominance(problem, (count) => {
    if (count % 100 === 0) progress((COMPARED * count) / items)
  })
  const all: Points = { count: front.length, groups, utilities: new Float64Array(front.length * groups) }
  front.forEach((item, k) => {
    for (let g = 0; g < groups; g++) all.utilities[k * groups + g] = u[g * items + item]
  })

  const { points, classOf, sizes } = distinctPoints(all)
  const tolerance = toleranceOf(problem)
  const ranges = rangesOf(problem)
  const { verdicts: found, supported } = verdicts(inUnits(points, ranges), random, (count) => {
    progress(COMPARED + ((DECIDED - COMPARED) * count) / points.count)
  })
  const known = Array.from(supported, (i) => {
    const inUnit = found[i].weights as Float64Array
    return onSimplex(inUnit.map((weight, g) => (ranges[g] > 0 ? weight / ranges[g] : weight)))
  })
  const cells = cellsOf(points, supported, known, tolerance, (count) => {
    progress(DECIDED + ((CENTRED - DECIDED) * count) / supported.length)
  })
  const shares = sharesOf(points, supported, cells, sizes, tolerance, random, (done) => {
    progress(CENTRED + (MEASURED - CENTRED) * done)
  })

  const placeOf = new Int32Array(points.count).fill(-1)
  supported.forEach((i, k) => {
    placeOf[i] = k
  })
  const memberOf = new Int32Array(points.count)
  for (let k = front.length - 1; k >= 0; k--) memberOf[classOf[k]] = front[k]
  const lotteryDominated: LotteryDominated[] = []
  const described = front.map((item, k): FrontItem => {
    const { lottery } = found[classOf[k]]
    if (lottery === null) {
      const place = placeOf[classOf[k]]
      return { item, ...cells[place], ...shares[place] }
    }
    const by = lottery.points.map((point, l) => ({
      item: memberOf[point],
      probability: lottery.probabilities[l],
    }))
    const gains = Float64Array.from({ length: groups }, (_, g) =>
      by.reduce(
        (sum, { item: other, probability }) =>
          sum + probability * (u[g * items + other] - u[g * items + item]),
        0,
      ),
    )
    lotteryDominated.push({ item, by: by.sort((a, b) => a.item - b.item), gains })
    return { item, weights: null, radius: 0, gap: 0, share: 0, shareError: 0 }
  })
  const gap = cells.reduce((largest, cell) => Math.max(largest, cell.gap), 0)
  const relativeGap = cells.reduce((largest, cell) => {
    const spread = cell.weights.reduce((sum, weight, g) => sum + weight * ranges[g], 0)
    return Math.max(largest, cell.gap === 0 ? 0 : cell.gap / spread)
  }, 0)
  return {
    items: described,
    dominated,
    lotteryDominated,
    hypervolume: hypervolume(all, random),
    knee: knee(all),
    certificate: { gap, relativeGap, iterations: front.length, unique: front.length === 1 },
  }
}
