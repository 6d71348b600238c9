import { type Connectivity, connectivity } from '../comparisons/connectivity.ts'
import { beatsOf } from '../comparisons/counts.ts'
import type { GroupData, Preferences } from '../preferences.ts'
import { type Covariance, covarianceOf } from './covariance.ts'
import type { Fit } from './fit-group.ts'
import type { Extra, OutcomeModel, Prior } from './model.ts'
import { fitGroups } from './own-groups.ts'
import type { PooledFit } from './pooled.ts'
import { poolGroups } from './pooled-groups.ts'
import type { Reliability, ReliabilityFit } from './reliability.ts'
import { scoresOf } from './scores.ts'

/** The rewards of one group over all items of the request. */
export type GroupRewards = {
  /** Length n; an item that the group never saw has the group's mean, or with a prior the prior's value. */
  values: Float64Array
  /** 1 where the group compared the item; length n. */
  seen: Uint8Array
  /** w, where rewards are linear in features: θ = Φw; null elsewhere. */
  weights: Float64Array | null
  /** How they were fitted; null where they were given. */
  fitted: FittedGroup | null
}

/** A group's fit, with the data and the graph that it rests on. */
export type FittedGroup = {
  data: GroupData
  /** How the items hang together; null where comparisons are of feature differences and name none. */
  connectivity: Connectivity | null
  fit: Fit
  /** Where groups were pooled: what they share, and how far this one was drawn to it. */
  pooled: PooledShare | null
  /** Where annotators differ in it: how reliable each is. */
  reliability: ReliabilityFit | null
}

/** What a pooled fit says of one group. */
export type PooledShare = Pick<PooledFit, 'standardDeviation' | 'populationDeviation' | 'logMarginal'> & {
  shrinkage: number
  covariance: Covariance
}

/** What was fitted to a group before, to fewer comparisons or others. */
export type LastFit = {
  /** By item; NaN for those that the group had not seen. */
  rewards: Float64Array
  /** w, where rewards are linear in features. */
  weights: Float64Array | null
  extras: Partial<Record<Extra, number>>
}

/** How rewards are fitted, with every default filled in. */
export type Model = OutcomeModel & {
  prior: Prior
  standardErrors: 'fisher' | 'sandwich' | 'clustered'
  /** Whether annotators differ in how reliable they are; null where all count the same. */
  reliability: Reliability | null
}

/**
 * The rewards of every group: as given, or fitted to the group's own data.
 *
 * @param seed of the points from which a maximum is looked for where there may be several
 * @param done is told which part of the groups has been fitted, or of the digits of what pooled groups share
 * @param last earlier fits, group by group: the search begins there, where the maximum is the only one; null for none
 * @throws Problem `no-finite-estimate` that tells, for each group that has none, its components, undefeated and winless
 *   items, and the direction in which the likelihood grows; `collinear-features`; `not-converged`
 */
export async function rewardsOf(
  preferences: Preferences,
  model: Model,
  seed: number,
  done: (fraction: number) => void = () => {},
  last: readonly (LastFit | null)[] | null = null,
): Promise<GroupRewards[]> {
  const { groups, items, source } = preferences
  const n = items.length
  if (source.kind === 'rewards') {
    return groups.map((_, g) => ({
      values: source.rewards.slice(g * n, (g + 1) * n),
      seen: new Uint8Array(n).fill(1),
      weights: null,
      fitted: null,
    }))
  }
  const graphs = source.groups.map((group) => (group.named ? connectivity(beatsOf(group.counts)) : null))
  const fitted =
    model.prior.kind === 'pooled'
      ? await poolGroups(preferences, source.groups, graphs, model, model.prior, done)
      : await fitGroups(preferences, source.groups, graphs, model, model.prior, seed, done, last)
  return fitted.map((group) => rewardsOverItems(preferences, group))
}

/** The rewards of a fitted group, spread over the items of the request. */
function rewardsOverItems({ items, features }: Preferences, fitted: FittedGroup): GroupRewards {
  const n = items.length
  const { fit, data } = fitted
  const seen = new Uint8Array(n)
  if (data.named) for (const item of data.counts.items) seen[item] = 1
  if (data.features !== null) {
    const weights = fit.at.slice(0, data.features.width)
    const values = new Float64Array(n)
    if (features !== null) {
      // From the first item's features, as an offset that all share would leave rewards few digits.
      for (let i = 0; i < n; i++)
        for (let f = 0; f < weights.length; f++)
          values[i] += weights[f] * (features.values[i * weights.length + f] - features.values[f])
      let mean = 0
      for (const value of values) mean += value / n
      for (let i = 0; i < n; i++) values[i] -= mean
    }
    return { values, seen, weights, fitted }
  }
  const values = new Float64Array(n).fill(fit.unseenReward)
  if (fitted.pooled !== null) {
    values.set(fit.rewards)
  } else {
    data.counts.items.forEach((item, local) => {
      values[item] = fit.rewards[local]
    })
  }
  return { values, seen, weights: null, fitted }
}

/**
 * The covariance of a group's estimate, of the kind that the model asks for.
 *
 * @param seed of what is simulated beyond 2,000 parameters
 * @returns null where the curvature is singular to rounding
 */
export function groupCovariance(
  { data, fit, pooled }: FittedGroup,
  { standardErrors }: Model,
  seed: number,
): Covariance | null {
  if (pooled !== null) return pooled.covariance
  const { posterior, likelihood, at } = fit
  const scores =
    standardErrors === 'fisher' ? null : scoresOf(data, likelihood, standardErrors, posterior.lift(at))
  return covarianceOf(posterior, scores, seed)
}

/** Parameters besides the rewards, by name. */
export function extraParameters({ at, posterior }: Fit): Partial<Record<Extra, number>> {
  return Object.fromEntries(posterior.extras.map((extra, e) => [extra, at[posterior.rewards + e]]))
}
