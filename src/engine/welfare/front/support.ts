import type { LinearProgramSolver } from '../../numeric/linear-program.ts'
import { drawFromSimplex, type Random } from '../../numeric/random.ts'
import type { WelfareProblem } from '../problem.ts'

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
 * The centre and radius of the largest ball within the cell, measured within the plane Σλ = 1; where the cell is too
 * thin to hold one, the point of the cell whose least weight is largest.
 */
function centreOfCell(
  { groups, items, utilities: u }: WelfareProblem,
  front: number[],
  item: number,
  tolerance: Float64Array,
  maximise: LinearProgramSolver,
): Float64Array | null {
  const rivals = front.filter((other) => {
    if (other === item) return false
    for (let g = 0; g < groups; g++) {
      if (Math.abs(u[g * items + item] - u[g * items + other]) > tolerance[g]) return true
    }
    return false
  })
  const width = groups + 1
  const height = rivals.length + groups + 1
  const rows = new Float64Array(height * width)
  const inPlane = Math.sqrt(1 - 1 / groups)
  rivals.forEach((other, r) => {
    let sum = 0
    let squares = 0
    for (let g = 0; g < groups; g++) {
      const lead = u[g * items + item] - u[g * items + other]
      rows[r * width + g] = lead
      sum += lead
      squares += lead * lead
    }
    const length = Math.sqrt(squares)
    for (let g = 0; g < groups; g++) rows[r * width + g] /= length
    rows[r * width + groups] = -Math.sqrt(Math.max(0, 1 - (sum * sum) / (groups * squares)))
  })
  for (let g = 0; g < groups; g++) {
    rows[(rivals.length + g) * width + g] = 1
    rows[(rivals.length + g) * width + groups] = -inPlane
    rows[(height - 1) * width + g] = 1
  }
  const rowLower = new Float64Array(height)
  const rowUpper = new Float64Array(height).fill(Number.POSITIVE_INFINITY)
  rowLower[height - 1] = rowUpper[height - 1] = 1
  const objective = new Float64Array(width)
  objective[groups] = 1
  const ball = maximise({ objective, rows, rowLower, rowUpper })
  if (ball === null) return null
  if (groups === 1 || ball[groups] > 1e-9) return onSimplex(ball.subarray(0, groups))

  // No interior: is there a point of the cell at which every group has some weight?
  for (let r = 0; r < rivals.length; r++) rows[r * width + groups] = 0
  for (let g = 0; g < groups; g++) rows[(rivals.length + g) * width + groups] = -1
  const point = maximise({ objective, rows, rowLower, rowUpper })
  return point !== null && point[groups] > 1e-9 ? onSimplex(point.subarray(0, groups)) : null
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
