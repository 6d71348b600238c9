import { Problem } from '../../problem.ts'

/**
 * maximise c·z subject to h_k·z ≥ b_k, in few dimensions and with as many half-spaces as one likes: only those that some
 * vertex on the way violates are ever written down.
 */
export type HalfSpaces = {
  /** D, the length of z. */
  dimension: number
  /** c; length D. */
  objective: Float64Array
  /** D independent half-spaces to begin with, of which c is minus a combination that is nowhere negative. */
  basis: number[]
  /** The one that holds as an equation, and so never leaves the basis. */
  equation: number
  /** Fills `row` with h_k and returns b_k. */
  write(k: number, row: Float64Array): number
  /** The half-space that z violates most, or −1 where it violates none by more than matters. */
  mostViolated(z: Float64Array): number
}

/** An optimal vertex: D tight half-spaces, and c = −Σ_l y_l h_l with y ≥ 0 (but for the equation). */
export type Vertex = { z: Float64Array; basis: number[]; multipliers: Float64Array }

/** The inverse is computed afresh after so many exchanges. */
const REFRESH = 60
/** Multipliers begin this much apart, so that no two vanish at once and no vertex comes twice. */
const APART = 1e-11
/** A multiplier falls only along entries above this, relative to the largest. */
const PIVOT = 1e-11

/**
 * The dual simplex method: from a vertex at which c is a nonnegative combination, exchanges the half-space that is violated
 * most for the one whose multiplier reaches zero first (Lemke, Naval Research Logistics Quarterly 1, 1954).
 *
 * @throws Problem `not-converged` where no vertex satisfies all half-spaces, or more exchanges are made than any sound
 *   problem needs: both are the work of rounding, as the callers' problems all have an optimum
 */
export function optimalVertex(program: HalfSpaces): Vertex {
  const { dimension: d, equation } = program
  const basis = program.basis.slice()
  const inverse = new Float64Array(d * d)
  const z = new Float64Array(d)
  const row = new Float64Array(d)
  const along = new Float64Array(d)
  const most = 1000 + 50 * d

  refresh(program, basis, inverse, z)
  const y = multipliersOf(program, basis, inverse)
  for (let l = 0; l < d; l++) if (basis[l] !== equation) y[l] += APART * (1 + ((l * 0.618) % 1))
  let since = 0
  for (let exchange = 0; exchange < most; exchange++) {
    let k = program.mostViolated(z)
    if (k < 0) {
      // What looks optimal must be so from the half-spaces themselves, without the rounding of the exchanges.
      if (since > 0) {
        refresh(program, basis, inverse, z)
        since = 0
        k = program.mostViolated(z)
      }
      if (k < 0) return { z, basis, multipliers: multipliersOf(program, basis, inverse) }
    }
    const bound = program.write(k, row)
    let violation = bound
    for (let a = 0; a < d; a++) violation -= row[a] * z[a]
    along.fill(0)
    for (let a = 0; a < d; a++) {
      const value = row[a]
      if (value === 0) continue
      for (let l = 0; l < d; l++) along[l] += value * inverse[a * d + l]
    }
    let largest = 0
    for (let l = 0; l < d; l++) largest = Math.max(largest, Math.abs(along[l]))
    let leaving = -1
    let step = Number.POSITIVE_INFINITY
    for (let l = 0; l < d; l++) {
      if (basis[l] === equation || along[l] <= PIVOT * largest) continue
      const ratio = y[l] / along[l]
      if (ratio < step) {
        step = ratio
        leaving = l
      }
    }
    if (leaving < 0) break
    const pivot = along[leaving]
    for (let a = 0; a < d; a++) {
      const column = inverse[a * d + leaving] / pivot
      if (column !== 0) for (let l = 0; l < d; l++) inverse[a * d + l] -= along[l] * column
      inverse[a * d + leaving] = column
      z[a] += column * violation
    }
    for (let l = 0; l < d; l++) {
      y[l] -= step * along[l]
      if (basis[l] !== equation && y[l] < 0) y[l] = 0
    }
    y[leaving] = step
    basis[leaving] = k
    if (++since >= REFRESH) {
      refresh(program, basis, inverse, z)
      since = 0
    }
  }
  throw new Problem(
    'not-converged',
    'The weights that support an alternative could not be found: the utilities of the groups differ by more orders of ' +
      'magnitude than double precision resolves. Choose a scale such as unit-range.',
  )
}

/** y = −(H_B⁻¹)ᵀc, and 0 where rounding leaves it below. */
function multipliersOf(
  { dimension: d, objective, equation }: HalfSpaces,
  basis: number[],
  inverse: Float64Array,
): Float64Array {
  return Float64Array.from({ length: d }, (_, l) => {
    let sum = 0
    for (let a = 0; a < d; a++) sum -= objective[a] * inverse[a * d + l]
    return basis[l] === equation ? sum : Math.max(0, sum)
  })
}

/** H_B⁻¹ by Gauss–Jordan elimination with partial pivoting, and the vertex z = H_B⁻¹ b_B. */
function refresh(program: HalfSpaces, basis: number[], inverse: Float64Array, z: Float64Array): void {
  const d = program.dimension
  const work = new Float64Array(d * d)
  const bounds = new Float64Array(d)
  for (let l = 0; l < d; l++) bounds[l] = program.write(basis[l], work.subarray(l * d, (l + 1) * d))
  inverse.fill(0)
  for (let l = 0; l < d; l++) inverse[l * d + l] = 1
  for (let c = 0; c < d; c++) {
    let best = c
    for (let r = c + 1; r < d; r++) if (Math.abs(work[r * d + c]) > Math.abs(work[best * d + c])) best = r
    if (best !== c) {
      for (let a = 0; a < d; a++) {
        const kept = work[c * d + a]
        work[c * d + a] = work[best * d + a]
        work[best * d + a] = kept
        const other = inverse[c * d + a]
        inverse[c * d + a] = inverse[best * d + a]
        inverse[best * d + a] = other
      }
    }
    const pivot = work[c * d + c]
    for (let a = 0; a < d; a++) {
      work[c * d + a] /= pivot
      inverse[c * d + a] /= pivot
    }
    for (let r = 0; r < d; r++) {
      const factor = work[r * d + c]
      if (r === c || factor === 0) continue
      for (let a = 0; a < d; a++) {
        work[r * d + a] -= factor * work[c * d + a]
        inverse[r * d + a] -= factor * inverse[c * d + a]
      }
    }
  }
  for (let a = 0; a < d; a++) {
    let sum = 0
    for (let l = 0; l < d; l++) sum += inverse[a * d + l] * bounds[l]
    z[a] = sum
  }
}
