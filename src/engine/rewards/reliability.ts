import { type Random, seededRandom } from '../numeric/random.ts'
import type { ComparedGroup } from '../preferences.ts'
import { type Fit, fitAt, priorTo } from './fit-group.ts'
import type { Likelihood } from './likelihood.ts'
import { largest, type Maximum, maximise, ROUNDING, relativeGradient, TOLERANCE } from './maximise.ts'
import type { Prior } from './model.ts'
import { centre, factorCurvature, newtonStep, solveFactored } from './newton-step.ts'
import { pairLikelihood } from './pair-likelihood.ts'
import { reliabilityLikelihood } from './reliability-likelihood.ts'
import type { ReliabilityPrior } from './reliability-nodes.ts'

/** The prior of every annotator's reliability, and from how many points the maximum is looked for. */
export type Reliability = ReliabilityPrior & { starts: number }

/** How reliable the annotators of one group are, at the best of the maxima that were found. */
export type ReliabilityFit = {
  /** The mean of η of each annotator of the group's judgements, in their order, given these and the rewards. */
  reliabilities: Float64Array
  /** Of the rewards, at the maximum; up to the constant of their prior. */
  logPosterior: number
  starts: number
  /** Starts that led to it. */
  startsAgreeing: number
  /** Steps of all starts together. */
  iterations: number
  /** The largest derivative, relative to the comparisons. */
  gradientNorm: number
}

/** A prior that does not depend on what was meant. */
type RewardPrior = Extract<Prior, { kind: 'none' | 'gaussian' | 'pseudo-item' }>

/**
 * What comes of it: a fit; or the direction in which rewards run away, where that is better than any maximum found; or
 * null where no start converges.
 */
export type ReliabilitySearch =
  | { fit: Fit; reliability: ReliabilityFit }
  | { direction: Float64Array; likelihood: Likelihood }
  | null

/** Log-posteriors of two starts that differ by less, relatively, are the same maximum. */
const SAME = 1e-9

/**
 * Finds the rewards of one group, over all reliabilities that its annotators may have: the best of the local maxima of
 * their log-posterior that are reached from several points.
 *
 * A start is a reliability for each annotator, and the rewards that fit what was then meant. The first is the prior's
 * mean; the others are drawn from U(0, 1), so that half of the annotators begin as contrarians.
 *
 * Turning all rewards and all reliabilities round, (θ, η) → (−θ, 1 − η), changes nothing in how likely the judgements
 * are: it is the prior, α > β, that says which of the two it is.
 *
 * @param seed of the starts
 */
export function fitReliability(
  { counts, judgements, features }: ComparedGroup,
  prior: RewardPrior,
  { starts, ...beliefs }: Reliability,
  seed: number,
): ReliabilitySearch {
  if (judgements === null) throw new Error('reliability needs to know who judged')
  const pairs = reliabilityLikelihood(counts, judgements, beliefs)
  const posterior = priorTo(pairs, prior, features)
  const asMeant: AsMeant = (at, reliabilities) => {
    const meant = pairs.meant(posterior.lift(at), reliabilities)
    return priorTo(pairLikelihood(meant, pairs.model), prior, features)
  }
  const random = seededRandom(seed)
  const climbs = Array.from({ length: starts }, (_, s) => {
    const reliabilities = startOf(s, judgements.annotators.length, beliefs, random)
    const first = maximise(asMeant(new Float64Array(posterior.size), reliabilities), false)
    return climb(posterior, asMeant, first?.at ?? new Float64Array(posterior.size), prior.kind !== 'none')
  })
  const best = climbs.reduce((one, other) => (other.value > one.value ? other : one))
  if (best.direction !== null) return { direction: best.direction, likelihood: posterior }
  if (best.maximum === null) return null

  const fit = fitAt(best.maximum, posterior, pairs)
  const close = SAME * Math.max(1, Math.abs(best.value))
  return {
    fit,
    reliability: {
      reliabilities: pairs.reliabilities.slice(),
      logPosterior: best.value,
      starts,
      startsAgreeing: climbs.filter(({ value, maximum }) => maximum !== null && best.value - value <= close)
        .length,
      iterations: climbs.reduce((sum, { steps }) => sum + steps, 0),
      gradientNorm: fit.gradientNorm,
    },
  }
}

/**
 * The log-posterior of rewards if what was meant were known: its expectation at ψ, if every η were as given, or where it
 * is not, over all.
 */
type AsMeant = (at: Float64Array, reliabilities: Float64Array | null) => Likelihood

function startOf(
  start: number,
  annotators: number,
  { alpha, beta }: ReliabilityPrior,
  random: Random,
): Float64Array {
  const reliabilities = new Float64Array(annotators)
  return start === 0 ? reliabilities.fill(alpha / (alpha + beta)) : reliabilities.map(() => random())
}

/** Where one start led: the maximum, or the direction in which it runs away; neither where it came to no end. */
type Climb = { value: number; maximum: Maximum | null; direction: Float64Array | null; steps: number }

const MAX_STEPS = 500
/** Rewards of two items that were compared do not differ by more where a flat prior has a maximum. */
const FAR_APART = 25
/** Where some rewards are farther apart, all others are settled once the gradient is no larger. */
const SETTLED = 1e-6
/** What rounding, and integrals that are not exact, may take from a log-posterior. */
const SLACK = 1e-11
/** No step changes the log-odds of a comparison by more. */
const LONGEST = 4
/** Entries of a direction that are smaller, the largest being 1, are of rounding. */
const NO_MOVE = 1e-3

/**
 * Climbs to a local maximum of the log-posterior of ψ, and never down.
 *
 * A step is Newton's where the curvature is positive definite. Elsewhere the curvature as if all that was meant were
 * known takes its place, which makes it, to first order, a step of the EM algorithm (Lange, J. R. Statist. Soc. B 57,
 * 1995). A maximum is one where the first holds, and the gradient and the next step are at most 1e-10.
 *
 * @param finite whether the prior keeps every maximum finite
 */
function climb(posterior: Likelihood, asMeant: AsMeant, start: Float64Array, finite: boolean): Climb {
  const delta = new Float64Array(posterior.size)
  let at = start
  let value = posterior.value(at)
  let maximum: Maximum | null = null
  let steps = 0
  for (; steps < MAX_STEPS; steps++) {
    posterior.linearise(at)
    const gradientNorm = relativeGradient(posterior)
    const concave = observedStep(posterior, delta)
    if (concave) {
      const errorEstimate = largest(delta)
      const close = gradientNorm <= TOLERANCE && errorEstimate <= TOLERANCE
      if (close && maximum !== null && errorEstimate > maximum.errorEstimate / 2) break
      if (close) maximum = { at: at.slice(), gradientNorm, errorEstimate, iterations: steps }
      if (close && errorEstimate <= ROUNDING) break
    } else if (!completeStep(asMeant(at, null), at, delta)) break

    if (!finite && gradientNorm <= SETTLED && posterior.reach(at) > FAR_APART) {
      const size = largest(delta)
      const direction = delta.map((step) => (Math.abs(step) < NO_MOVE * size ? 0 : step / size))
      return { value, maximum: null, direction, steps }
    }
    const next = ascend(posterior, at, value, delta)
    if (next === null) break
    at = next.at
    value = next.value
  }
  if (maximum !== null) value = posterior.value(maximum.at)
  return { value, maximum, direction: null, steps }
}

/** Newton's step at the point of the linearisation; false where the curvature is not positive definite. */
function observedStep(posterior: Likelihood, delta: Float64Array): boolean {
  const factored = factorCurvature(posterior)
  if (factored === null) return false
  delta.set(posterior.gradient)
  solveFactored(posterior, factored.factor, delta)
  return true
}

/** The first Newton step towards the rewards that fit what was meant; its gradient is that of the log-posterior itself. */
function completeStep(complete: Likelihood, at: Float64Array, delta: Float64Array): boolean {
  complete.linearise(at)
  return newtonStep(complete, TOLERANCE, delta)
}

/** The first point, of half as long a step each time, at which the log-posterior is not lower; null where none is. */
function ascend(
  posterior: Likelihood,
  at: Float64Array,
  value: number,
  delta: Float64Array,
): { at: Float64Array; value: number } | null {
  const lowest = value - SLACK * (1 + Math.abs(value))
  let length = Math.min(1, LONGEST / posterior.reach(delta))
  for (let halvings = 0; halvings < 40; halvings++) {
    const trial = at.map((x, a) => x + length * delta[a])
    if (posterior.shiftInvariant) centre(trial, posterior.rewards)
    const reached = posterior.value(trial)
    if (reached >= lowest) return { at: trial, value: reached }
    length /= 2
  }
  return null
}
