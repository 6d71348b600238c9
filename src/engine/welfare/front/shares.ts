import { drawFromSimplex, type Random } from '../../numeric/random.ts'
import type { Cell } from './cells.ts'
import type { Points } from './points.ts'
import { areaOf, cut, type Polygon } from './polygon.ts'

/** The part of the simplex of weights that a cell fills, and its standard error: 0 where it is exact. */
export type Share = { share: number; shareError: number }

/** Sampled weights from which shares are estimated where there are more than three groups: so many, */
const SAMPLES = 20_000
/** or as many as take this number of multiplications, but not less than a tenth. */
const WORK = 5e8
/** A point is best at given weights where it is within this of the best, relative to the spread of all there. */
const TIE = 1e-9

/**
 * The shares of supported points: lengths for two groups, areas for three, both exact, and estimates for more. Points that
 * count as equal share alike.
 *
 * @param rivals indices of the supported points
 * @param cells theirs, in that order
 * @param sizes how many alternatives each point stands for
 * @param measured told how much is done, from 0 to 1
 */
export function sharesOf(
  points: Points,
  rivals: Int32Array,
  cells: Cell[],
  sizes: Int32Array,
  tolerance: Float64Array,
  random: Random,
  measured: (done: number) => void,
): Share[] {
  if (points.groups === 1) {
    const all = rivals.reduce((sum, i) => sum + sizes[i], 0)
    return Array.from(rivals, () => ({ share: 1 / all, shareError: 0 }))
  }
  if (points.groups > 3) return sampled(points, rivals, sizes, random, measured)
  const partOf = points.groups === 2 ? lengthOf : partOfTriangle
  return Array.from(rivals, (i, k) => {
    const twins = twinsOf(points, i, rivals, tolerance)
    const others = twins.length > 1 ? rivals.filter((j) => !twins.includes(j)) : rivals
    const part = partOf(points, i, others, cells[k])
    measured((k + 1) / rivals.length)
    return { share: part / twins.reduce((sum, j) => sum + sizes[j], 0), shareError: 0 }
  })
}

/** The supported points that count as equal to one, itself among them. */
function twinsOf({ groups, utilities: u }: Points, i: number, rivals: Int32Array, tolerance: Float64Array) {
  const twins: number[] = []
  for (const j of rivals) {
    let g = 0
    while (g < groups && Math.abs(u[i * groups + g] - u[j * groups + g]) <= tolerance[g]) g++
    if (g === groups) twins.push(j)
  }
  return twins
}

/** The length of the t in [0, 1] at which t·u_i1 + (1 − t)·u_i2 is largest. */
function lengthOf({ utilities: u }: Points, i: number, others: Int32Array): number {
  let low = 0
  let high = 1
  for (const j of others) {
    if (j === i) continue
    const first = u[2 * i] - u[2 * j]
    const second = u[2 * i + 1] - u[2 * j + 1]
    // Better than the other where second + t·(first − second) ≥ 0.
    const at = second / (second - first)
    if (first > second) low = Math.max(low, at)
    else high = Math.min(high, at)
  }
  return Math.max(0, high - low)
}

/**
 * The area of the cell within the triangle of three weights, as a part of it: the triangle, cut by each rival that reaches
 * closer to the centre than the farthest corner that is left.
 */
function partOfTriangle({ utilities: u }: Points, i: number, others: Int32Array, { weights }: Cell): number {
  let polygon: Polygon = [1, 0, 0, 1, 0, 0]
  const reach = () => {
    let far = 0
    for (let k = 0; k < polygon.length; k += 2) {
      const [a, b] = [polygon[k] - weights[0], polygon[k + 1] - weights[1]]
      far = Math.max(far, a * a + b * b + (a + b) * (a + b))
    }
    return far
  }
  let far = reach()
  for (const j of others) {
    if (j === i) continue
    const [x, y, z] = [u[3 * i] - u[3 * j], u[3 * i + 1] - u[3 * j + 1], u[3 * i + 2] - u[3 * j + 2]]
    const lead = x * weights[0] + y * weights[1] + z * weights[2]
    const inPlane = x * x + y * y + z * z - ((x + y + z) * (x + y + z)) / 3
    if (lead > 0 && lead * lead > far * inPlane) continue
    const kept = cut(polygon, x - z, y - z, z)
    if (kept === null) continue
    polygon = kept
    if (polygon.length === 0) return 0
    far = reach()
  }
  // The triangle itself has an area of one half.
  return 2 * areaOf(polygon)
}

function sampled(
  { groups, utilities: u }: Points,
  rivals: Int32Array,
  sizes: Int32Array,
  random: Random,
  measured: (done: number) => void,
): Share[] {
  const samples = Math.ceil(Math.min(SAMPLES, Math.max(SAMPLES / 10, WORK / (rivals.length * groups))))
  const rows = new Float64Array(rivals.length * groups)
  rivals.forEach((i, k) => {
    rows.set(u.subarray(i * groups, (i + 1) * groups), k * groups)
  })
  const hits = new Float64Array(rivals.length)
  const weights = new Float64Array(groups)
  const values = new Float64Array(rivals.length)
  for (let s = 0; s < samples; s++) {
    drawFromSimplex(random, weights)
    let top = Number.NEGATIVE_INFINITY
    let bottom = Number.POSITIVE_INFINITY
    for (let k = 0, at = 0; k < values.length; k++) {
      let value = 0
      for (let g = 0; g < groups; g++, at++) value += weights[g] * rows[at]
      values[k] = value
      if (value > top) top = value
      if (value < bottom) bottom = value
    }
    const level = top - TIE * (top - bottom)
    let tied = 0
    for (let k = 0; k < values.length; k++) if (values[k] >= level) tied += sizes[rivals[k]]
    for (let k = 0; k < values.length; k++) if (values[k] >= level) hits[k] += 1 / tied
    if (s % 100 === 99) measured((s + 1) / samples)
  }
  return Array.from(hits, (hit) => {
    const share = hit / samples
    // As if one draw more had hit and one missed: a cell that no draw hits is small, and not known to be nothing.
    const near = (hit + 1) / (samples + 2)
    return { share, shareError: Math.sqrt((near * (1 - near)) / samples) }
  })
}
