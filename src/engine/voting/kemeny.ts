import { type Margins, marginsAmong } from './margins.ts'

/** The order that agrees most with the margins. */
export type Kemeny = {
  rule: 'kemeny'
  /** The items that come first in some optimal order; null where the order was not found. */
  winners: number[] | null
  /** An optimal order, best first: of several the first by the order of the items. */
  order: number[] | null
  /** Σ m_ij over all i above j. */
  score: number | null
  /** How many orders are optimal; infinite where that is beyond the largest number. */
  orders: number | null
  /** The largest set of items, among which majorities go round in circles or tie, that has to be ordered as a whole. */
  largest: number
}

/** Sets of more items have too many subsets. */
export const KEMENY_LIMIT = 16

/**
 * Kemeny's rule: an order that maximises Σ m_ij over all i above j (Kemeny, Daedalus 88, 1959).
 *
 * Where everything in one set beats everything in another, every optimal order has the first above the second (Truchon,
 * 1998). So each tier is ordered for itself, by dynamic programming over its subsets.
 *
 * @param tiers from condorcet
 */
export function kemeny(margins: Margins, tiers: readonly number[][]): Kemeny {
  const largest = tiers.reduce((most, { length }) => Math.max(most, length), 0)
  if (largest > KEMENY_LIMIT)
    return { rule: 'kemeny', winners: null, order: null, score: null, orders: null, largest }
  const pieces = tiers.map((tier) => orderPiece(marginsAmong(margins, tier), tier.length, margins.tolerance))
  const order = pieces.flatMap((piece, t) => piece.order.map((a) => tiers[t][a]))
  let score = 0
  order.forEach((i, place) => {
    for (let below = place + 1; below < order.length; below++)
      score += margins.values[i * margins.items + order[below]]
  })
  return {
    rule: 'kemeny',
    winners: pieces[0].firsts.map((a) => tiers[0][a]),
    order,
    score,
    orders: pieces.reduce((product, { orders }) => product * orders, 1),
    largest,
  }
}

/**
 * All optimal orders of m items, in O(m²·2^m): the best order of a set has some item on top, and below it the best order
 * of the rest.
 *
 * Sums that differ by less than their margins can be told apart count as equal.
 */
function orderPiece(values: Float64Array, m: number, tolerance: number) {
  const all = 2 ** m - 1
  const slack = (tolerance * m * (m - 1)) / 2
  // For each set of items, as bits: the most that an order of it scores, and how many do.
  const best = new Float64Array(all + 1)
  const orders = new Float64Array(all + 1)
  orders[0] = 1
  /** What the items of a set score together with a on top of them. */
  const onTop = (a: number, rest: number) => {
    let sum = best[rest]
    for (let b = 0; b < m; b++) if ((rest >> b) & 1) sum += values[a * m + b]
    return sum
  }
  const scores = new Float64Array(m)
  for (let set = 1; set <= all; set++) {
    let most = Number.NEGATIVE_INFINITY
    for (let a = 0; a < m; a++) {
      if (((set >> a) & 1) === 0) continue
      scores[a] = onTop(a, set ^ (1 << a))
      if (scores[a] > most) most = scores[a]
    }
    best[set] = most
    for (let a = 0; a < m; a++)
      if ((set >> a) & 1 && most - scores[a] <= slack) orders[set] += orders[set ^ (1 << a)]
  }
  const firsts = (set: number) => {
    const tops: number[] = []
    for (let a = 0; a < m; a++)
      if ((set >> a) & 1 && best[set] - onTop(a, set ^ (1 << a)) <= slack) tops.push(a)
    return tops
  }
  const order: number[] = []
  for (let set = all; set > 0; ) {
    const [top] = firsts(set)
    order.push(top)
    set ^= 1 << top
  }
  return { order, firsts: firsts(all), orders: orders[all] }
}
