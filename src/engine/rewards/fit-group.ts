import type { Counts } from '../comparisons/counts.ts'
import type { PairCounts } from '../comparisons/pairs.ts'
import { maximiseWithJeffreys, withJeffreysPrior } from './jeffreys.ts'
import type { Likelihood } from './likelihood.ts'
import { type FeatureTable, linearLikelihood } from './linear-likelihood.ts'
import { type Maximum, maximise, notConverged } from './maximise.ts'
import { type OutcomeModel, type OwnPrior, PLAIN } from './model.ts'
import { type PairLikelihood, pairLikelihood } from './pair-likelihood.ts'
import { withGaussianPrior, withPhantom } from './prior.ts'
import { type RankingLikelihood, rankingLikelihood } from './ranking-likelihood.ts'

/** The log-likelihood of what a group said, in rewards and extras. */
export type DataLikelihood = PairLikelihood | RankingLikelihood

/** The fit of one group, with the proof that it is the maximum of its log-posterior. */
export type Fit = {
  /** ψ: rewards (or reward weights), then extras; rewards as the prior has them, not yet centred. */
  at: Float64Array
  /** θ with mean zero over the rows of the pair counts; length m. */
  rewards: Float64Array
  /** The prior's value, 0, after the same mean was subtracted: the reward of an item the group never saw. */
  unseenReward: number
  /** ℓ, without binomial constants and without the prior. */
  logLikelihood: number
  gradientNorm: number
  errorEstimate: number
  iterations: number
  /** The log-posterior in ψ, and the log-likelihood in rewards and extras, both linearised at the maximum. */
  posterior: Likelihood
  likelihood: DataLikelihood
}

/** The log-posterior of one group under a prior of its own, and the log-likelihood that it is made of. */
export function posteriorOf(
  counts: Counts,
  model: OutcomeModel,
  prior: OwnPrior,
  features: FeatureTable | null,
): { posterior: Likelihood; likelihood: DataLikelihood } {
  const likelihood = 'order' in counts ? rankingLikelihood(counts) : pairLikelihood(counts, model)
  return { posterior: priorTo(likelihood, prior, features), likelihood }
}

/** The log-posterior that a prior makes of a log-likelihood in rewards and extras. */
export function priorTo(data: DataLikelihood, prior: OwnPrior, features: FeatureTable | null): Likelihood {
  const inParameters = (likelihood: Likelihood) =>
    features === null ? likelihood : linearLikelihood(likelihood, features)
  switch (prior.kind) {
    case 'gaussian':
      return withGaussianPrior(inParameters(data), prior.standardDeviation)
    case 'pseudo-item':
      return inParameters(withPhantom(data, prior.strength))
    case 'firth':
      if (data.kind !== 'pairs') throw new Error("Jeffreys' prior is for comparisons of two items")
      return withJeffreysPrior(inParameters(data), data, (counts) =>
        inParameters(pairLikelihood(counts, data.model)),
      )
    case 'none':
      return inParameters(data)
  }
}

/** What a maximum of a group's log-posterior says, in its terms. */
export function fitAt(maximum: Maximum, posterior: Likelihood, likelihood: DataLikelihood): Fit {
  const { at, gradientNorm, errorEstimate, iterations } = maximum
  const lifted = posterior.lift(at)
  const rewards = lifted.slice(0, likelihood.rewards)
  let mean = 0
  for (const reward of rewards) mean += reward / rewards.length
  for (let v = 0; v < rewards.length; v++) rewards[v] -= mean
  // Linearises what it is made of, too.
  posterior.linearise(at)
  return {
    at,
    rewards,
    unseenReward: posterior.shiftInvariant ? 0 : -mean,
    logLikelihood: likelihood.value(lifted),
    gradientNorm,
    errorEstimate,
    iterations,
    posterior,
    likelihood,
  }
}

/**
 * Fits one group whose estimate is known to be finite: under half-win ties without a position effect, with a prior or on
 * a strongly connected graph.
 *
 * @param last rewards of an earlier fit, where the search begins; NaN for items that it did not know
 * @throws Problem `not-converged`
 */
export function fitBradleyTerry(
  counts: PairCounts,
  prior: OwnPrior,
  model: OutcomeModel = PLAIN,
  last: Float64Array | null = null,
): Fit {
  const { posterior, likelihood } = posteriorOf(counts, model, prior, null)
  const { start } = likelihood
  const maximum =
    prior.kind === 'firth'
      ? maximiseWithJeffreys(posterior)
      : maximise(posterior, true, start, last === null ? start : nearLast(start, counts.items, last))
  if (maximum === null) throw notConverged()
  return fitAt(maximum, posterior, likelihood)
}

/**
 * A place to begin near an earlier fit; items that it did not know stay where the data put them.
 *
 * @param start where the data say; rewards first
 * @param items the item of each reward
 * @param last rewards of the earlier fit by item; NaN for those that it did not know
 */
export function nearLast(start: Float64Array, items: Int32Array, last: Float64Array): Float64Array {
  const near = start.slice()
  items.forEach((item, local) => {
    if (!Number.isNaN(last[item])) near[local] = last[item]
  })
  return near
}

/** Where the search for a maximum begins: where the data say, but for reward weights, which begin at zero. */
export function startOf(
  { size, rewards, dense }: Likelihood,
  { start, rewards: m }: DataLikelihood,
): Float64Array {
  if (!dense) return start
  const linear = new Float64Array(size)
  linear.set(start.subarray(m), rewards)
  return linear
}
