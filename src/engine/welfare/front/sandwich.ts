import { onSimplex } from './support.ts'
import { type HalfSpaces, optimalVertex } from './vertex.ts'

/** A point of a convex front, touched by the hyperplane of some weights. */
export type Touching = {
  /** λ on the simplex; length G. */
  weights: Float64Array
  /** D(λ), or a little more: no point y of the front has λ·y above it. */
  value: number
  /** Where the front is touched, or nearly; length G. */
  point: Float64Array
}

/** When to stop: at a gap, a number of points, or a number of bounds computed. */
export type Limits = { gap: number; points: number; bounds: number }

/** A part of the simplex of weights: the convex hull of G weights, as indices into all that were touched. */
type Cell = { corners: number[]; bound: number; bounded: boolean }

/** At temperature 0 many weights lead to the same point: they are solved for so many times as often as points are told. */
const REPEATS = 4
/** More than rounding can hide of a bound. */
const ROUNDING = 1e-10
/** What a half-space of a bound may be violated by. */
const VIOLATED = 1e-11

/**
 * A set of points that stands for a whole convex front, grown where it stands for it worst.
 *
 * D(λ) = max_y λ·y is convex, so that within the hull of weights λ_k, D(Σ c_k λ_k) ≤ Σ c_k D(λ_k), and every point y_l found
 * so far holds it up: D(λ) ≥ λ·y_l. The largest distance between the two over a cell,
 *
 * max_c min_l Σ_k c_k (D(λ_k) − λ_k·y_l),
 *
 * is a linear program. The cell where it is largest is split along the side where two corners differ most by the same measure,
 * at the weights where they do, which are then solved for: for two groups the sandwich algorithm (Rote, Computing 48, 1992).
 *
 * @param touch solves for weights; equal results mean equal points
 * @param found told of the number of points and the gap
 * @returns what was touched, and the gap: at no weights is a point of the front better than the best one returned by more; so
 *   that, by the minimax theorem, no point of the front gives every group that much more than some mixture of those returned
 */
export function sandwich(
  groups: number,
  touch: (weights: Float64Array) => Touching,
  limits: Limits,
  found: (points: number, gap: number) => void,
): { touched: Touching[]; gap: number } {
  const touched: Touching[] = []
  const different = new Set<string>()
  const add = (weights: Float64Array) => {
    const touching = touch(weights)
    touched.push(touching)
    different.add(touching.point.join())
    return touched.length - 1
  }
  const first = Array.from({ length: groups }, (_, g) =>
    add(Float64Array.from({ length: groups }, (_, h) => (h === g ? 1 : 0))),
  )
  if (groups === 1) return { touched, gap: Math.max(0, touched[0].value - touched[0].point[0]) }

  const cells: Cell[] = [{ corners: first, bound: Number.POSITIVE_INFINITY, bounded: false }]
  /** Where a side was split, by its ends: cells that share the side share the point. */
  const splits = new Map<string, number>()
  let bounds = 0
  for (;;) {
    let at = 0
    for (let c = 1; c < cells.length; c++) if (cells[c].bound > cells[at].bound) at = c
    const cell = cells[at]
    found(different.size, cell.bound)
    if (cell.bound <= limits.gap) return { touched, gap: cell.bound }
    if (!cell.bounded) {
      if (bounds >= limits.bounds) return { touched, gap: cell.bound }
      bounds++
      cell.bound = Math.min(cell.bound, largestGap(groups, touched, cell.corners))
      cell.bounded = true
      continue
    }
    if (different.size >= limits.points || touched.length >= REPEATS * limits.points)
      return { touched, gap: cell.bound }

    const { one, other, part } = longestSide(touched, cell.corners)
    const name = `${Math.min(one, other)},${Math.max(one, other)}`
    let middle = splits.get(name)
    if (middle === undefined) {
      const { weights: from } = touched[one]
      const { weights: to } = touched[other]
      middle = add(onSimplex(from.map((weight, g) => (1 - part) * weight + part * to[g])))
      splits.set(name, middle)
    }
    const halves = [one, other].map((left) => ({
      corners: cell.corners.map((corner) => (corner === left ? (middle as number) : corner)),
      bound: cell.bound,
      bounded: false,
    }))
    cells.splice(at, 1, ...halves)
  }
}

/** D(λ_k) − λ_k·y_l, which is not negative but for rounding. */
function above({ weights, value }: Touching, { point }: Touching): number {
  let sum = value
  for (let g = 0; g < point.length; g++) sum -= weights[g] * point[g]
  return sum
}

/**
 * The two corners between which the bound is largest, and how far it is attained from the one to the other: with a and b by
 * which each falls short at the weights of the other, the bound is ab/(a + b), in the part a/(a + b). Where it is 0 between
 * all of them, two that fall short at all.
 */
function longestSide(touched: Touching[], corners: number[]): { one: number; other: number; part: number } {
  let longest = { one: corners[0], other: corners[1], part: 0.5 }
  let most = 0
  let sum = 0
  corners.forEach((one, k) => {
    for (const other of corners.slice(k + 1)) {
      const a = Math.max(0, above(touched[one], touched[other]))
      const b = Math.max(0, above(touched[other], touched[one]))
      const bound = a > 0 && b > 0 ? (a * b) / (a + b) : 0
      if (!(bound > most || (most === 0 && a + b > sum))) continue
      longest = { one, other, part: bound > 0 ? a / (a + b) : 0.5 }
      most = bound
      sum = a + b
    }
  })
  return longest
}

/** max_c min_l Σ_k c_k (D(λ_k) − λ_k·y_l) over the cell. */
function largestGap(groups: number, touched: Touching[], corners: number[]): number {
  const cell = corners.map((corner) => touched[corner])
  const most = cell.reduce((largest, _, k) => Math.max(largest, above(cell[k], touched[corners[0]])), 0)
  const weights = new Float64Array(groups)
  const objective = new Float64Array(groups + 1)
  objective[groups] = 1
  // In (c, v): 0 is Σc = 1, 1 … G are c_k ≥ 0, G + 1 is v ≤ most, and G + 2 + l is v ≤ Σ_k c_k (D(λ_k) − λ_k·y_l).
  const program: HalfSpaces = {
    dimension: groups + 1,
    objective,
    basis: [0, ...Array.from({ length: groups - 1 }, (_, k) => k + 2), groups + 1],
    equation: 0,
    write(k, row) {
      row.fill(0)
      if (k === 0) {
        row.fill(1, 0, groups)
        return 1
      }
      if (k <= groups) {
        row[k - 1] = 1
        return 0
      }
      row[groups] = -1
      if (k === groups + 1) return -most
      for (let c = 0; c < groups; c++) row[c] = above(cell[c], touched[k - groups - 2])
      return 0
    },
    mostViolated(z) {
      let worst = -1
      let violation = VIOLATED
      for (let k = 0; k < groups; k++) {
        if (-z[k] > violation) {
          violation = -z[k]
          worst = k + 1
        }
      }
      weights.fill(0)
      let value = 0
      for (let k = 0; k < groups; k++) {
        value += z[k] * cell[k].value
        for (let g = 0; g < groups; g++) weights[g] += z[k] * cell[k].weights[g]
      }
      for (let l = 0; l < touched.length; l++) {
        const { point } = touched[l]
        let gap = value
        for (let g = 0; g < groups; g++) gap -= weights[g] * point[g]
        if (z[groups] - gap > violation) {
          violation = z[groups] - gap
          worst = groups + 2 + l
        }
      }
      return worst
    },
  }
  const { z } = optimalVertex(program)
  return Math.max(0, z[groups]) + ROUNDING
}
