import {
  choleskyBackSubstitute,
  choleskyInverse,
  choleskyInverseDiagonal,
  choleskySolve,
} from '../numeric/cholesky.ts'
import { normal, type Random, seededRandom } from '../numeric/random.ts'
import type { Likelihood, Scores } from './likelihood.ts'
import { centre, factorCurvature, solveByConjugateGradients, solveFactored } from './newton-step.ts'

/** Up to so many parameters covariances are exact; beyond, simulated. */
export const EXACT_LIMIT = 2000
/** Simulated estimates that a standard error is taken from beyond that limit. */
const DRAWS = 200
/** Relative residual of their linear systems: far below the error of the simulation itself. */
const DRAW_TOLERANCE = 1e-4

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
  let bread: Float64Array | null = null
  const breadMatrix = () => {
    bread ??= inGauge(choleskyInverse(factor, order), likelihood)
    return bread
  }
  return {
    relativeError: 0,
    times: (c) => centred(scores === null ? solve(c) : solve(meatTimes(scores, likelihood, solve(c)))),
    variances: () =>
      scores === null
        ? inverseDiagonal(factor, order, likelihood)
        : sandwichDiagonal(breadMatrix(), likelihood, scores),
    matrix: () => (scores === null ? breadMatrix() : sandwichMatrix(breadMatrix(), likelihood, scores)),
    draw(random) {
      if (scores !== null) return centred(solve(likelihood.lower(randomScore(scores, likelihood, random))))
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

function simulated(likelihood: Likelihood, scores: Scores | null, seed: number): Covariance | null {
  const information = scores ?? likelihood.informationScores?.() ?? null
  if (information === null) return null
  const { size, rewards: m } = likelihood
  const solve = (b: Float64Array, tolerance: number) => {
    const x = new Float64Array(size)
    solveByConjugateGradients(likelihood, b, tolerance, x)
    centre(x, m)
    return x
  }
  const draw = (random: Random) =>
    solve(likelihood.lower(randomScore(information, likelihood, random)), DRAW_TOLERANCE)
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
function sandwichDiagonal(bread: Float64Array, likelihood: Likelihood, scores: Scores): Float64Array {
  const { size } = likelihood
  const squares = new Float64Array(size)
  forEachImage(bread, likelihood, scores, (image) => {
    for (let a = 0; a < size; a++) squares[a] += image[a] * image[a]
  })
  return squares
}

/** V S V = (V F)(V F)ᵀ, score by score. */
function sandwichMatrix(bread: Float64Array, likelihood: Likelihood, scores: Scores): Float64Array {
  const { size } = likelihood
  const matrix = new Float64Array(size * size)
  forEachImage(bread, likelihood, scores, (image) => {
    for (let a = 0; a < size; a++) {
      const factor = image[a]
      const row = a * size
      for (let b = 0; b <= a; b++) matrix[row + b] += factor * image[b]
    }
  })
  for (let a = 0; a < size; a++) for (let b = 0; b < a; b++) matrix[b * size + a] = matrix[a * size + b]
  return matrix
}

/** Visits V·s for every score s; the vector is overwritten by the next. */
function forEachImage(
  bread: Float64Array,
  likelihood: Likelihood,
  { offsets, index, values }: Scores,
  visit: (image: Float64Array) => void,
): void {
  const { size } = likelihood
  const image = new Float64Array(size)
  const lifted = likelihood.dense ? likelihood.lift(new Float64Array(size)) : null
  for (let k = 0; k + 1 < offsets.length; k++) {
    image.fill(0)
    if (lifted === null) {
      for (let a = offsets[k]; a < offsets[k + 1]; a++) addRow(bread, index[a], values[a], image)
    } else {
      lifted.fill(0)
      for (let a = offsets[k]; a < offsets[k + 1]; a++) lifted[index[a]] += values[a]
      likelihood.lower(lifted).forEach((value, a) => {
        addRow(bread, a, value, image)
      })
    }
    visit(image)
  }
}

function addRow(matrix: Float64Array, a: number, factor: number, sum: Float64Array): void {
  const row = a * sum.length
  for (let b = 0; b < sum.length; b++) sum[b] += factor * matrix[row + b]
}
