import { drawFromSimplex, type Random } from '../../numeric/random.ts'
import { areaOf, cut, type Polygon } from './polygon.ts'
import type { Touching } from './sandwich.ts'
import type { Volume } from './shape.ts'
import { type HalfSpaces, optimalVertex } from './vertex.ts'

/** The volume above the anchors of what a convex front reaches: at least, and at most. */
export type RegionVolume = { inner: Volume; outer: Volume }

/** Directions from the anchors in which the region is measured. */
const DIRECTIONS = 2000
/** A point this far below the anchor of a group, in units of the most it can have, adds nothing to mixtures above them. */
const FAR = 1e6

/**
 * The volume of {z ≥ 0 : some point of the front has as much for every group}, between that of the mixtures of the points
 * that were touched and that of the half-spaces that touch them there. Exact for two groups; for more an average over
 * directions: the volume is E[ρ(d)^G]/G!, where ρ(d) is how far the region reaches in a direction d drawn from the simplex.
 *
 * @param best what each group has at most; length G
 */
export function regionVolume(touched: Touching[], best: Float64Array, random: Random): RegionVolume {
  const none = { volume: 0, error: 0 }
  if (best.some((most) => !(most > 0))) return { inner: none, outer: none }
  if (best.length === 1)
    return { inner: { volume: touched[0].point[0], error: 0 }, outer: { volume: touched[0].value, error: 0 } }
  return best.length === 2 ? areas(touched, best) : sampled(touched, best, random)
}

function areas(touched: Touching[], [first, second]: Float64Array): RegionVolume {
  const box: Polygon = [0, 0, first, 0, first, second, 0, second]
  let outer = box
  for (const { weights, value } of touched) outer = cut(outer, -weights[0], -weights[1], value) ?? outer
  const sorted = touched.map(({ point }) => point).sort((a, b) => a[0] - b[0] || b[1] - a[1])
  // What is below the chords from each point to the next, and no further than the first and the last.
  let inner = cut(box, -1, 0, sorted[sorted.length - 1][0]) ?? box
  inner = cut(inner, 0, -1, sorted[0][1]) ?? inner
  for (let k = 1; k < sorted.length; k++) {
    const [a, b] = [sorted[k - 1], sorted[k]]
    const [p, q] = [a[1] - b[1], b[0] - a[0]]
    if (p > 0 && q > 0) inner = cut(inner, -p, -q, p * a[0] + q * a[1]) ?? inner
  }
  return { inner: { volume: areaOf(inner), error: 0 }, outer: { volume: areaOf(outer), error: 0 } }
}

function sampled(touched: Touching[], best: Float64Array, random: Random): RegionVolume {
  const groups = best.length
  // In units of what each group has at most, in which no direction is like another.
  const points = touched
    .map(({ point }) => point.map((value, g) => value / best[g]))
    .filter((point) => point.every((value) => value > -FAR))
  const faces = touched.map(({ weights, value }) => ({
    normal: weights.map((weight, g) => weight * best[g]),
    value,
  }))
  let unit = 1
  for (let g = 0; g < groups; g++) unit *= best[g] / (g + 1)
  const inner = new Float64Array(DIRECTIONS)
  const outer = new Float64Array(DIRECTIONS)
  const direction = new Float64Array(groups)
  for (let s = 0; s < DIRECTIONS; s++) {
    drawFromSimplex(random, direction)
    let most = Number.POSITIVE_INFINITY
    for (const { normal, value } of faces) {
      let along = 0
      for (let g = 0; g < groups; g++) along += normal[g] * direction[g]
      most = Math.min(most, value / along)
    }
    outer[s] = unit * Math.max(0, most) ** groups
    inner[s] = unit * Math.min(most, Math.max(0, reachOf(points, direction))) ** groups
  }
  return { inner: meanOf(inner), outer: meanOf(outer) }
}

/** The largest ρ such that some mixture of points has at least ρ·d_g for every g: min over λ ≥ 0 with λ·d = 1 of max_k λ·y_k. */
function reachOf(points: Float64Array[], direction: Float64Array): number {
  const groups = direction.length
  const objective = new Float64Array(groups + 1)
  objective[groups] = -1
  let low = 0
  for (let g = 0; g < groups; g++)
    low -= points.reduce((most, point) => Math.max(most, Math.abs(point[g])), 0) / direction[g]
  // In (λ, h): 0 is λ·d = 1, 1 … G are λ_g ≥ 0, G + 1 is h ≥ low, and G + 2 + k is h ≥ λ·y_k.
  const program: HalfSpaces = {
    dimension: groups + 1,
    objective,
    basis: [0, ...Array.from({ length: groups - 1 }, (_, g) => g + 2), groups + 1],
    equation: 0,
    write(k, row) {
      row.fill(0)
      if (k === 0) {
        row.set(direction)
        return 1
      }
      if (k <= groups) {
        row[k - 1] = 1
        return 0
      }
      row[groups] = 1
      if (k === groups + 1) return low
      for (let g = 0; g < groups; g++) row[g] = -points[k - groups - 2][g]
      return 0
    },
    mostViolated(z) {
      let worst = -1
      let violation = 1e-11
      for (let g = 0; g < groups; g++) {
        if (-z[g] * direction[g] > violation) {
          violation = -z[g] * direction[g]
          worst = g + 1
        }
      }
      points.forEach((point, k) => {
        let value = -z[groups]
        for (let g = 0; g < groups; g++) value += z[g] * point[g]
        if (value > violation) {
          violation = value
          worst = groups + 2 + k
        }
      })
      return worst
    },
  }
  return optimalVertex(program).z[groups]
}

function meanOf(values: Float64Array): Volume {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
  return { volume: mean, error: Math.sqrt(squares / values.length) }
}
