import { connectivity } from '../comparisons/connectivity.ts'
import { type Random, seededRandom } from '../numeric/random.ts'
import { maximise } from '../rewards/maximise.ts'
import { type Climb, climb } from './climb.ts'
import { type Annotated, groupPosterior, type Mixture, maximisation } from './mixture.ts'

/** How many groups there may be at most, and from how many points each number of them is looked for. */
export type DiscoverSettings = { max: number; starts: number }

/** The best mixture that was found of so many groups. */
export type Candidate = {
  groups: number
  /** What is free: K·(rewards and extras that comparisons tell apart) + K − 1. */
  parameters: number
  /** Null where rewards run away: without a prior the likelihood is larger there than at any maximum found. */
  found: { logLikelihood: number; logPosterior: number; bic: number; gradientNorm: number } | null
}

/** The number of groups that explains the annotators best, and who is of which. */
export type Discovery = {
  mixture: Mixture
  /** The probability that annotator a is of group c: A × K, row-major. */
  responsibilities: Float64Array
  candidates: Candidate[]
  /** Points that the search for this number of groups began at, and how many of them were followed to a maximum. */
  starts: number
  followed: number
  /** How many of these led to this one. */
  startsAgreeing: number
  /** Whether its gradient is certified to be zero. */
  converged: boolean
}

/** Steps after which the starts are compared, so that only the best need be followed. */
const FIRST_STEPS = 8
/** Judgements × groups of all starts that are followed: all of them where the data are small, two or more where not. */
const WORK = 500_000
const MAX_STEPS = 1000
/** Log-posteriors that differ by less, relatively, are of the same maximum. */
const SAME = 1e-8
/** How much more an annotator is, at the start, of the group that it was drawn into than of every other. */
const DRAWN = 0.8

/**
 * Looks for groups of annotators who judge alike: for every number of groups K up to the most, the mixture of K
 * Bradley–Terry models with the largest log-posterior, and among these the one with the least
 *
 * BIC = p log A − 2 log-likelihood, with A annotators and p free parameters
 *
 * (Schwarz, Ann. Statist. 6, 1978; at the maximum of the log-posterior where there is a prior, as Fraley & Raftery,
 * J. Classif. 24, 2007, do). The groups come in the order of their shares, the largest first.
 *
 * @returns null where not even one group of all annotators has a finite estimate
 */
export function discover(data: Annotated, { max, starts }: DiscoverSettings, seed: number): Discovery | null {
  const together = maximise(groupPosterior(data, data.counts), false)
  if (together === null) return null
  const annotators = data.judgements.annotators.length
  const random = seededRandom(seed)
  const searches = Array.from({ length: Math.min(max, annotators) }, (_, k) =>
    search(data, together.at, k + 1, starts, random),
  )
  const candidates = searches.map(({ best }, k) => candidateOf(data, best, k + 1))
  let chosen = 0
  candidates.forEach(({ found }, k) => {
    if (found !== null && found.bic < (candidates[chosen].found?.bic ?? Number.POSITIVE_INFINITY)) chosen = k
  })
  const { best, ...counts } = searches[chosen]
  return { ...ordered(best), candidates, ...counts, converged: best.state === 'arrived' }
}

type Search = { best: Climb } & Pick<Discovery, 'starts' | 'followed' | 'startsAgreeing'>

/** Looks for K groups from several points. */
function search(
  data: Annotated,
  together: Float64Array,
  groups: number,
  starts: number,
  random: Random,
): Search {
  const begun = Array.from({ length: groups === 1 ? 1 : starts }, () =>
    climb(data, drawn(data, together, groups, random), FIRST_STEPS),
  )
  begun.sort((a, b) => b.expectation.logPosterior - a.expectation.logPosterior)
  const affordable = Math.floor(WORK / (groups * data.judgements.entry.length))
  const followed = begun
    .slice(0, Math.max(2, affordable))
    .map((from) => (from.state === 'climbing' ? climb(data, from.mixture, MAX_STEPS) : from))
  const best = followed.reduce((one, other) =>
    other.expectation.logPosterior > one.expectation.logPosterior ? other : one,
  )
  const close = best.expectation.logPosterior - SAME * Math.abs(best.expectation.logPosterior)
  const startsAgreeing = followed.filter(
    ({ state, expectation }) => state === 'arrived' && expectation.logPosterior >= close,
  ).length
  return { best, starts: begun.length, followed: followed.length, startsAgreeing }
}

/** One step away from what all annotators have in common, towards groups that they are drawn into at random. */
function drawn(data: Annotated, together: Float64Array, groups: number, random: Random): Mixture {
  const annotators = data.judgements.annotators.length
  const responsibilities = new Float64Array(annotators * groups).fill((1 - DRAWN) / groups)
  for (let a = 0; a < annotators; a++) responsibilities[a * groups + Math.floor(random() * groups)] += DRAWN
  const same: Mixture = {
    shares: new Float64Array(groups).fill(1 / groups),
    parameters: Array.from({ length: groups }, () => together),
  }
  return maximisation(data, responsibilities, same)?.next ?? same
}

function candidateOf(
  data: Annotated,
  { state, expectation, gradientNorm }: Climb,
  groups: number,
): Candidate {
  const parameters = groups * freeParameters(data) + groups - 1
  const { logLikelihood, logPosterior } = expectation
  const bic = parameters * Math.log(data.judgements.annotators.length) - 2 * logLikelihood
  return {
    groups,
    parameters,
    found: state === 'away' ? null : { logLikelihood, logPosterior, bic, gradientNorm },
  }
}

/** Parameters of one group that comparisons tell apart: a constant added to all rewards that hang together does nothing. */
function freeParameters({ counts, features, pairs }: Annotated): number {
  const rewards = features?.width ?? counts.items.length - connectivity(counts).pieces
  return rewards + pairs.extras.length
}

/** The groups of a mixture by falling share, and by the falling first reward where shares are equal. */
function ordered({ mixture, expectation }: Climb): Pick<Discovery, 'mixture' | 'responsibilities'> {
  const { shares, parameters } = mixture
  const order = Array.from(shares.keys()).sort(
    (a, b) => shares[b] - shares[a] || parameters[b][0] - parameters[a][0],
  )
  const groups = shares.length
  return {
    mixture: {
      shares: Float64Array.from(order, (c) => shares[c]),
      parameters: order.map((c) => parameters[c]),
    },
    responsibilities: expectation.responsibilities.map(
      (_, e, table) => table[e - (e % groups) + order[e % groups]],
    ),
  }
}
