import type { Likelihood } from './likelihood.ts'

/** Items are described by feature vectors φ_i: m × width, stored by feature (feature f of item i is at f·m + i). */
export type FeatureTable = { width: number; values: Float64Array }

/** Rows that are multiplied together at a time, so that they stay in the processor's cache. */
const BLOCK = 512

/**
 * The log-likelihood of reward weights w, where rewards are linear in features: θ = Φw. Its gradient is Φᵀ∂ℓ/∂θ and its
 * curvature ΦᵀLΦ, so that comparisons are still reduced to pairs. There is no intercept: a constant feature would
 * cancel from every difference.
 */
export function linearLikelihood(base: Likelihood, { width, values: features }: FeatureTable): Likelihood {
  const m = base.rewards
  const { extras } = base
  const size = width + extras.length
  const gradient = new Float64Array(size)
  const diagonal = new Float64Array(size)
  const curvature = new Float64Array(size * size)

  const lift = (step: Float64Array): Float64Array => {
    const lifted = new Float64Array(base.size)
    for (let f = 0; f < width; f++) {
      const weight = step[f]
      if (weight !== 0) for (let v = 0; v < m; v++) lifted[v] += weight * features[f * m + v]
    }
    for (let e = 0; e < extras.length; e++) lifted[m + e] = step[width + e]
    return lifted
  }

  /** Φᵀx for the rewards, and the extras as they are. */
  const lower = (x: Float64Array): Float64Array => {
    const out = new Float64Array(size)
    for (let f = 0; f < width; f++) {
      let sum = 0
      for (let v = 0; v < m; v++) sum += features[f * m + v] * x[v]
      out[f] = sum
    }
    for (let e = 0; e < extras.length; e++) out[width + e] = x[m + e]
    return out
  }

  const linearise = (at: Float64Array): void => {
    base.linearise(lift(at))
    gradient.set(lower(base.gradient))
    fillCurvature()
    for (let a = 0; a < size; a++) diagonal[a] = curvature[a * size + a]
  }

  /** The lower triangle of ΦᵀLΦ, bordered by the extras. */
  const fillCurvature = (): void => {
    curvature.fill(0)
    const images = new Float64Array(width * m)
    const x = new Float64Array(base.size)
    const image = new Float64Array(base.size)
    for (let f = 0; f < width; f++) {
      x.set(features.subarray(f * m, (f + 1) * m))
      base.multiply(x, image)
      images.set(image.subarray(0, m), f * m)
      for (let e = 0; e < extras.length; e++) curvature[(width + e) * size + f] = image[m + e]
    }
    for (let start = 0; start < m; start += BLOCK) {
      const end = Math.min(m, start + BLOCK)
      for (let f = 0; f < width; f++) {
        for (let h = 0; h <= f; h++) {
          let sum = 0
          for (let v = start; v < end; v++) sum += images[f * m + v] * features[h * m + v]
          curvature[f * size + h] += sum
        }
      }
    }
    x.fill(0)
    for (let e = 0; e < extras.length; e++) {
      x[m + e] = 1
      base.multiply(x, image)
      for (let h = 0; h <= e; h++) curvature[(width + e) * size + width + h] = image[m + h]
      x[m + e] = 0
    }
  }

  const multiply = (x: Float64Array, out: Float64Array): void => {
    for (let a = 0; a < size; a++) {
      let sum = 0
      for (let b = 0; b < size; b++)
        sum += x[b] * (b <= a ? curvature[a * size + b] : curvature[b * size + a])
      out[a] = sum
    }
  }

  return {
    size,
    rewards: width,
    extras,
    dense: true,
    shiftInvariant: false,
    totals: totalsOf(base, width, features),
    value: (at) => base.value(lift(at)),
    linearise,
    gradient,
    diagonal,
    multiply,
    addCurvature(matrix, order) {
      for (let a = 0; a < order; a++)
        for (let b = 0; b <= a; b++) matrix[a * order + b] += curvature[a * size + b]
    },
    reach: (step) => base.reach(lift(step)),
    lift,
    lower,
    informationScores: null,
  }
}

/** Comparisons on a feature: those of each item times how far its feature is from their mean. */
function totalsOf(base: Likelihood, width: number, features: Float64Array): Float64Array {
  const m = base.rewards
  const totals = new Float64Array(width + base.extras.length)
  let all = 0
  for (let v = 0; v < m; v++) all += base.totals[v]
  for (let f = 0; f < width; f++) {
    let mean = 0
    for (let v = 0; v < m; v++) mean += (base.totals[v] * features[f * m + v]) / all
    for (let v = 0; v < m; v++) totals[f] += base.totals[v] * Math.abs(features[f * m + v] - mean)
  }
  totals.set(base.totals.subarray(m), width)
  return totals
}
