import { beatsOf, overItems } from '../comparisons/counts.ts'
import type { Features } from '../comparisons/read.ts'
import { estimatedItems, type RewardCovariance, rewardCovariance } from '../rewards/contrasts.ts'
import { covarianceOf } from '../rewards/covariance.ts'
import { posteriorOf } from '../rewards/fit-group.ts'
import { extraParameters, type FittedGroup, groupCovariance, type Model } from '../rewards/rewards.ts'
import { connectingPairs, type Link } from './connecting.ts'
import { type Information, informationOf } from './information.ts'

/** What a fitted group knows of the items that count, n of them. */
export type Knowledge = {
  /** θ; length n. */
  rewards: Float64Array
  /** Of rewards and extras; with the links answered, where there are any. */
  covariance: RewardCovariance
  information: Information
  /** What to ask first, of items that have no estimate yet. */
  links: Link[]
}

/**
 * What a fitted group knows of the items that count.
 *
 * An item that the group never compared has what a gaussian or pseudo-item prior says of it, or is known through its
 * features or from other groups. Otherwise it has no estimate: then it is taken to have the group's mean reward, and the
 * comparisons that link it to the others come first.
 *
 * @param rewards θ over the items of the request
 * @param items those that count, ascending: all that the group compared, or all of the request
 * @param features of the items of the request
 * @returns null where the curvature is singular to rounding
 */
export function knowledgeOf(
  fitted: FittedGroup,
  rewards: Float64Array,
  items: readonly number[],
  features: Features | null,
  model: Model,
): Knowledge | null {
  const own = Float64Array.from(items, (item) => rewards[item])
  const information = informationOf(own, fitted.fit.posterior.extras, extraParameters(fitted.fit))
  const covariance = fittedCovariance(fitted, rewards.length, items, features, model)
  if (covariance === null) return null
  if (covariance.rewards === items.length) return { rewards: own, covariance, information, links: [] }
  const counts = overItems(fitted.data.counts, items)
  const links = connectingPairs(beatsOf(counts), model.prior.kind === 'firth')
  const seen = Array.from(fitted.data.counts.items, (item) => items.indexOf(item))
  return { rewards: own, covariance: withLinks(covariance, seen, links, information), information, links }
}

/** The covariance of all items that count where the model has an estimate of all, else of those that the group compared. */
function fittedCovariance(
  fitted: FittedGroup,
  n: number,
  items: readonly number[],
  features: Features | null,
  model: Model,
): RewardCovariance | null {
  const { data, fit, pooled } = fitted
  const { prior } = model
  const estimated = estimatedItems(data, pooled !== null, n, features)
  const proper = prior.kind === 'gaussian' || prior.kind === 'pseudo-item'
  if (!proper || estimated.items.length === items.length) {
    const covariance = groupCovariance(fitted, model, 0)
    return covariance === null ? null : rewardCovariance(covariance, estimated, fit.posterior.rewards)
  }
  // Items without comparisons are where their prior has its peak, at 0, and the others where they were without them.
  const counts = overItems(data.counts, items)
  const { posterior } = posteriorOf(counts, model, prior, null)
  const at = new Float64Array(posterior.size)
  data.counts.items.forEach((item, k) => {
    at[items.indexOf(item)] = fit.at[k]
  })
  at.set(fit.at.subarray(data.counts.items.length), items.length)
  posterior.linearise(at)
  const covariance = covarianceOf(posterior, null, 0)
  const whole = { items, features: null }
  return covariance === null ? null : rewardCovariance(covariance, whole, items.length)
}

/**
 * The covariance once the links were answered: an item that was unknown differs from the one that it was compared with by
 * an independent error, whose variance is one over the information of the answers.
 *
 * @param seen where the items of the covariance are among those that count
 */
function withLinks(
  { values, size: known, rewards }: RewardCovariance,
  seen: readonly number[],
  links: readonly Link[],
  { items: n, edge }: Information,
): RewardCovariance {
  const size = n + known - rewards
  // For each reward and extra the row of the known covariance that it shares, and the variance of its own.
  const source = new Int32Array(size).fill(-1)
  const own = new Float64Array(size)
  seen.forEach((at, k) => {
    source[at] = k
  })
  for (let e = rewards; e < known; e++) source[n + e - rewards] = e
  for (const { a, b, times } of links) {
    const [from, to] = source[a] >= 0 ? [a, b] : [b, a]
    source[to] = source[from]
    own[to] = 1 / (times * edge[a * n + b])
  }
  const whole = new Float64Array(size * size)
  const means = new Float64Array(size)
  for (let a = 0; a < size; a++) {
    for (let b = 0; b < size; b++) {
      const value = values[source[a] * known + source[b]] + (a === b ? own[a] : 0)
      whole[a * size + b] = value
      if (b < n) means[a] += value / n
    }
  }
  let mean = 0
  for (let a = 0; a < n; a++) mean += means[a] / n
  for (let a = 0; a < size; a++) {
    for (let b = 0; b < size; b++) {
      whole[a * size + b] +=
        (a < n ? (b < n ? mean : 0) : 0) - (b < n ? means[a] : 0) - (a < n ? means[b] : 0)
    }
  }
  return { values: whole, size, rewards: n }
}
