import type { Judgements } from '../comparisons/judgements.ts'
import type { PairCounts } from '../comparisons/pairs.ts'
import type { RankingCounts, RankingJudgements } from '../comparisons/ranking-counts.ts'
import type { GroupData } from '../preferences.ts'

/** How much of what was said in comparisons a ranking of the items turns round. */
export type Overruled = {
  /** Weighted number of preferences: ties are none, and soft labels one in part. */
  preferences: number
  /** How many of them the ranking has the other way round; those whose items tie in it are not among them. */
  overruled: number
}

/** The same for every annotator of a group, in the order of its judgements; null where it is not known who judged. */
export type OverruledByAnnotator = Overruled[] | null

/** Rewards within this part of their range tie. */
const TIE = 1e-9

/**
 * Counts the preferences of one group that a ranking by rewards overrules.
 *
 * @param rewards of all items of the request; length n
 * @returns null where comparisons are of feature differences and name no items
 */
export function overruledOf(data: GroupData, rewards: Float64Array): Overruled | null {
  if (!data.named) return null
  const above = ranker(data.counts.items, rewards)
  return data.kind === 'pairs'
    ? overPairs(data.counts, data.counts, all(data.counts.i.length), (b) => b, above)
    : overRankings(data.counts, data.counts.mass, all(data.counts.mass.length), (b) => b, above)
}

/** Counts those of each annotator of one group. */
export function overruledByAnnotator(data: GroupData, rewards: Float64Array): OverruledByAnnotator {
  const { judgements, named } = data
  if (judgements === null || !named) return null
  const above = ranker(data.counts.items, rewards)
  const part = (a: number): Span => ({ from: judgements.offsets[a], to: judgements.offsets[a + 1] })
  return Array.from({ length: judgements.offsets.length - 1 }, (_, a) => {
    if (data.kind === 'pairs') {
      const { entry, ...counted } = judgements as Judgements
      return overPairs(data.counts, counted, part(a), (b) => entry[b], above)
    }
    const { ranking, mass } = judgements as RankingJudgements
    return overRankings(data.counts, mass, part(a), (b) => ranking[b], above)
  })
}

type Span = { from: number; to: number }

function all(to: number): Span {
  return { from: 0, to }
}

/** Whether local item a is above b in the ranking: 1, −1, or 0 where they tie. */
type Above = (a: number, b: number) => number

function ranker(items: Int32Array, rewards: Float64Array): Above {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const reward of rewards) {
    if (reward === Number.NEGATIVE_INFINITY) continue
    if (reward < low) low = reward
    if (reward > high) high = reward
  }
  const tie = TIE * (high - low)
  return (a, b) => {
    const lead = rewards[items[a]] - rewards[items[b]]
    return lead > tie ? 1 : lead < -tie ? -1 : 0
  }
}

function overPairs(
  { i, j }: PairCounts,
  { wins, losses }: Pick<PairCounts, 'wins' | 'losses'>,
  { from, to }: Span,
  entryOf: (b: number) => number,
  above: Above,
): Overruled {
  let preferences = 0
  let overruled = 0
  for (let b = from; b < to; b++) {
    preferences += wins[b] + losses[b]
    const order = above(i[entryOf(b)], j[entryOf(b)])
    if (order > 0) overruled += losses[b]
    if (order < 0) overruled += wins[b]
  }
  return { preferences, overruled }
}

/** Every pair of items in different places of a ranking is one preference. */
function overRankings(
  { offsets, order, tied }: RankingCounts,
  mass: Float64Array,
  { from, to }: Span,
  rankingOf: (b: number) => number,
  above: Above,
): Overruled {
  let preferences = 0
  let overruled = 0
  for (let b = from; b < to; b++) {
    const r = rankingOf(b)
    for (let place = offsets[r]; place < offsets[r + 1]; place += tied[place]) {
      const next = place + tied[place]
      for (let better = place; better < next; better++) {
        for (let worse = next; worse < offsets[r + 1]; worse++) {
          preferences += mass[b]
          if (above(order[better], order[worse]) < 0) overruled += mass[b]
        }
      }
    }
  }
  return { preferences, overruled }
}
