import { choleskyBackSubstitute, choleskyInverse, choleskySolve, dotRows } from '../numeric/cholesky.ts'
import { normal, type Random } from '../numeric/random.ts'
import type { Covariance } from './covariance.ts'
import { centre } from './newton-step.ts'
import type { Joint, JointGroup } from './pooled-maximum.ts'

/** How far a group is drawn to the population, and how certain its parameters are. */
export type GroupPosterior = {
  /** 0 where a group's data speak for themselves, 1 where it has none: 1 − tr(H(H + I/τ²)⁻¹)/rank. */
  shrinkage: number
  covariance: Covariance
}

/**
 * The posterior of every ψ_g at the joint maximum, ψ_0's own uncertainty included: given ψ_0 the covariance of ψ_g is τ²M_g,
 * and ψ_0 moves it by M_g, so that altogether it is τ²M_g + M_g (S + I/σ²)⁻¹ M_g. What a group never compared has M = I.
 * The uncertainty of τ and σ is left aside.
 */
export function groupPosteriors(joint: Joint, tau: number): GroupPosterior[] {
  const { population, factor } = joint
  const { size: p, shiftInvariant } = population
  const rank = shiftInvariant ? p - 1 : p
  let kept: Float64Array | null = null
  const populationCovariance = () => {
    kept ??= choleskyInverse(factor, p)
    return kept
  }
  return joint.groups.map((group) => {
    // M_g but for its 1 along a shift.
    const pull = group.inverse.slice()
    if (shiftInvariant) centreBothSides(pull, group.index.length, group.likelihood.rewards)
    let trace = shiftInvariant ? 1 : 0
    for (let a = 0; a < group.index.length; a++) trace += pull[a * group.index.length + a]
    // tr(H(H + I/τ²)⁻¹) = tr(I − M).
    const told = group.index.length - trace
    return {
      shrinkage: Math.min(1, Math.max(0, 1 - told / rank)),
      covariance: covarianceOf(joint, group, pull, tau, populationCovariance),
    }
  })
}

/**
 * In what follows M_g is C M C + vvᵀ, where ℓ_g is shift-invariant: v is 1/√m along a shift of the group's own m rewards
 * and C takes it away. The two are kept apart because for large τ the first is small and all that counts.
 *
 * @param pull C M C, k × k
 */
function covarianceOf(
  { population, factor }: Joint,
  { likelihood, index, factor: ownFactor }: JointGroup,
  pull: Float64Array,
  tau: number,
  populationCovariance: () => Float64Array,
): Covariance {
  const { size: p, rewards, shiftInvariant } = population
  const m = likelihood.rewards
  const k = index.length
  const variance = tau * tau

  /** M_g x, in place. */
  const pulled = (x: Float64Array): Float64Array => {
    const own = Float64Array.from(index, (b) => x[b])
    let shift = 0
    if (shiftInvariant) {
      for (let a = 0; a < m; a++) shift += own[a] / m
      for (let a = 0; a < m; a++) own[a] -= shift
    }
    index.forEach((b, a) => {
      x[b] = dotRows(pull, a * k, own, 0, k) + (a < m ? shift : 0)
    })
    return x
  }
  const inGauge = (x: Float64Array): Float64Array => {
    if (shiftInvariant) centre(x, rewards)
    return x
  }

  const times = (c: Float64Array): Float64Array => {
    const own = pulled(c.slice())
    const common = own.slice()
    choleskySolve(factor, p, common)
    pulled(inGauge(common))
    return inGauge(own.map((value, a) => variance * value + common[a]))
  }

  let kept: Float64Array | null = null
  const matrix = (): Float64Array => {
    if (kept !== null) return kept
    const whole = populationCovariance().slice()
    onBothSides(whole, p, inGauge)
    onBothSides(whole, p, pulled)
    const shift = new Float64Array(p)
    const unseen = new Uint8Array(p).fill(1)
    index.forEach((row, a) => {
      unseen[row] = 0
      if (shiftInvariant && a < m) shift[row] = 1 / Math.sqrt(m)
      index.forEach((column, b) => {
        whole[row * p + column] += variance * pull[a * k + b]
      })
    })
    for (let a = 0; a < p; a++) if (unseen[a] === 1) whole[a * p + a] += variance
    onBothSides(whole, p, inGauge)
    inGauge(shift)
    for (let a = 0; a < p; a++) for (let b = 0; b < p; b++) whole[a * p + b] += variance * shift[a] * shift[b]
    kept = whole
    return whole
  }

  return {
    relativeError: 0,
    times,
    variances: () => Float64Array.from({ length: p }, (_, a) => matrix()[a * p + a]),
    matrix,
    draw(random) {
      const drawn = pulled(inGauge(drawInverse(factor, p, random)))
      const own = drawInverse(ownFactor, k, random)
      const shift = shiftInvariant ? normal(random) / Math.sqrt(m) : 0
      if (shiftInvariant) centre(own, m)
      const unseen = new Uint8Array(p).fill(1)
      index.forEach((b, a) => {
        unseen[b] = 0
        drawn[b] += tau * (own[a] + (a < m ? shift : 0))
      })
      for (let b = 0; b < p; b++) if (unseen[b] === 1) drawn[b] += tau * normal(random)
      return inGauge(drawn)
    },
  }
}

/** A draw from N(0, (R·Rᵀ)⁻¹). */
function drawInverse(factor: Float64Array, order: number, random: Random): Float64Array {
  const drawn = new Float64Array(order)
  for (let a = 0; a < order; a++) drawn[a] = normal(random)
  choleskyBackSubstitute(factor, order, drawn)
  return drawn
}

/** Applies a symmetric linear map to the rows of a symmetric p × p matrix, and then to its columns. */
function onBothSides(matrix: Float64Array, p: number, map: (x: Float64Array) => void): void {
  for (let side = 0; side < 2; side++) {
    for (let a = 0; a < p; a++) map(matrix.subarray(a * p, (a + 1) * p))
    for (let a = 0; a < p; a++) {
      for (let b = 0; b < a; b++) {
        const value = matrix[a * p + b]
        matrix[a * p + b] = matrix[b * p + a]
        matrix[b * p + a] = value
      }
    }
  }
}

/** C·A·C with C = I − 11ᵀ/m on the rewards. */
function centreBothSides(matrix: Float64Array, order: number, m: number): void {
  onBothSides(matrix, order, (row) => centre(row, m))
}
