import type { Counts } from '../comparisons/counts.ts'
import type { PairCounts } from '../comparisons/pairs.ts'
import type { RankingCounts } from '../comparisons/ranking-counts.ts'

/**
 * Adds to a table how often a group preferred each item to each other, ties as halves; of a ranking everything stands
 * above all that comes after it.
 *
 * @param won n × n, row-major: won[i·n + j] grows by the weighted number of times that i was preferred to j
 */
export function addWins(counts: Counts, items: number, won: Float64Array): void {
  if ('order' in counts) addRankings(counts, items, won)
  else addPairs(counts, items, won)
}

function addPairs({ items: own, i, j, wins, losses, ties }: PairCounts, n: number, won: Float64Array): void {
  for (let k = 0; k < i.length; k++) {
    const [a, b] = [own[i[k]], own[j[k]]]
    won[a * n + b] += wins[k] + ties[k] / 2
    won[b * n + a] += losses[k] + ties[k] / 2
  }
}

function addRankings(
  { items: own, offsets, order, tied, mass }: RankingCounts,
  n: number,
  won: Float64Array,
): void {
  for (let r = 0; r + 1 < offsets.length; r++) {
    for (let e = offsets[r]; e < offsets[r + 1]; ) {
      const next = e + tied[e]
      for (let a = e; a < next; a++) {
        const from = own[order[a]] * n
        for (let b = e; b < next; b++) if (a !== b) won[from + own[order[b]]] += mass[r] / 2
        for (let b = next; b < offsets[r + 1]; b++) won[from + own[order[b]]] += mass[r]
      }
      e = next
    }
  }
}
