import type { PairCounts } from '../comparisons/pairs.ts'
import { withJeffreysPrior } from './jeffreys.ts'
import type { Likelihood } from './likelihood.ts'
import { type FeatureTable, linearLikelihood } from './linear-likelihood.ts'
import { type Maximum, maximise, notConverged } from './maximise.ts'
import type { OutcomeModel, Prior } from './model.ts'
import { type PairLikelihood, pairLikelihood } from './pair-likelihood.ts'
import { withGaussianPrior, withPhantom } from './prior.ts'

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
  pairs: PairLikelihood
}

/** The log-posterior of one group under a prior of its own, and the log-likelihood that it is made of. */
export function posteriorOf(
  counts: PairCounts,
  model: OutcomeModel,
  prior: Exclude<Prior, { kind: 'pooled' }>,
  features: FeatureTable | null,
): { posterior: Likelihood; pairs: PairLikelihood } {
  const pairs = pairLikelihood(counts, model)
  const haunted = prior.kind === 'pseudo-item' ? withPhantom(pairs, prior.strength) : pairs
  const likelihood = features === null ? haunted : linearLikelihood(haunted, features)
  switch (prior.kind) {
    case 'gaussian':
      return { posterior: withGaussianPrior(likelihood, prior.standardDeviation), pairs }
    case 'firth':
      return { posterior: withJeffreysPrior(likelihood, pairs), pairs }
    default:
      return { posterior: likelihood, pairs }
  }
}

/** What a maximum of a group's log-posterior says, in its terms. */
export function fitAt(maximum: Maximum, posterior: Likelihood, pairs: PairLikelihood): Fit {
  const { at, gradientNorm, errorEstimate, iterations } = maximum
  const lifted = posterior.lift(at)
  const rewards = lifted.slice(0, pairs.rewards)
  let mean = 0
  for (const reward of rewards) mean += reward / rewards.length
  for (let v = 0; v < rewards.length; v++) rewards[v] -= mean
  pairs.linearise(lifted)
  posterior.linearise(at)
  return {
    at,
    rewards,
    unseenReward: posterior.shiftInvariant ? 0 : -mean,
    logLikelihood: pairs.value(lifted),
    gradientNorm,
    errorEstimate,
    iterations,
    posterior,
    pairs,
  }
}

/**
 * Fits one group whose estimate is known to be finite: under half-win ties without a position effect, with a prior or on
 * a strongly connected graph.
 *
 * @throws Problem `not-converged`
 */
export function fitBradleyTerry(
  counts: PairCounts,
  prior: Exclude<Prior, { kind: 'pooled' }>,
  model: OutcomeModel = { ties: 'half-win', positionEffect: false },
): Fit {
  const { posterior, pairs } = posteriorOf(counts, model, prior, null)
  const maximum = maximise(posterior, true)
  if (maximum === null) throw notConverged()
  return fitAt(maximum, posterior, pairs)
}
