import type { Features } from '../comparisons/read.ts'
import type { Covariance } from './covariance.ts'

/**
 * The variance of each reward in the gauge where those of the group's items sum to zero.
 *
 * @param variances those of the parameters, as {@link Covariance.variances} gives them
 * @param items the group's items, as indices into those of the request
 * @param features of the items of the request, n × width row-major; null where every item has a reward of its own
 * @returns one for each of the group's items
 */
export function rewardVariances(
  covariance: Covariance,
  variances: Float64Array,
  items: readonly number[],
  features: Features | null,
): Float64Array {
  if (features === null) return variances.slice(0, items.length)
  const { width, values } = features
  const centre = new Float64Array(width)
  for (const item of items)
    for (let f = 0; f < width; f++) centre[f] += values[item * width + f] / items.length
  return Float64Array.from(items, (item) => {
    const c = new Float64Array(variances.length)
    for (let f = 0; f < width; f++) c[f] = values[item * width + f] - centre[f]
    return Math.max(0, dot(c, covariance.times(c)))
  })
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k]
  return sum
}
