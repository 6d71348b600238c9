import type { Random } from '../../numeric/random.ts'

/** Points of a front, as utilities of the groups: count × G, row-major. */
export type Points = { count: number; groups: number; utilities: Float64Array }

const SAMPLES = 20_000
const EXACT_GROUPS = 3

/**
 * The hypervolume: the volume of {x ≥ 0 : x ≤ some point}, above the anchors, where utilities are 0. Exact for up to
 * three groups, by sweeping one utility; sampled in the box of the groups' best above that.
 */
export function hypervolume(
  { count, groups, utilities }: Points,
  random: Random,
): { volume: number; error: number } {
  const points = Array.from({ length: count }, (_, k) =>
    utilities.slice(k * groups, (k + 1) * groups),
  ).filter((point) => point.every((value) => value > 0))
  if (points.length === 0) return { volume: 0, error: 0 }
  if (groups <= EXACT_GROUPS) return { volume: sweep(points, groups), error: 0 }

  const best = points[0].map((_, g) => points.reduce((top, point) => Math.max(top, point[g]), 0))
  const box = best.reduce((product, side) => product * side, 1)
  const sample = new Float64Array(groups)
  let inside = 0
  for (let s = 0; s < SAMPLES; s++) {
    for (let g = 0; g < groups; g++) sample[g] = best[g] * random()
    if (points.some((point) => point.every((value, g) => value >= sample[g]))) inside++
  }
  const share = inside / SAMPLES
  return { volume: share * box, error: box * Math.sqrt((share * (1 - share)) / SAMPLES) }
}

/** Slices along the last coordinate: between two levels, the slice is the front of the points above them. */
function sweep(points: Float64Array[], dimension: number): number {
  if (dimension === 1) return points.reduce((top, point) => Math.max(top, point[0]), 0)
  const last = dimension - 1
  const sorted = points.toSorted((a, b) => b[last] - a[last])
  let volume = 0
  for (let k = 0; k < sorted.length; k++) {
    const below = k + 1 < sorted.length ? sorted[k + 1][last] : 0
    const thickness = sorted[k][last] - below
    if (thickness > 0) volume += thickness * sweep(sorted.slice(0, k + 1), last)
  }
  return volume
}

/**
 * The knee: the point nearest to the ideal, at which every group would have its best on the front, when each group's
 * range on the front counts as 1 (Zeleny's compromise solution, 1973, in the Euclidean norm).
 *
 * @returns the index of the point; the first of several
 */
export function knee({ count, groups, utilities }: Points): number {
  const low = new Float64Array(groups).fill(Number.POSITIVE_INFINITY)
  const high = new Float64Array(groups).fill(Number.NEGATIVE_INFINITY)
  for (let k = 0; k < count; k++) {
    for (let g = 0; g < groups; g++) {
      low[g] = Math.min(low[g], utilities[k * groups + g])
      high[g] = Math.max(high[g], utilities[k * groups + g])
    }
  }
  let nearest = 0
  let least = Number.POSITIVE_INFINITY
  for (let k = 0; k < count; k++) {
    let squares = 0
    for (let g = 0; g < groups; g++) {
      if (high[g] > low[g]) squares += ((high[g] - utilities[k * groups + g]) / (high[g] - low[g])) ** 2
    }
    if (squares < least - 1e-12) {
      least = squares
      nearest = k
    }
  }
  return nearest
}
