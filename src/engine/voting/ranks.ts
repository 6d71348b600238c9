/**
 * Competition ranks (1, 1, 3) by score, the highest first: those within the slack of the first of a rank share it.
 *
 * @returns the rank of each item
 */
export function ranksByScore(scores: ArrayLike<number>, slack: number): Int32Array {
  const order = Array.from(scores, (_, item) => item).sort((a, b) => scores[b] - scores[a] || a - b)
  const ranks = new Int32Array(order.length)
  let leader = 0
  order.forEach((item, place) => {
    if (scores[order[leader]] - scores[item] > slack) leader = place
    ranks[item] = leader + 1
  })
  return ranks
}

/**
 * Ranks by a transitive relation: one more than the number of items that stand above.
 *
 * @param above whether the first item stands above the second
 */
export function ranksByRelation(items: number, above: (a: number, b: number) => boolean): Int32Array {
  const ranks = new Int32Array(items).fill(1)
  for (let a = 0; a < items; a++) for (let b = 0; b < items; b++) if (a !== b && above(a, b)) ranks[b]++
  return ranks
}

/** The items of rank 1. */
export function firstOf(ranks: Int32Array): number[] {
  return Array.from(ranks.keys()).filter((item) => ranks[item] === 1)
}
