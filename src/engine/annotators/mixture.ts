import type { Judgements } from '../comparisons/judgements.ts'
import type { PairCounts } from '../comparisons/pairs.ts'
import { priorTo } from '../rewards/fit-group.ts'
import type { Likelihood } from '../rewards/likelihood.ts'
import type { FeatureTable } from '../rewards/linear-likelihood.ts'
import { largest } from '../rewards/maximise.ts'
import type { OutcomeModel, Prior } from '../rewards/model.ts'
import { centre, newtonStep } from '../rewards/newton-step.ts'
import { davidsonValue } from '../rewards/outcome.ts'
import { type PairLikelihood, pairLikelihood } from '../rewards/pair-likelihood.ts'

/** Comparisons by annotators of whom nobody says which group they are of, and the model of every group. */
export type Annotated = {
  counts: PairCounts
  judgements: Judgements
  features: FeatureTable | null
  model: OutcomeModel
  prior: GroupPrior
  /** The log-likelihood of all comparisons as those of one group, and the log-density of a group's prior alone. */
  pairs: PairLikelihood
  priorAlone: Likelihood
  /** How many comparisons bear on each parameter. */
  totals: Float64Array
}

/** A prior that is the same whatever the comparisons, so that the log-posterior of a mixture is one. */
type GroupPrior = Extract<Prior, { kind: 'none' | 'gaussian' | 'pseudo-item' }>

/** Comparisons by annotators, made ready for a mixture. */
export function annotated(
  counts: PairCounts,
  judgements: Judgements,
  features: FeatureTable | null,
  model: OutcomeModel,
  prior: GroupPrior,
): Annotated {
  const no = new Float64Array(0)
  const pairs = pairLikelihood(counts, model)
  const none = { ...counts, i: new Int32Array(0), j: new Int32Array(0), wins: no, losses: no, ties: no }
  return {
    counts,
    judgements,
    features,
    model,
    prior,
    pairs,
    priorAlone: priorTo(pairLikelihood(none, model), prior, features),
    totals: priorTo(pairs, prior, features).totals,
  }
}

/** K groups of annotators: π_c, the share of all that each is, and its parameters ψ_c. */
export type Mixture = { shares: Float64Array; parameters: Float64Array[] }

/** What a mixture makes of the annotators. */
export type Expectation = {
  /** Σ_a log Σ_c π_c P(judgements of a | ψ_c). */
  logLikelihood: number
  /** The same with the log-density of every ψ_c under the prior, up to a constant. */
  logPosterior: number
  /** The probability that annotator a is of group c: A × K, row-major. */
  responsibilities: Float64Array
}

/** The expectation step of the EM algorithm (Dempster, Laird & Rubin, J. R. Statist. Soc. B 39, 1977). */
export function expectation(data: Annotated, { shares, parameters }: Mixture): Expectation {
  const { judgements, pairs, priorAlone } = data
  const { offsets, entry, wins, losses, ties } = judgements
  const annotators = judgements.annotators.length
  const groups = shares.length
  const table = new Float64Array(annotators * groups)
  let logPrior = 0
  for (let c = 0; c < groups; c++) {
    logPrior += priorAlone.value(parameters[c])
    const logs = logOutcomes(pairs, priorAlone.lift(parameters[c]))
    const logShare = Math.log(shares[c])
    for (let a = 0; a < annotators; a++) {
      let sum = logShare
      for (let b = offsets[a]; b < offsets[a + 1]; b++) {
        const k = 3 * entry[b]
        sum += wins[b] * logs[k] + losses[b] * logs[k + 1] + ties[b] * logs[k + 2]
      }
      table[a * groups + c] = sum
    }
  }
  let logLikelihood = 0
  for (let a = 0; a < annotators; a++)
    logLikelihood += normalise(table.subarray(a * groups, (a + 1) * groups))
  return { logLikelihood, logPosterior: logLikelihood + logPrior, responsibilities: table }
}

/** Turns logarithms of weights into shares of their sum, in place, and returns the logarithm of the sum. */
export function normalise(logs: Float64Array): number {
  let top = Number.NEGATIVE_INFINITY
  for (const log of logs) if (log > top) top = log
  let sum = 0
  for (let c = 0; c < logs.length; c++) {
    logs[c] = Math.exp(logs[c] - top)
    sum += logs[c]
  }
  for (let c = 0; c < logs.length; c++) logs[c] /= sum
  return top + Math.log(sum)
}

/**
 * The log-probabilities of each entry's outcomes: win, loss and tie of the first, of the second, and so on. Where a tie is
 * half a win to each side, it is the mean of the other two.
 */
function logOutcomes({ counts, model, size, difference }: PairLikelihood, at: Float64Array): Float64Array {
  const entries = counts.i.length
  const logs = new Float64Array(3 * entries)
  const eta = at[size - 1]
  for (let k = 0; k < entries; k++) {
    const d = difference(at, k)
    if (model.ties === 'davidson') {
      logs[3 * k] = davidsonValue(d, eta, 1, 0, 0)
      logs[3 * k + 1] = davidsonValue(d, eta, 0, 1, 0)
      logs[3 * k + 2] = davidsonValue(d, eta, 0, 0, 1)
    } else {
      const win = Math.min(d, 0) - Math.log1p(Math.exp(-Math.abs(d)))
      logs[3 * k] = win
      logs[3 * k + 1] = win - d
      logs[3 * k + 2] = win - d / 2
    }
  }
  return logs
}

/** The pair counts of group c: every judgement weighs as much as its annotator is of the group. */
export function countsOf(
  { counts, judgements }: Annotated,
  responsibilities: Float64Array,
  c: number,
): PairCounts {
  const { annotators, offsets, entry, comparisons } = judgements
  const groups = responsibilities.length / annotators.length
  const entries = counts.i.length
  const wins = new Float64Array(entries)
  const losses = new Float64Array(entries)
  const ties = new Float64Array(entries)
  let made = 0
  for (let a = 0; a < annotators.length; a++) {
    const weight = responsibilities[a * groups + c]
    made += weight * comparisons[a]
    for (let b = offsets[a]; b < offsets[a + 1]; b++) {
      const k = entry[b]
      wins[k] += weight * judgements.wins[b]
      losses[k] += weight * judgements.losses[b]
      ties[k] += weight * judgements.ties[b]
    }
  }
  return { ...counts, wins, losses, ties, comparisons: made }
}

/** The log-posterior of the parameters of a group with these counts. */
export function groupPosterior({ model, prior, features }: Annotated, counts: PairCounts): Likelihood {
  return priorTo(pairLikelihood(counts, model), prior, features)
}

/** A step towards what fits the responsibilities, and how far the point that it left was from a maximum. */
export type Maximisation = {
  next: Mixture
  /** Largest derivative of the log-posterior, relative to a group's share of the comparisons that bear on it, or to the share. */
  gradientNorm: number
  /** Largest change of a parameter that the step makes. */
  moved: number
  /** Largest difference between the rewards, in the next mixture, of two items that were compared. */
  reach: number
}

/** No step changes the log-odds of a comparison by more. */
const LONGEST = 4
/** Relative residual of the Newton systems: steps need not be exact where the next corrects them. */
const STEP_TOLERANCE = 1e-3

/**
 * The maximisation step: shares in closed form, and one Newton step for the parameters of each group, which is to first
 * order where its fit would lead (Lange, J. R. Statist. Soc. B 57, 1995). The gradient of what is expected, at the point
 * that gave the responsibilities, is that of the log-posterior itself.
 *
 * @returns null where the data of a group leave its parameters undetermined
 */
export function maximisation(
  data: Annotated,
  responsibilities: Float64Array,
  from: Mixture,
): Maximisation | null {
  const annotators = data.judgements.annotators.length
  const groups = from.shares.length
  const shares = new Float64Array(groups)
  for (let e = 0; e < responsibilities.length; e++) shares[e % groups] += responsibilities[e] / annotators
  let gradientNorm = 0
  let moved = 0
  let reach = 0
  const parameters: Float64Array[] = []
  for (let c = 0; c < groups; c++) {
    const posterior = groupPosterior(data, countsOf(data, responsibilities, c))
    const at = from.parameters[c]
    const delta = new Float64Array(posterior.size)
    posterior.linearise(at)
    if (!newtonStep(posterior, STEP_TOLERANCE, delta)) return null
    const length = Math.min(1, LONGEST / posterior.reach(delta))
    const next = at.map((value, v) => value + length * delta[v])
    if (posterior.shiftInvariant) centre(next, posterior.rewards)
    parameters.push(next)
    moved = Math.max(moved, largest(delta))
    reach = Math.max(reach, posterior.reach(next))
    gradientNorm = Math.max(gradientNorm, Math.abs(shares[c] / from.shares[c] - 1))
    posterior.gradient.forEach((slope, v) => {
      gradientNorm = Math.max(gradientNorm, Math.abs(slope) / (from.shares[c] * data.totals[v]))
    })
  }
  return { next: { shares, parameters }, gradientNorm, moved, reach }
}
