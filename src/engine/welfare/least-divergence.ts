import { choleskyFactor, choleskySolve } from '../numeric/cholesky.ts'
import type { Certified } from './certificate.ts'
import { gibbsPolicy } from './gibbs.ts'
import type { WelfareProblem } from './problem.ts'

/** The optimal policy nearest to the reference, and whether it is the only optimal one. */
export type Nearest = { policy: Float64Array; unique: boolean }

/**
 * Among the policies that are optimal at temperature 0, the one of least KL divergence to the reference: the limit
 * of the optimum as β → 0.
 *
 * Every optimal policy holds only items of the supporting face, where v_i = Σ_g λ_g u_gi is within rounding of its
 * maximum, and gives every group of positive weight the same utility. Those utilities are held by multipliers η with
 * p_i ∝ π_i exp(Σ_g η_g (u_gi − x_g)), found by Newton's method on the convex log Σ_i π_i exp(…). A group of weight
 * zero only needs no less than the welfare; it is held too where it would otherwise fall below.
 */
export function leastDivergence(problem: WelfareProblem, optimum: Certified): Nearest | null {
  const { groups, items, utilities: u } = problem
  const ranges = rangesOf(problem)
  const values = new Float64Array(items)
  let scale = 0
  for (let g = 0; g < groups; g++) {
    scale += optimum.weights[g] * ranges[g]
    for (let i = 0; i < items; i++) values[i] += optimum.weights[g] * u[g * items + i]
  }
  const top = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const face: number[] = []
  for (let i = 0; i < items; i++) {
    if (top - values[i] <= 1e-6 * scale || optimum.policy[i] > 1e-6) face.push(i)
  }

  const held: number[] = []
  const free: number[] = []
  for (let g = 0; g < groups; g++) (optimum.weights[g] * ranges[g] > 1e-9 * scale ? held : free).push(g)
  // What a free group must not fall below: the welfare, for the one function (maximin) that gives weight zero.
  const floor = optimum.welfare
  for (let round = 0; round <= groups; round++) {
    const policy = entropyProjection(
      problem,
      face,
      held,
      (g) => (free.includes(g) ? floor : optimum.utilities[g]),
      ranges,
    )
    if (policy === null) return null
    const broken = free.find((g) => {
      if (held.includes(g) || ranges[g] === 0) return false
      let x = 0
      for (const i of face) x += policy[i] * u[g * items + i]
      return x < floor - 1e-11 * ranges[g]
    })
    if (broken !== undefined) {
      held.push(broken)
      continue
    }
    return {
      policy,
      unique: isOnlyOne(
        problem,
        policy,
        held.filter((g) => !free.includes(g)),
        ranges,
      ),
    }
  }
  return null
}

function rangesOf({ groups, items, utilities }: WelfareProblem): Float64Array {
  const ranges = new Float64Array(groups)
  for (let g = 0; g < groups; g++) {
    const row = utilities.subarray(g * items, (g + 1) * items)
    let low = row[0]
    let high = row[0]
    for (const value of row) {
      if (value < low) low = value
      if (value > high) high = value
    }
    ranges[g] = high - low
  }
  return ranges
}

/** The policy on the face that gives each held group its target, of least divergence from the reference. */
function entropyProjection(
  { items, utilities: u, reference }: WelfareProblem,
  face: number[],
  held: number[],
  target: (g: number) => number,
  ranges: Float64Array,
): Float64Array | null {
  const size = face.length
  const order = held.length
  // What each item of the face adds to each held group's utility beyond its target, in units of the range.
  const excess = new Float64Array(order * size)
  held.forEach((g, row) => {
    face.forEach((i, k) => {
      excess[row * size + k] = (u[g * items + i] - target(g)) / ranges[g]
    })
  })
  const prior = Float64Array.from(face, (i) => reference[i])
  const exponents = new Float64Array(size)
  const policy = new Float64Array(size)
  const missing = new Float64Array(order)
  const matrix = new Float64Array(order * order)
  const step = new Float64Array(order)
  let best = Number.POSITIVE_INFINITY
  let found: Float64Array | null = null

  for (let iteration = 0; iteration < 200; iteration++) {
    gibbsPolicy(exponents, prior, 1, policy)
    let residual = 0
    for (let a = 0; a < order; a++) {
      missing[a] = 0
      for (let k = 0; k < size; k++) missing[a] += policy[k] * excess[a * size + k]
      residual = Math.max(residual, Math.abs(missing[a]))
    }
    if (residual < best) {
      best = residual
      found = policy.slice()
    }
    if (residual <= 1e-15) break

    for (let a = 0; a < order; a++) {
      for (let b = 0; b <= a; b++) {
        let sum = 0
        for (let k = 0; k < size; k++) {
          sum += policy[k] * (excess[a * size + k] - missing[a]) * (excess[b * size + k] - missing[b])
        }
        matrix[a * order + b] = sum
      }
    }
    // On the face the held utilities are tied by λ, so the curvature is singular: a trace of ridge picks one η.
    let trace = 0
    for (let a = 0; a < order; a++) trace += matrix[a * order + a]
    if (!(trace > 0)) break
    for (let a = 0; a < order; a++) matrix[a * order + a] += 1e-13 * trace
    if (choleskyFactor(matrix, order) >= 0) break
    for (let a = 0; a < order; a++) step[a] = -missing[a]
    choleskySolve(matrix, order, step)

    let longest = 0
    const change = new Float64Array(size)
    for (let k = 0; k < size; k++) {
      for (let a = 0; a < order; a++) change[k] += step[a] * (excess[a * size + k] - missing[a])
      longest = Math.max(longest, Math.abs(change[k]))
    }
    // The step that the log-partition's self-concordance allows (as in the Bradley–Terry fit).
    const length = longest > 1 ? Math.log1p(longest) / longest : 1
    for (let k = 0; k < size; k++) exponents[k] += length * change[k]
  }
  if (found === null) return null
  const full = new Float64Array(items)
  const largest = found.reduce((most, share, k) => Math.max(most, share / prior[k]), 0)
  let sum = 0
  for (let k = 0; k < size; k++) {
    // An item that must have probability zero only tends to it: what is left of it is rounding.
    if (found[k] / prior[k] < 1e-12 * largest) continue
    full[face[k]] = found[k]
    sum += found[k]
  }
  for (const i of face) full[i] /= sum
  return full
}

/**
 * Whether the probabilities of the items in use follow from the utilities of the groups of positive weight: whether
 * the columns (1, u_·i) are affinely independent.
 */
function isOnlyOne(
  { items, utilities: u }: WelfareProblem,
  policy: Float64Array,
  weighted: number[],
  ranges: Float64Array,
): boolean {
  const used: number[] = []
  for (let i = 0; i < items; i++) if (policy[i] > 0) used.push(i)
  const height = weighted.length + 1
  if (used.length > height) return false
  const columns = used.map((i) =>
    Float64Array.from({ length: height }, (_, row) =>
      row === 0 ? 1 : u[weighted[row - 1] * items + i] / ranges[weighted[row - 1]],
    ),
  )
  return independent(columns)
}

/** Whether columns of entries near 1 are linearly independent, by modified Gram–Schmidt with a tolerance of 1e-8. */
function independent(columns: Float64Array[]): boolean {
  const basis: Float64Array[] = []
  for (const column of columns) {
    const rest = column.slice()
    for (let pass = 0; pass < 2; pass++) {
      for (const unit of basis) {
        let along = 0
        for (let r = 0; r < rest.length; r++) along += rest[r] * unit[r]
        for (let r = 0; r < rest.length; r++) rest[r] -= along * unit[r]
      }
    }
    const length = Math.hypot(...rest)
    if (length < 1e-8 * Math.hypot(...column)) return false
    basis.push(rest.map((value) => value / length))
  }
  return true
}
