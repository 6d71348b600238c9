import type { Points } from './points.ts'
import { onSimplex } from './support.ts'
import { type HalfSpaces, optimalVertex } from './vertex.ts'

/** A cell {λ on the simplex : λ·u_i ≥ λ·u_j for all j}, as far as it is asked for. */
export type Cell = {
  /** Its centre; on the simplex. */
  weights: Float64Array
  /** The distance from there, within the plane Σλ = 1, to where another point is better or a weight is 0. */
  radius: number
  /** max_j λ·u_j − λ·u_i. */
  gap: number
}

/** A cell that holds no ball of this radius is thin. */
const THIN = 1e-9
/** What a half-space, its normal being of length 1, may be violated by. */
const VIOLATED = 1e-12

/** Walls of a cell that are nearest to weights within it, and nearly always hold all that touch the ball: so many a group. */
const NEAREST = 4

/**
 * The Chebyshev centres of supported points' cells, each the centre of the largest ball within: maximise r subject to
 * (u_i − u_j)·λ ≥ r·|P(u_i − u_j)| for all j and λ_g ≥ r·√(1 − 1/G), where P projects onto the plane Σλ = 1.
 * Where a cell is too thin for a ball, weights at which its point is known to be a best one.
 *
 * @param all everything of the front, against which radius and gap are computed from the weights returned
 * @param supported indices of the supported points
 * @param known weights at which each of them is a best one
 * @param tolerance what counts as equal, for each group
 * @param found told how many are done
 */
export function cellsOf(
  all: Points,
  supported: Int32Array,
  known: Float64Array[],
  tolerance: Float64Array,
  found: (count: number) => void,
): Cell[] {
  const { groups } = all
  const far = diameterOf(all, supported)
  return Array.from(supported, (i, k) => {
    found(k)
    if (groups === 1) return measured(all, i, Float64Array.of(1), tolerance)
    const { z } = optimalVertex(centreProgram(all, i, { indices: supported, far }, known[k], tolerance))
    if (z[groups] > THIN) {
      const centre = onSimplex(z.slice(0, groups).map((weight) => Math.max(0, weight)))
      const cell = measured(all, i, centre, tolerance)
      if (cell.radius > 0) return cell
    }
    return measured(all, i, known[k], tolerance)
  })
}

/** The program in (λ, r): half-space 0 is Σλ = 1, 1 … G are the margins of the weights, and G + 1 + j is rival j. */
function centreProgram(
  { groups, utilities: u }: Points,
  i: number,
  rivals: { indices: Int32Array; far: number },
  inside: Float64Array,
  tolerance: Float64Array,
): HalfSpaces {
  const margin = Math.sqrt(1 - 1 / groups)
  const own = i * groups
  const objective = new Float64Array(groups + 1)
  objective[groups] = 1
  const twin = nearness(tolerance)
  const { indices, far } = rivals
  // Looked at first: the nearest walls, and whatever was violated most at some time besides.
  const met = new Int32Array(indices.length + NEAREST * groups)
  let known = nearestWalls(u, own, indices, inside, met, twin)
  /** The rival of a list that z violates most, and by how much. */
  let most = 0
  const look = (z: Float64Array, list: Int32Array, length: number) => {
    const r = z[groups]
    // A rival with a lead of more than this cannot be violated, however far it is.
    const safe = r > 0 ? r * far : 0
    let best = -1
    most = VIOLATED
    for (let l = 0; l < length; l++) {
      const row = list[l] * groups
      let lead = 0
      for (let g = 0; g < groups; g++) lead += z[g] * (u[own + g] - u[row + g])
      if (lead > safe) continue
      let squares = 0
      let sum = 0
      for (let g = 0; g < groups; g++) {
        const difference = u[own + g] - u[row + g]
        squares += difference * difference
        sum += difference
      }
      const inPlane = squares - (sum * sum) / groups
      const missing = r * Math.sqrt(Math.max(0, inPlane)) - lead
      if (missing <= 0 || missing * missing <= most * most * squares) continue
      if (squares <= twin.squares && twin.is(u, own, row)) continue
      most = missing / Math.sqrt(squares)
      best = list[l]
    }
    return best
  }
  return {
    dimension: groups + 1,
    objective,
    // Equal weights, and the ball that touches all sides of the simplex.
    basis: [...Array.from({ length: groups }, (_, g) => g + 1), 0],
    equation: 0,
    write(k, row) {
      row.fill(0)
      if (k === 0) {
        row.fill(1, 0, groups)
        return 1
      }
      if (k <= groups) {
        row[k - 1] = 1
        row[groups] = -margin
        return 0
      }
      const other = (k - groups - 1) * groups
      let squares = 0
      let sum = 0
      for (let g = 0; g < groups; g++) {
        row[g] = u[own + g] - u[other + g]
        squares += row[g] * row[g]
        sum += row[g]
      }
      const length = Math.sqrt(squares)
      for (let g = 0; g < groups; g++) row[g] /= length
      row[groups] = -Math.sqrt(Math.max(0, squares - (sum * sum) / groups)) / length
      return 0
    },
    mostViolated(z) {
      let best = look(z, met, known)
      if (best < 0) {
        best = look(z, indices, indices.length)
        if (best >= 0) met[known++] = best
      }
      let margins = -1
      for (let g = 0; g < groups; g++) {
        const missing = margin * z[groups] - z[g]
        if (missing > (best < 0 && margins < 0 ? VIOLATED : most)) {
          most = missing
          margins = g + 1
        }
      }
      if (margins >= 0) return margins
      return best < 0 ? -1 : groups + 1 + best
    },
  }
}

/** Radius and gap of point i at weights, from these numbers alone. */
function measured(
  { count, groups, utilities: u }: Points,
  i: number,
  weights: Float64Array,
  tolerance: Float64Array,
): Cell {
  const own = i * groups
  const twin = nearness(tolerance)
  let radius = groups === 1 ? 0 : Number.POSITIVE_INFINITY
  for (let g = 0; g < groups; g++) radius = Math.min(radius, weights[g] / Math.sqrt(1 - 1 / groups))
  let gap = 0
  for (let j = 0; j < count; j++) {
    const row = j * groups
    let lead = 0
    let squares = 0
    let sum = 0
    for (let g = 0; g < groups; g++) {
      const difference = u[own + g] - u[row + g]
      lead += weights[g] * difference
      squares += difference * difference
      sum += difference
    }
    if (-lead > gap) gap = -lead
    const inPlane = squares - (sum * sum) / groups
    if (lead * lead >= radius * radius * inPlane && lead >= 0) continue
    if (squares <= twin.squares && twin.is(u, own, row)) continue
    radius = lead <= 0 ? 0 : lead / Math.sqrt(inPlane)
  }
  return { weights, radius, gap }
}

/**
 * Fills `nearest` with the rivals whose walls are nearest to weights within a cell: those with the least lead², relative to
 * the square of how fast it changes within the plane.
 *
 * @returns how many there are
 */
function nearestWalls(
  u: Float64Array,
  own: number,
  rivals: Int32Array,
  inside: Float64Array,
  nearest: Int32Array,
  twin: ReturnType<typeof nearness>,
): number {
  const groups = inside.length
  const most = NEAREST * groups
  const squared = new Float64Array(most)
  let count = 0
  let limit = Number.POSITIVE_INFINITY
  for (const j of rivals) {
    const row = j * groups
    let lead = 0
    let squares = 0
    let sum = 0
    for (let g = 0; g < groups; g++) {
      const difference = u[own + g] - u[row + g]
      lead += inside[g] * difference
      squares += difference * difference
      sum += difference
    }
    const inPlane = squares - (sum * sum) / groups
    if (!(lead * lead < limit * inPlane) || (squares <= twin.squares && twin.is(u, own, row))) continue
    const distance = (lead * lead) / inPlane
    let place = count < most ? count++ : most - 1
    for (; place > 0 && squared[place - 1] > distance; place--) {
      squared[place] = squared[place - 1]
      nearest[place] = nearest[place - 1]
    }
    squared[place] = distance
    nearest[place] = j
    if (count === most) limit = squared[most - 1]
  }
  return count
}

/** No two of some points are farther apart than this. */
function diameterOf({ groups, utilities: u }: Points, among: Int32Array): number {
  let squares = 0
  for (let g = 0; g < groups; g++) {
    let low = Number.POSITIVE_INFINITY
    let high = Number.NEGATIVE_INFINITY
    for (const j of among) {
      low = Math.min(low, u[j * groups + g])
      high = Math.max(high, u[j * groups + g])
    }
    squares += (high - low) ** 2
  }
  return Math.sqrt(squares)
}

/** Whether two points count as equal; only those can whose squared distance is at most `squares`. */
function nearness(tolerance: Float64Array) {
  let squares = 0
  for (const most of tolerance) squares += most * most
  return {
    squares,
    is(u: Float64Array, a: number, b: number) {
      for (let g = 0; g < tolerance.length; g++)
        if (Math.abs(u[a + g] - u[b + g]) > tolerance[g]) return false
      return true
    },
  }
}
