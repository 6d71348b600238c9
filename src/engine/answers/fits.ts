import type {
  Discovery as DiscoveryAnswer,
  FitSummary,
  FittedGroup as FittedGroupAnswer,
} from '../../../schemas/fit.ts'
import type { Discovery } from '../annotators/discover.ts'
import { keyedById } from '../comparisons/ids.ts'
import type { Preferences } from '../preferences.ts'
import type { FittedGroup } from '../rewards/rewards.ts'

/** What was fitted to a group, and how well. */
export function fitSummary({ data: { counts }, fit }: FittedGroup): FitSummary {
  return {
    comparisons: counts.comparisons,
    pairs: counts.pairs,
    logLikelihood: fit.logLikelihood,
    gradientNorm: fit.gradientNorm,
    errorEstimate: fit.errorEstimate,
    iterations: fit.iterations,
    converged: true,
  }
}

/** How reliable a group's annotators are; no members where all count the same. */
export function reliabilityMembers(
  { annotators }: Preferences,
  { data, reliability }: FittedGroup,
): Pick<FittedGroupAnswer, 'annotators' | 'reliability'> {
  if (data.kind !== 'pairs' || data.judgements === null || reliability === null) return {}
  const { judgements } = data
  const { reliabilities, ...found } = reliability
  return {
    annotators: keyedById(
      Array.from(judgements.annotators, (a) => annotators[a]),
      (a) => ({ reliability: reliabilities[a], comparisons: judgements.comparisons[a] }),
    ),
    reliability: { ...found, localOptimum: true },
  }
}

/** Which groups were discovered; no member where groups were named. */
export function discoveryMember(
  { groups, annotators }: Preferences,
  discovery: Discovery | null,
): { discovery?: DiscoveryAnswer } {
  if (discovery === null) return {}
  const { responsibilities, candidates, starts, followed, startsAgreeing } = discovery
  return {
    discovery: {
      groups: groups.length,
      bic: candidates.map(({ groups, parameters, found }) => ({
        groups,
        parameters,
        logLikelihood: found?.logLikelihood ?? null,
        logPosterior: found?.logPosterior ?? null,
        bic: found?.bic ?? null,
        gradientNorm: found?.gradientNorm ?? null,
      })),
      starts,
      followed,
      startsAgreeing,
      localOptimum: true,
      annotators: keyedById(annotators, (a) =>
        keyedById(groups, (c) => responsibilities[a * groups.length + c]),
      ),
    },
  }
}
