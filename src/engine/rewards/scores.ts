import type { Judgements, SquaredWeights } from '../comparisons/judgements.ts'
import type { PairCounts } from '../comparisons/pairs.ts'
import type { RankingJudgements } from '../comparisons/ranking-counts.ts'
import type { GroupData } from '../preferences.ts'
import type { DataLikelihood } from './fit-group.ts'
import { gatherScores, type Scores } from './likelihood.ts'
import { binaryTerms, davidsonTerms, newTerms } from './outcome.ts'
import type { PairLikelihood } from './pair-likelihood.ts'

/**
 * The scores whose squares are the middle of a sandwich: of single comparisons or rankings, or of annotators.
 *
 * @param at ψ in rewards and extras
 * @returns null where the data do not tell
 */
export function scoresOf(
  data: GroupData,
  likelihood: DataLikelihood,
  standardErrors: 'sandwich' | 'clustered',
  at: Float64Array,
): Scores | null {
  const { squares, judgements } = data
  const clustered = standardErrors === 'clustered'
  if ((clustered ? judgements : squares) === null) return null
  if (data.kind === 'pairs' && likelihood.kind === 'pairs') {
    return clustered
      ? annotatorScores(likelihood, data.judgements as Judgements, at)
      : comparisonScores(likelihood, data.squares as SquaredWeights, at)
  }
  if (data.kind === 'rankings' && likelihood.kind === 'rankings') {
    return clustered
      ? likelihood.annotatorScores(data.judgements as RankingJudgements, at)
      : likelihood.rankingScores(data.squares as Float64Array, at)
  }
  return null
}

/**
 * The scores of single comparisons, entry by entry: the second moments of ω(s − E s, t − E t) in (d, η), summed over the
 * comparisons of the entry. The middle of the sandwich that holds also where the model is not true, and the one that
 * half-win ties need.
 *
 * @param at ψ in rewards and extras
 */
function comparisonScores(pairs: PairLikelihood, squares: SquaredWeights, at: Float64Array): Scores {
  const { counts, model, rewards: m, size } = pairs
  const davidson = model.ties === 'davidson'
  const eta = davidson ? size - 1 : -1
  const gather = gatherScores((davidson ? 2 : 1) * counts.i.length, (davidson ? 5 : 3) * counts.i.length)
  const terms = newTerms()
  for (let k = 0; k < counts.i.length; k++) {
    const d = pairs.difference(at, k)
    // One comparison that came out as expected of none has the terms −E s and −E t.
    let side: number
    let tie = 0
    if (davidson) {
      davidsonTerms(d, at[eta], 0.5, 0.5, 0, terms)
      side = -terms.pull
      tie = -terms.tiePull
    } else {
      binaryTerms(d, 0.5, 0.5, terms)
      side = -terms.pull
    }
    const all = squares.all[k]
    const dd = squares.sideSquared[k] - 2 * side * squares.side[k] + side * side * all
    const dt = side * tie * all - tie * squares.side[k] - side * squares.tie[k]
    const tt = squares.tie[k] * (1 - 2 * tie) + tie * tie * all
    addFactor(gather, counts, k, model.positionEffect ? m : -1, eta, dd, dt, tt)
  }
  return gather.scores()
}

/**
 * Adds the scores of one entry whose second moments in (d, η) are [[dd, dη], [dη, ηη]]: by the Cholesky factor of that
 * matrix, (√dd, dη/√dd) and (0, √(ηη − dη²/dd)).
 *
 * @param gamma the index of γ, and eta that of η; −1 where the model has none
 */
function addFactor(
  gather: ReturnType<typeof gatherScores>,
  { i, j, first }: PairCounts,
  k: number,
  gamma: number,
  eta: number,
  dd: number,
  cross: number,
  tie: number,
): void {
  const root = Math.sqrt(Math.max(0, dd))
  gather.entry(i[k], root)
  gather.entry(j[k], -root)
  if (gamma >= 0 && first !== null && first[k] !== 0) gather.entry(gamma, first[k] * root)
  if (eta >= 0) {
    const along = root > 0 ? cross / root : 0
    gather.entry(eta, along)
    gather.close()
    gather.entry(eta, Math.sqrt(Math.max(0, tie - along * along)))
  }
  gather.close()
}

/** The score of each annotator: the sum over all that the annotator judged, so that its judgements may hang together. */
function annotatorScores(pairs: PairLikelihood, judgements: Judgements, at: Float64Array): Scores {
  const { counts, model, rewards: m, size } = pairs
  const { i, j, first } = counts
  const davidson = model.ties === 'davidson'
  const eta = size - 1
  const { offsets, entry, wins, losses, ties } = judgements
  const annotators = judgements.annotators.length
  const gather = gatherScores(annotators, 2 * entry.length + 2 * annotators)
  const terms = newTerms()
  const sums = new Map<number, number>()
  const add = (at: number, value: number) => sums.set(at, (sums.get(at) ?? 0) + value)
  for (let a = 0; a < annotators; a++) {
    sums.clear()
    for (let b = offsets[a]; b < offsets[a + 1]; b++) {
      const k = entry[b]
      const d = pairs.difference(at, k)
      if (davidson) davidsonTerms(d, at[eta], wins[b], losses[b], ties[b], terms)
      else binaryTerms(d, wins[b] + ties[b] / 2, losses[b] + ties[b] / 2, terms)
      add(i[k], terms.pull)
      add(j[k], -terms.pull)
      if (model.positionEffect && first !== null && first[k] !== 0) add(m, first[k] * terms.pull)
      if (davidson) add(eta, terms.tiePull)
    }
    for (const [index, value] of sums) gather.entry(index, value)
    gather.close()
  }
  return gather.scores()
}
