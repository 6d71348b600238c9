import {
  choleskyBackSubstitute,
  choleskyInverse,
  choleskyInverseDiagonal,
  choleskySemidefinite,
  choleskySolve,
} from '../numeric/cholesky.ts'
import { normal, type Random, seededRandom } from '../numeric/random.ts'
import type { Likelihood, Scores } from './likelihood.ts'
import { notConverged } from './maximise.ts'
import { centre, factorCurvature, solveByConjugateGradients, solveFactored } from './newton-step.ts'

/** Up to so many parameters covariances are exact; beyond, simulated. */
export const EXACT_LIMIT = 2000
/** Simulated estimates that a standard error is taken from beyond that limit. */
const DRAWS = 200
/**
 * Relative residual of their linear systems. It must be far below what the slowest direction has of it: where a single
 * comparison joins two clusters of thousands of items, most of their variance is in a direction with 1e-5 of the residual.
 */
const DRAW_TOLERANCE = 1e-8

/**
 * The covariance Σ of the estimate ψ̂. Rewards are in the gauge where they sum to zero, with or without a prior; reward
 * weights have no gauge.
 */
export type Covariance = {
  /** Σ·c; the rewards of c must sum to zero. */
  times(c: Float64Array): Float64Array
  /** The variance of each parameter; length p. */
  variances(): Float64Array
  /** The whole matrix, p × p row-major; null beyond 2,000 parameters. */
  matrix(): Float64Array | null
  /** Draws from the normal distribution of ψ̂ − ψ. */
  draw(random: Random): Float64Array
  /** Relative standard error of the standard errors that {@link variances} gives: 0 where they are exact. */
  relativeError: number
}

/**
 * The covariance of an estimate at the point of the linearisation: V = H⁻¹ (H⁺ where ℓ is shift-invariant), or with
 * scores the sandwich V (Σ_k s_k s_kᵀ) V.
 *
 * Beyond 2,000 parameters the variances are means of squares over 200 simulated estimates V Σ_k ξ_k s_k with
 * ξ_k ~ N(0, 1), whose own relative standard error, 1/√(2·200) = 5% of a standard error, is returned.
 *
 * @param scores in rewards and extras; null for V itself
 * @param seed of the simulation
 * @returns null where the curvature is singular
 */
export function covarianceOf(likelihood: Likelihood, scores: Scores | null, seed: number): Covariance | null {
  return likelihood.dense || likelihood.size <= EXACT_LIMIT
    ? exact(likelihood, scores)
    : simulated(likelihood, scores, seed)
}

function exact(likelihood: Likelihood, scores: Scores | null): Covariance | null {
  const { size, rewards: m, shiftInvariant } = likelihood
  const factored = factorCurvature(likelihood)
  if (factored === null) return null
  const { factor, order } = factored
  const solve = (b: Float64Array) => {
    const x = b.slice()
    solveFactored(likelihood, factor, x)
    return x
  }

  const centred = (x: Float64Array) => {
    if (!likelihood.dense) centre(x, m)
    return x
  }
  const inverse = once(() => inGauge(choleskyInverse(factor, order), likelihood))
  if (scores === null) {
    return {
      relativeError: 0,
      times: (c) => centred(solve(c)),
      variances: () => inverseDiagonal(factor, order, likelihood),
      matrix: inverse,
      draw(random) {
        // With H = R·Rᵀ, R⁻ᵀξ has covariance H⁻¹.
        const x = new Float64Array(size)
        for (let a = 0; a < order; a++) x[a] = normal(random)
        choleskyBackSubstitute(factor, order, x)
        if (shiftInvariant) {
          x.copyWithin(m, m - 1, size - 1)
          x[m - 1] = 0
        }
        return centred(x)
      },
    }
  }
  const meat = once(() => meatMatrix(scores, likelihood))
  const matrix = once(() => sandwichMatrix(inverse(), meat()))
  const meatFactor = once(() => {
    const root = meat().slice()
    choleskySemidefinite(root, size)
    return root
  })
  return {
    relativeError: 0,
    times: (c) => centred(solve(meatTimes(scores, likelihood, solve(c)))),
    variances: () =>
      likelihood.dense ? diagonalOf(matrix(), size) : sandwichDiagonal(inverse(), scores, size),
    matrix,
    draw(random) {
      const root = meatFactor()
      const xi = Float64Array.from({ length: size }, () => normal(random))
      const drawn = xi.map((_, a) => {
        let sum = 0
        for (let b = 0; b <= a; b++) sum += root[a * size + b] * xi[b]
        return sum
      })
      return centred(solve(drawn))
    },
  }
}

/** A value that is computed where it is first asked for. */
function once<T>(compute: () => T): () => T {
  let found: { value: T } | null = null
  return () => {
    found ??= { value: compute() }
    return found.value
  }
}

function simulated(likelihood: Likelihood, scores: Scores | null, seed: number): Covariance | null {
  const drawScore =
    scores === null ? likelihood.drawScore : (random: Random) => randomScore(scores, likelihood, random)
  if (drawScore === null) return null
  const { size, rewards: m } = likelihood
  const solve = (b: Float64Array, tolerance: number) => {
    const x = new Float64Array(size)
    if (!solveByConjugateGradients(likelihood, b, tolerance, x)) throw notConverged()
    centre(x, m)
    return x
  }
  const draw = (random: Random) => solve(likelihood.lower(drawScore(random)), DRAW_TOLERANCE)
  return {
    relativeError: 1 / Math.sqrt(2 * DRAWS),
    times: (c) =>
      scores === null ? solve(c, 1e-10) : solve(meatTimes(scores, likelihood, solve(c, 1e-10)), 1e-10),
    variances() {
      const random = seededRandom(seed)
      const squares = new Float64Array(size)
      for (let k = 0; k < DRAWS; k++) {
        const drawn = draw(random)
        for (let a = 0; a < size; a++) squares[a] += (drawn[a] * drawn[a]) / DRAWS
      }
      return squares
    },
    matrix: () => null,
    draw,
  }
}

/** Σ_k ξ_k s_k with ξ_k ~ N(0, 1), in rewards and extras. */
function randomScore(
  { offsets, index, values }: Scores,
  likelihood: Likelihood,
  random: Random,
): Float64Array {
  const sum = new Float64Array(likelihood.lift(new Float64Array(likelihood.size)).length)
  for (let k = 0; k + 1 < offsets.length; k++) {
    const xi = normal(random)
    for (let a = offsets[k]; a < offsets[k + 1]; a++) sum[index[a]] += xi * values[a]
  }
  return sum
}

/** S·u for the scores' S = Σ_k s_k s_kᵀ. */
function meatTimes(
  { offsets, index, values }: Scores,
  likelihood: Likelihood,
  u: Float64Array,
): Float64Array {
  const lifted = likelihood.lift(u)
  const sum = new Float64Array(lifted.length)
  for (let k = 0; k + 1 < offsets.length; k++) {
    let dot = 0
    for (let a = offsets[k]; a < offsets[k + 1]; a++) dot += values[a] * lifted[index[a]]
    for (let a = offsets[k]; a < offsets[k + 1]; a++) sum[index[a]] += dot * values[a]
  }
  return likelihood.lower(sum)
}

/**
 * The diagonal of {@link inGauge} without the rest. With G the inverse (a grounded reward has zeros in it), that is
 * G_aa − 2(G1)_a/m + 1ᵀG1/m² for rewards and G_aa for extras.
 */
function inverseDiagonal(factor: Float64Array, order: number, likelihood: Likelihood): Float64Array {
  const { size, rewards: m, shiftInvariant } = likelihood
  const diagonal = choleskyInverseDiagonal(factor, order)
  if (likelihood.dense) return diagonal
  const kept = shiftInvariant ? m - 1 : m
  const rowSums = new Float64Array(order).fill(1, 0, kept)
  choleskySolve(factor, order, rowSums)
  let total = 0
  for (let v = 0; v < kept; v++) total += rowSums[v]
  return Float64Array.from({ length: size }, (_, a) => {
    if (a >= m) return diagonal[a - m + kept]
    return Math.max(0, (a < kept ? diagonal[a] - (2 * rowSums[a]) / m : 0) + total / (m * m))
  })
}

/** The inverse of the curvature in the gauge of the rewards, C·G·C with C = I − 11ᵀ/m on them: H⁺ where H is singular. */
function inGauge(inverse: Float64Array, likelihood: Likelihood): Float64Array {
  const { size, rewards: m, shiftInvariant } = likelihood
  if (likelihood.dense) return inverse
  let whole = inverse
  if (shiftInvariant) {
    const order = size - 1
    whole = new Float64Array(size * size)
    for (let a = 0; a < order; a++) {
      const row = (a < m - 1 ? a : a + 1) * size
      for (let b = 0; b < order; b++) whole[row + (b < m - 1 ? b : b + 1)] = inverse[a * order + b]
    }
  }
  const column = new Float64Array(size)
  for (let a = 0; a < size; a++) centre(whole.subarray(a * size, (a + 1) * size), m)
  for (let b = 0; b < size; b++) {
    for (let a = 0; a < size; a++) column[a] = whole[a * size + b]
    centre(column, m)
    for (let a = 0; a < size; a++) whole[a * size + b] = column[a]
  }
  return whole
}

/** The diagonal of V S V: for each score, the squares of V·s added up. */
function sandwichDiagonal(
  bread: Float64Array,
  { offsets, index, values }: Scores,
  size: number,
): Float64Array {
  const squares = new Float64Array(size)
  const image = new Float64Array(size)
  for (let k = 0; k + 1 < offsets.length; k++) {
    image.fill(0)
    for (let a = offsets[k]; a < offsets[k + 1]; a++) addRow(bread, index[a], values[a], image)
    for (let a = 0; a < size; a++) squares[a] += image[a] * image[a]
  }
  return squares
}

/** S = Σ_k s_k s_kᵀ in ψ, p × p row-major: of sparse scores entry by entry, of lifted ones column by column. */
function meatMatrix(scores: Scores, likelihood: Likelihood): Float64Array {
  const { size, dense } = likelihood
  const { offsets, index, values } = scores
  const meat = new Float64Array(size * size)
  if (dense) {
    const unit = new Float64Array(size)
    for (let a = 0; a < size; a++) {
      unit[a] = 1
      meat.set(meatTimes(scores, likelihood, unit), a * size)
      unit[a] = 0
    }
    return meat
  }
  for (let k = 0; k + 1 < offsets.length; k++) {
    for (let a = offsets[k]; a < offsets[k + 1]; a++) {
      const row = index[a] * size
      for (let b = offsets[k]; b < offsets[k + 1]; b++) meat[row + index[b]] += values[a] * values[b]
    }
  }
  return meat
}

/** V S V, which is symmetric, row by row. */
function sandwichMatrix(bread: Float64Array, meat: Float64Array): Float64Array {
  const size = Math.sqrt(bread.length)
  const half = new Float64Array(size * size)
  const matrix = new Float64Array(size * size)
  for (let a = 0; a < size; a++) {
    const row = half.subarray(a * size, (a + 1) * size)
    for (let b = 0; b < size; b++) if (meat[a * size + b] !== 0) addRow(bread, b, meat[a * size + b], row)
  }
  for (let a = 0; a < size; a++) {
    for (let k = 0; k < size; k++) {
      const factor = bread[a * size + k]
      for (let b = 0; b <= a; b++) matrix[a * size + b] += factor * half[k * size + b]
    }
    for (let b = 0; b < a; b++) matrix[b * size + a] = matrix[a * size + b]
  }
  return matrix
}

function diagonalOf(matrix: Float64Array, size: number): Float64Array {
  return Float64Array.from({ length: size }, (_, a) => matrix[a * size + a])
}

function addRow(matrix: Float64Array, a: number, factor: number, sum: Float64Array): void {
  const row = a * sum.length
  for (let b = 0; b < sum.length; b++) sum[b] += factor * matrix[row + b]
}
