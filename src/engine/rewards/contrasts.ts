import type { Features } from '../comparisons/read.ts'
import type { GroupData } from '../preferences.ts'
import type { Covariance } from './covariance.ts'

/** Which items have an estimate in a group, and how their rewards follow from its parameters ψ. */
export type Estimated = {
  /** As indices into the items of the request; m of them. */
  items: readonly number[]
  /** Features of the items of the request, n × width row-major: θ = Φw; null where ψ_k is the reward of items[k] itself. */
  features: Features | null
}

/**
 * With features, or pooled, all items have an estimate; otherwise those that the group compared.
 *
 * @param n how many items the request has, and features those of its items
 */
export function estimatedItems(
  data: GroupData,
  pooled: boolean,
  n: number,
  features: Features | null,
): Estimated {
  const all = Array.from({ length: n }, (_, i) => i)
  // Feature differences that comparisons brought along say nothing of items without features.
  if (data.features !== null) return { items: features === null ? [] : all, features }
  return { items: pooled ? all : Array.from(data.counts.items), features: null }
}

/**
 * The vector c with θ_a − θ_b = c·ψ, a and b being positions in the list of estimated items.
 *
 * @param size p, the number of parameters
 */
export function contrastOf({ items, features }: Estimated, a: number, b: number, size: number): Float64Array {
  const c = new Float64Array(size)
  if (features === null) {
    c[a] += 1
    c[b] -= 1
    return c
  }
  const { width, values } = features
  for (let f = 0; f < width; f++) c[f] = values[items[a] * width + f] - values[items[b] * width + f]
  return c
}

/** The rewards of the estimated items at ψ; with features, up to a constant. */
export function rewardsFrom({ items, features }: Estimated, at: Float64Array): Float64Array {
  if (features === null) return at.subarray(0, items.length)
  const { width, values } = features
  return Float64Array.from(items, (item) => {
    let reward = 0
    // What all items share in a feature cancels from differences, and might be large.
    for (let f = 0; f < width; f++)
      reward += (values[item * width + f] - values[items[0] * width + f]) * at[f]
    return reward
  })
}

/** cᵀΣc. */
export function varianceAlong(covariance: Covariance, c: Float64Array): number {
  const image = covariance.times(c)
  let sum = 0
  for (let k = 0; k < c.length; k++) sum += c[k] * image[k]
  return Math.max(0, sum)
}

/** The covariance of the estimated items' rewards, which sum to zero, and of the extras: size × size, row-major. */
export type RewardCovariance = { values: Float64Array; size: number; rewards: number }

/**
 * The covariance of rewards and extras, from that of the parameters: itself, or with features (Φ−φ̄) V (Φ−φ̄)ᵀ.
 *
 * @param width how many of the parameters are rewards or reward weights
 * @returns null beyond 2,000 parameters
 */
export function rewardCovariance(
  covariance: Covariance,
  { items, features }: Estimated,
  width: number,
): RewardCovariance | null {
  const matrix = covariance.matrix()
  if (matrix === null) return null
  const p = Math.round(Math.sqrt(matrix.length))
  if (features === null) return { values: matrix, size: p, rewards: width }
  const m = items.length
  const size = m + p - width
  // Row a tells how reward or extra a follows from the parameters.
  const rows = new Float64Array(size * p)
  for (let f = 0; f < width; f++) {
    let mean = 0
    for (const item of items) mean += features.values[item * width + f] / m
    items.forEach((item, a) => {
      rows[a * p + f] = features.values[item * width + f] - mean
    })
  }
  for (let e = width; e < p; e++) rows[(m + e - width) * p + e] = 1
  const images = new Float64Array(size * p)
  for (let a = 0; a < size; a++) {
    for (let k = 0; k < p; k++) {
      const factor = rows[a * p + k]
      if (factor === 0) continue
      for (let b = 0; b < p; b++) images[a * p + b] += factor * matrix[k * p + b]
    }
  }
  const values = new Float64Array(size * size)
  for (let a = 0; a < size; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = 0
      for (let k = 0; k < p; k++) sum += images[a * p + k] * rows[b * p + k]
      values[a * size + b] = sum
      values[b * size + a] = sum
    }
  }
  return { values, size, rewards: m }
}

/** Variances of differences below this part of the largest variance of a reward are rounding. */
const ROUNDING = 1e-12

/** The variance of θ_a − θ_b for all pairs, m × m row-major; 0 where rounding leaves nothing of it. */
export function contrastVariances({ values, size, rewards: m }: RewardCovariance): Float64Array {
  let largest = 0
  for (let a = 0; a < m; a++) largest = Math.max(largest, values[a * size + a])
  const variances = new Float64Array(m * m)
  for (let a = 0; a < m; a++) {
    for (let b = 0; b < a; b++) {
      const variance = values[a * size + a] + values[b * size + b] - 2 * values[a * size + b]
      if (variance > ROUNDING * largest) variances[a * m + b] = variances[b * m + a] = variance
    }
  }
  return variances
}
