import type { Choices } from './choices.ts'

/** The log-likelihood of all choices at one exponent and its derivatives, per unit of mass. */
export type Slope = {
  value: number
  /** By log c_g; length G. */
  gradient: Float64Array
  /** By log c_g and log c_h; G × G, row-major. */
  curvature: Float64Array
  /** What choices tell of c: Σ_k m_k σ(D_k) σ(−D_k) ∇D_k ∇D_kᵀ, by log c; G × G. */
  information: Float64Array
  /** ∂ℓ/∂c_g, also where c_g is 0; length G. */
  added: Float64Array
}

/**
 * ℓ(c) = Σ_k m_k log σ(D_k) / Σ_k m_k with D_k = κ [log M_ρ(x_k; w) − log M_ρ(y_k; w)], in the coordinates c = κw: the
 * sensitivity κ is the sum of c, and the weights are its parts. A choice of probability σ(D) is a logistic choice between
 * log-welfares (Luce, Individual Choice Behavior, 1959).
 *
 * With γ(s) = (e^{ρs} − 1)/ρ (s itself at ρ = 0), a_h = γ(log x_h − log M(x)) and b_h = γ(log y_h − log M(y)):
 * ∂D/∂c_h = log M(x) − log M(y) + a_h − b_h, and κ ∂²D/∂c_h∂c_l = −ρ (a_h a_l − b_h b_l).
 *
 * @param c length G, 0 or more, not all 0
 */
export function slopeAt(choices: Choices, exponent: number, c: Float64Array): Slope {
  const { preferred, rejected, mass } = choices
  const size = c.length
  const kappa = sumOf(c)
  const weights = c.map((part) => part / kappa)
  const gradient = new Float64Array(size)
  const added = new Float64Array(size)
  const curvature = new Float64Array(size * size)
  const information = new Float64Array(size * size)
  const a = new Float64Array(size)
  const b = new Float64Array(size)
  const slope = new Float64Array(size)
  const total = sumOf(mass)
  let value = 0
  for (let k = 0; k < mass.length; k++) {
    const row = k * size
    const logX = logMeanAt(exponent, preferred, row, weights)
    const logY = logMeanAt(exponent, rejected, row, weights)
    const difference = kappa * (logX - logY)
    const m = mass[k] / total
    value += m * logSigmoid(difference)
    const miss = Math.exp(logSigmoid(-difference))
    const spread = miss * Math.exp(logSigmoid(difference))
    for (let h = 0; h < size; h++) {
      a[h] = powerOf(exponent, preferred[row + h] - logX)
      b[h] = powerOf(exponent, rejected[row + h] - logY)
      const each = logX - logY + a[h] - b[h]
      slope[h] = c[h] * each
      added[h] += m * miss * each
      gradient[h] += m * miss * slope[h]
    }
    for (let h = 0; h < size; h++) {
      if (c[h] === 0) continue
      for (let l = 0; l <= h; l++) {
        if (c[l] === 0) continue
        const bend = -exponent * (a[h] * a[l] - b[h] * b[l])
        const second = weights[h] * c[l] * bend + (h === l ? slope[h] : 0)
        const outer = spread * slope[h] * slope[l]
        information[h * size + l] += m * outer
        curvature[h * size + l] += m * (miss * second - outer)
      }
    }
  }
  for (let h = 0; h < size; h++) {
    for (let l = 0; l < h; l++) {
      curvature[l * size + h] = curvature[h * size + l]
      information[l * size + h] = information[h * size + l]
    }
  }
  return { value, gradient, curvature, information, added }
}

/** ℓ(c) alone. */
export function valueAt(choices: Choices, exponent: number, c: Float64Array): number {
  const { mass } = choices
  const differences = differencesAt(choices, exponent, c)
  let value = 0
  for (let k = 0; k < mass.length; k++) value += mass[k] * logSigmoid(differences[k])
  return value / sumOf(mass)
}

/** D_k at c; length K. */
export function differencesAt(
  { preferred, rejected, mass }: Choices,
  exponent: number,
  c: Float64Array,
): Float64Array {
  const size = c.length
  const kappa = sumOf(c)
  const weights = c.map((part) => part / kappa)
  const differences = new Float64Array(mass.length)
  for (let k = 0; k < mass.length; k++) {
    const logX = logMeanAt(exponent, preferred, k * size, weights)
    const logY = logMeanAt(exponent, rejected, k * size, weights)
    differences[k] = kappa * (logX - logY)
  }
  return differences
}

/** log M_ρ of the utilities whose logarithms stand from `at` on. */
function logMeanAt(exponent: number, logs: Float64Array, at: number, weights: Float64Array): number {
  let middle = 0
  for (let g = 0; g < weights.length; g++) middle += weights[g] * logs[at + g]
  if (exponent === 0) return middle
  let top = Number.NEGATIVE_INFINITY
  let farthest = 0
  for (let g = 0; g < weights.length; g++) {
    if (weights[g] === 0) continue
    const power = exponent * (logs[at + g] - middle)
    if (power > top) top = power
    if (Math.abs(power) > farthest) farthest = Math.abs(power)
  }
  let sum = 0
  // Towards ρ = 0 all powers tend to 1: their differences from it are summed. Elsewhere the largest is taken out.
  if (farthest < 0.5) {
    for (let g = 0; g < weights.length; g++)
      if (weights[g] > 0) sum += weights[g] * Math.expm1(exponent * (logs[at + g] - middle))
    return middle + Math.log1p(sum) / exponent
  }
  for (let g = 0; g < weights.length; g++)
    if (weights[g] > 0) sum += weights[g] * Math.exp(exponent * (logs[at + g] - middle) - top)
  return middle + (top + Math.log(sum)) / exponent
}

/** γ(s) = (e^{ρs} − 1)/ρ. */
function powerOf(exponent: number, s: number): number {
  return exponent === 0 ? s : Math.expm1(exponent * s) / exponent
}

/** log σ(d), without overflow. */
function logSigmoid(d: number): number {
  return d >= 0 ? -Math.log1p(Math.exp(-d)) : d - Math.log1p(Math.exp(d))
}

function sumOf(values: Float64Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum
}
