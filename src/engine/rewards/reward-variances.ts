import type { Features } from '../comparisons/read.ts'
import { varianceAlong } from './contrasts.ts'
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
  // From the first item's features, as an offset that all share would leave differences few digits.
  const above = (item: number, f: number) => values[item * width + f] - values[items[0] * width + f]
  const centre = new Float64Array(width)
  for (const item of items) for (let f = 0; f < width; f++) centre[f] += above(item, f) / items.length
  return Float64Array.from(items, (item) => {
    const c = new Float64Array(variances.length)
    for (let f = 0; f < width; f++) c[f] = above(item, f) - centre[f]
    return varianceAlong(covariance, c)
  })
}
