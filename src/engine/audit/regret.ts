import type { Preferences } from '../preferences.ts'
import { type Overruled, overruledByAnnotator, overruledOf } from './overruled.ts'
import { aggregatedRewards, type Situation } from './situation.ts'

/** What became of what a group said in its comparisons. */
export type Judged = {
  /** Overruled by the aggregated ranking; null where the group's comparisons name no items, or there are none. */
  all: Overruled | null
  /** Overruled by the ranking of the group's own rewards: nobody agrees with oneself throughout. */
  byItself: Overruled | null
  /** By annotator; null where it is not known who judged. */
  annotators: Overruled[] | null
}

/**
 * How many preferences of each group the ranking by aggregated reward turns round.
 *
 * @param source what the groups said
 * @param homes for each annotator of the request the one group that it counts in; null where that is wherever it judged
 */
export function judgedIn(
  situation: Situation,
  source: Preferences['source'],
  homes: Int32Array | null = null,
): Judged[] {
  const { preferences, rewards } = situation.aggregation
  if (source.kind === 'rewards')
    return preferences.groups.map(() => ({ all: null, byItself: null, annotators: null }))
  const aggregated = aggregatedRewards(situation)
  return source.groups.map((data, g) => {
    const annotators = overruledByAnnotator(data, aggregated)
    const own =
      homes === null || data.kind !== 'pairs' || data.judgements === null
        ? null
        : data.judgements.annotators.map((a) => homes[a])
    return {
      all: overruledOf(data, aggregated),
      byItself: overruledOf(data, rewards[g].values),
      annotators:
        annotators?.filter((part, a) => part.preferences > 0 && (own === null || own[a] === g)) ?? null,
    }
  })
}

/** Quantiles of the shares that were overruled, in (0, ¼, ½, ¾, 1): linear between the two nearest (Hyndman & Fan's type 7). */
export function quartilesOf(parts: readonly Overruled[]): number[] {
  const shares = parts.map(({ overruled, preferences }) => overruled / preferences).sort((a, b) => a - b)
  return [0, 1, 2, 3, 4].map((quarter) => {
    const at = (quarter / 4) * (shares.length - 1)
    const low = Math.floor(at)
    const high = Math.ceil(at)
    return shares[low] + (at - low) * (shares[high] - shares[low])
  })
}
