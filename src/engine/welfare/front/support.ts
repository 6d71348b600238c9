import type { LinearProgramSolver } from '../../numeric/linear-program.ts'
import { drawFromSimplex, type Random } from '../../numeric/random.ts'
import type { WelfareProblem } from '../problem.ts'
import { EQUAL } from './dominance.ts'

/** Which group weights make an item of the front a best one. */
export type Support = {
  /** The centre of those weights, on the simplex; null where there are none, and the item is unsupported. */
  weights: Float64Array | null
  /** max_j λ·u_j − λ·u_i at these weights, recomputed. */
  gap: number
  /** The part of the simplex that they fill, and its standard error (0 where it is exact). */
  share: number
  shareError: number
}

/** Sampled weights from which shares are estimated where there are more than two groups. */
const SAMPLES = 20_000
/** An item is best at given weights where it is within this of the best, relative to Σ_g λ_g·range_g. */
const TIE = 1e-9
/** A cell that holds no ball of this radius is thin; no point with weights above this, empty. */
const THIN = 1e-9
/** What linear programs let pass. */
const VIOLATED = 1e-10

/**
 * For each item i of the front, the cell {λ on the simplex : λ·u_i ≥ λ·u_j for all j}: its Chebyshev centre, by a
 * linear program, and its share of the simplex, exactly for two groups and by sampling for more.
 */
export function supports(
  problem: WelfareProblem,
  front: number[],
  tolerance: Float64Array,
  maximise: LinearProgramSolver,
  random: Random,
): Support[] {
  const shares =
    problem.groups <= 2 ? exactShares(problem, front, tolerance) : sampledShares(problem, front, random)
  return front.map((item, k) => {
    const weights = centreOfCell(problem, front, item, tolerance, maximise)
    const gap = weights === null ? 0 : gapAt(problem, front, item, weights)
    return { weights, gap, ...shares[k] }
  })
}

/**
 * The centre of the largest ball within the cell, measured within the plane Σλ = 1; where the cell is too thin to hold
 * one, the point of the cell whose least weight is largest when every group's range counts as 1.
 */
function centreOfCell(
  { groups, items, utilities: u }: WelfareProblem,
  front: number[],
  item: number,
  tolerance: Float64Array,
  maximise: LinearProgramSolver,
): Float64Array | null {
  if (groups === 1) return Float64Array.of(1)
  const leads = front
    .map((other) =>
      Float64Array.from({ length: groups }, (_, g) => u[g * items + item] - u[g * items + other]),
    )
    .filter((lead) => lead.some((value, g) => Math.abs(value) > tolerance[g]))
  const inPlane = Math.sqrt(1 - 1 / groups)
  const ball = pointOfCell(groups, leads.map(halfSpace), inPlane, maximise)
  if (ball === null) return null
  if (ball[groups] > THIN) return onSimplex(ball.subarray(0, groups))

  // A group that is indifferent has no say in any scale.
  const unit = tolerance.map((value) => (value > 0 ? value / EQUAL : 1))
  const scaled = leads.map((lead) => ({ ...halfSpace(lead.map((value, g) => value / unit[g])), depth: 0 }))
  const point = pointOfCell(groups, scaled, 1, maximise)
  if (point === null || !(point[groups] > THIN)) return null
  return onSimplex(point.subarray(0, groups).map((weight, g) => weight / unit[g]))
}

/** {λ : normal·λ ≥ 0}, the normal of length 1, and how far a step of 1 within the plane Σλ = 1 can lead into it. */
type HalfSpace = { normal: Float64Array; depth: number }

function halfSpace(lead: Float64Array): HalfSpace {
  const length = Math.hypot(...lead)
  const normal = lead.map((value) => value / length)
  const sum = normal.reduce((a, b) => a + b, 0)
  return { normal, depth: Math.sqrt(Math.max(0, 1 - (sum * sum) / normal.length)) }
}

/**
 * (λ, r) on the simplex with the largest r such that normal·λ ≥ depth·r in every half-space and λ_g ≥ margin·r; null
 * where there is none. Few of the half-spaces matter, so that only those are added that a solution violates.
 */
function pointOfCell(
  groups: number,
  halfSpaces: HalfSpace[],
  margin: number,
  maximise: LinearProgramSolver,
): Float64Array | null {
  const width = groups + 1
  const objective = new Float64Array(width)
  objective[groups] = 1
  const row = ({ normal, depth }: HalfSpace) => [...normal, -depth]
  const margins = Array.from({ length: groups }, (_, g) =>
    Array.from({ length: width }, (_, c) => (c === g ? 1 : c === groups ? -margin : 0)),
  )
  const plane = Array.from({ length: width }, (_, c) => (c < groups ? 1 : 0))
  let added: HalfSpace[] = []
  for (;;) {
    const rows = [...added.map(row), ...margins, plane]
    const rowLower = new Float64Array(rows.length)
    const rowUpper = new Float64Array(rows.length).fill(Number.POSITIVE_INFINITY)
    rowLower[rows.length - 1] = rowUpper[rows.length - 1] = 1
    const point = maximise({ objective, rows: Float64Array.from(rows.flat()), rowLower, rowUpper })
    if (point === null) return null
    const violated = halfSpaces
      .map((space) => ({ space, room: roomIn(space, point) }))
      .filter(({ space, room }) => room < -VIOLATED && !added.includes(space))
      .sort((a, b) => a.room - b.room)
    if (violated.length === 0) return point
    added = [...added, ...violated.slice(0, width).map(({ space }) => space)]
  }
}

function roomIn({ normal, depth }: HalfSpace, point: Float64Array): number {
  let room = -depth * point[normal.length]
  for (let g = 0; g < normal.length; g++) room += normal[g] * point[g]
  return room
}

function onSimplex(point: Float64Array): Float64Array {
  let sum = 0
  for (const weight of point) sum += Math.max(0, weight)
  return Float64Array.from(point, (weight) => Math.max(0, weight) / sum)
}

function gapAt(
  { groups, items, utilities: u }: WelfareProblem,
  front: number[],
  item: number,
  weights: Float64Array,
) {
  const value = (i: number) => {
    let sum = 0
    for (let g = 0; g < groups; g++) sum += weights[g] * u[g * items + i]
    return sum
  }
  const own = value(item)
  return front.reduce((gap, other) => Math.max(gap, value(other) - own), 0)
}

/** Shares for one group (all best items alike) and for two: the upper envelope of the lines t·u_1i + (1 − t)·u_2i. */
function exactShares(
  { groups, items, utilities: u }: WelfareProblem,
  front: number[],
  tolerance: Float64Array,
) {
  if (groups === 1) return front.map(() => ({ share: 1 / front.length, shareError: 0 }))
  return front.map((item) => {
    let low = 0
    let high = 1
    let twins = 0
    for (const other of front) {
      const first = u[item] - u[other]
      const second = u[items + item] - u[items + other]
      if (Math.abs(first) <= tolerance[0] && Math.abs(second) <= tolerance[1]) twins++
      else {
        // Better than the other where second + t·(first − second) ≥ 0.
        const at = second / (second - first)
        if (first > second) low = Math.max(low, at)
        else high = Math.min(high, at)
      }
    }
    return { share: Math.max(0, high - low) / twins, shareError: 0 }
  })
}

function sampledShares({ groups, items, utilities: u }: WelfareProblem, front: number[], random: Random) {
  const hits = new Float64Array(front.length)
  const weights = new Float64Array(groups)
  const values = new Float64Array(front.length)
  for (let s = 0; s < SAMPLES; s++) {
    drawFromSimplex(random, weights)
    values.fill(0)
    for (let g = 0; g < groups; g++) {
      for (let k = 0; k < front.length; k++) values[k] += weights[g] * u[g * items + front[k]]
    }
    let top = Number.NEGATIVE_INFINITY
    let bottom = Number.POSITIVE_INFINITY
    for (const value of values) {
      if (value > top) top = value
      if (value < bottom) bottom = value
    }
    const level = top - TIE * (top - bottom)
    let tied = 0
    for (const value of values) if (value >= level) tied++
    for (let k = 0; k < front.length; k++) if (values[k] >= level) hits[k] += 1 / tied
  }
  return front.map((_, k) => {
    const share = hits[k] / SAMPLES
    return { share, shareError: Math.sqrt((share * (1 - share)) / SAMPLES) }
  })
}
