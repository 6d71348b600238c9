import type { Random } from '../../numeric/random.ts'
import type { Points } from './points.ts'

const SAMPLES = 20_000

/** A volume and its standard error: 0 where it is exact. */
export type Volume = { volume: number; error: number }

/**
 * The hypervolume: the volume of {x ≥ 0 : x ≤ some point}, above the anchors, where utilities are 0. Exact for up to three
 * groups, by sweeping one utility; sampled above that.
 */
export function hypervolume({ count, groups, utilities }: Points, random: Random): Volume {
  const kept: Float64Array[] = []
  for (let k = 0; k < count; k++) {
    const point = utilities.subarray(k * groups, (k + 1) * groups)
    if (point.every((value) => value > 0)) kept.push(point)
  }
  if (kept.length === 0) return { volume: 0, error: 0 }
  if (groups <= 3) {
    // Fewer coordinates are as good as three with sides of 1.
    const sided = kept.map((point) => [point[0], point[1] ?? 1, point[2] ?? 1] as const)
    return { volume: swept(sided), error: 0 }
  }
  return sampled(kept, groups, random)
}

/**
 * From the largest last coordinate down: the slice between two levels is the area under the staircase of the points above.
 * The staircase has its first coordinates ascending and its second descending.
 */
function swept(points: (readonly [number, number, number])[]): number {
  const sorted = points.toSorted((a, b) => b[2] - a[2])
  const first = new Float64Array(sorted.length)
  const second = new Float64Array(sorted.length)
  let steps = 0
  let area = 0
  let volume = 0
  for (let k = 0; k < sorted.length; k++) {
    const [x, y, level] = sorted[k]
    // Steps from `from` on reach at least as far as x; those before it that are no higher than y are covered.
    let from = 0
    for (let end = steps; from < end; ) {
      const middle = (from + end) >> 1
      if (first[middle] < x) from = middle + 1
      else end = middle
    }
    if (from === steps || second[from] < y) {
      let begin = from
      while (begin > 0 && second[begin - 1] <= y) begin--
      const end = from < steps && first[from] === x ? from + 1 : from
      const left = begin > 0 ? first[begin - 1] : 0
      const beyond = end < steps ? second[end] : 0
      area += (x - left) * (y - beyond)
      for (let s = begin; s < end; s++) area -= (first[s] - (s > 0 ? first[s - 1] : 0)) * (second[s] - beyond)
      first.copyWithin(begin + 1, end, steps)
      second.copyWithin(begin + 1, end, steps)
      first[begin] = x
      second[begin] = y
      steps += 1 - (end - begin)
    }
    volume += area * (level - (k + 1 < sorted.length ? sorted[k + 1][2] : 0))
  }
  return volume
}

/**
 * An unbiased estimate, from points drawn in the box of the groups' best, or where that is larger than all boxes together,
 * from points drawn in a box that is itself drawn by volume, each counted as one over the number of boxes that hold it
 * (Karp & Luby, FOCS 1983).
 */
function sampled(points: Float64Array[], groups: number, random: Random): Volume {
  const volumes = points.map((point) => point.reduce((product, side) => product * side, 1))
  const total = volumes.reduce((sum, volume) => sum + volume, 0)
  const best = Float64Array.from({ length: groups }, (_, g) =>
    points.reduce((top, point) => Math.max(top, point[g]), 0),
  )
  const box = best.reduce((product, side) => product * side, 1)
  if (!Number.isFinite(total)) return { volume: Number.POSITIVE_INFINITY, error: Number.POSITIVE_INFINITY }
  if (total === 0) return { volume: 0, error: 0 }

  // Large boxes first: most draws are then found in one of the first.
  const order = volumes.map((_, k) => k).sort((a, b) => volumes[b] - volumes[a])
  const corners = new Float64Array(points.length * groups)
  const upTo = new Float64Array(points.length)
  let sum = 0
  order.forEach((k, place) => {
    corners.set(points[k], place * groups)
    sum += volumes[k] / total
    upTo[place] = sum
  })
  const draw = new Float64Array(groups)
  const holds = (place: number) => {
    const at = place * groups
    for (let g = 0; g < groups; g++) if (corners[at + g] < draw[g]) return false
    return true
  }
  let mean = 0
  let squares = 0
  const whole = box <= total
  for (let s = 0; s < SAMPLES; s++) {
    let value = 0
    if (whole) {
      for (let g = 0; g < groups; g++) draw[g] = best[g] * random()
      let place = 0
      while (place < points.length && !holds(place)) place++
      value = place < points.length ? 1 : 0
    } else {
      const at = random() * sum
      let chosen = 0
      while (chosen < points.length - 1 && upTo[chosen] <= at) chosen++
      for (let g = 0; g < groups; g++) draw[g] = corners[chosen * groups + g] * random()
      let held = 0
      for (let place = 0; place < points.length; place++) if (holds(place)) held++
      value = 1 / held
    }
    mean += value / SAMPLES
    squares += (value * value) / SAMPLES
  }
  const size = whole ? box : total
  return { volume: size * mean, error: size * Math.sqrt(Math.max(0, squares - mean * mean) / SAMPLES) }
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
