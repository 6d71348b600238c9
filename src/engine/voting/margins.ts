/**
 * Who beats whom among n items, and by how much: all that the voting rules look at.
 *
 * Margins that the numbers cannot tell apart are made equal here, once, so that every rule sees the same ties and compares
 * exactly.
 */
export type Margins = {
  /** Number of items n. */
  items: number
  /** m, n × n, row-major, m_ij = −m_ji: how far i is preferred to j. */
  values: Float64Array
  /** n × n, row-major: 0 where i does not beat j; else the place of m_ij among all different positive margins, from 1. */
  levels: Int32Array
  /** The margin of each level, ascending; that of level 0 is 0. */
  strengths: Float64Array
  /** Margins this close to each other, or to zero, were made equal; 0 where all are exact. */
  tolerance: number
}

/**
 * Puts margins in order.
 *
 * Positive margins are sorted, and neighbours no farther apart than the tolerance become one: the middle of the lowest and
 * the highest of them. So no two that are that close are ever told apart.
 *
 * @param raw n × n, row-major; only what is above the diagonal is read
 */
export function marginsOf(raw: Float64Array, items: number, tolerance: number): Margins {
  const n = items
  const sizes = new Float64Array((n * (n - 1)) / 2)
  let filled = 0
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) sizes[filled++] = Math.abs(raw[i * n + j])
  sizes.sort()

  // The largest size of each level, and its margin.
  const tops: number[] = []
  const strengths: number[] = []
  for (let from = 0; from < filled; ) {
    let to = from
    while (to + 1 < filled && sizes[to + 1] - sizes[to] <= tolerance) to++
    const zero = from === 0 && sizes[0] <= tolerance
    if (from === 0 && !zero) {
      tops.push(0)
      strengths.push(0)
    }
    tops.push(sizes[to])
    strengths.push(zero ? 0 : sizes[from] + (sizes[to] - sizes[from]) / 2)
    from = to + 1
  }

  const values = new Float64Array(n * n)
  const levels = new Int32Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const given = raw[i * n + j]
      const level = firstAtLeast(tops, Math.abs(given))
      if (level === 0) continue
      const [winner, loser] = given > 0 ? [i * n + j, j * n + i] : [j * n + i, i * n + j]
      levels[winner] = level
      values[winner] = strengths[level]
      values[loser] = -strengths[level]
    }
  }
  return { items, values, levels, strengths: Float64Array.from(strengths), tolerance }
}

/** The index of the first of some ascending values that is at least so large. */
function firstAtLeast(ascending: readonly number[], value: number): number {
  let low = 0
  let high = ascending.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (ascending[middle] < value) low = middle + 1
    else high = middle
  }
  return low
}

/** The margins among some of the items, in the order in which they are named. */
export function marginsAmong({ items: n, values }: Margins, some: readonly number[]): Float64Array {
  const among = new Float64Array(some.length * some.length)
  some.forEach((i, a) => {
    some.forEach((j, b) => {
      among[a * some.length + b] = values[i * n + j]
    })
  })
  return among
}
