import type { Margins } from './margins.ts'
import { beatPath } from './paths.ts'
import { firstOf, ranksByRelation } from './ranks.ts'

/** Who has to every other item at least as strong a path as back. */
export type Schulze = {
  rule: 'schulze'
  winners: number[]
  ranks: Int32Array
  /** n × n, row-major: the level of the strongest path. */
  strongest: Int32Array
  /** For each item but the first winner: why it does not win, or wins too; null where they are too many to tell. */
  duels: Duel[] | null
}

/** The strongest paths between a winner and another item, both ways; null where there is none. */
export type Duel = { winner: number; other: number; path: number[] | null; back: number[] | null }

/**
 * Schulze's method on margins: i stands above j where the strongest path from i to j is stronger than that from j to i
 * (Schulze, Social Choice and Welfare 36, 2011). That relation is transitive, so that there is always a winner.
 *
 * @param strongest from strongestPaths
 * @param evidence whether to look for the paths themselves
 */
export function schulze(margins: Margins, strongest: Int32Array, evidence: boolean): Schulze {
  const n = margins.items
  const above = (a: number, b: number) => strongest[a * n + b] > strongest[b * n + a]
  const ranks = ranksByRelation(n, above)
  const winners = firstOf(ranks)
  if (!evidence) return { rule: 'schulze', winners, ranks, strongest, duels: null }
  const path = (a: number, b: number) => {
    const level = strongest[a * n + b]
    return level === 0 ? null : beatPath(margins, a, b, level)
  }
  const duels: Duel[] = []
  for (let other = 0; other < n; other++) {
    if (other === winners[0]) continue
    const winner = winners.find((a) => above(a, other)) ?? winners[0]
    duels.push({ winner, other, path: path(winner, other), back: path(other, winner) })
  }
  return { rule: 'schulze', winners, ranks, strongest, duels }
}
