import type { Margins } from './margins.ts'
import { firstOf, ranksByScore } from './ranks.ts'

/** Who beats most of the others. */
export type Copeland = {
  rule: 'copeland'
  winners: number[]
  ranks: Int32Array
  /** How many others each beats, and loses to; with the rest it ties. */
  wins: Int32Array
  losses: Int32Array
}

/** Copeland: by the number of items beaten minus that of items lost to (Copeland 1951). */
export function copeland({ items: n, levels }: Margins): Copeland {
  const wins = new Int32Array(n)
  const losses = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (levels[i * n + j] === 0) continue
      wins[i]++
      losses[j]++
    }
  }
  const ranks = ranksByScore(
    wins.map((won, i) => won - losses[i]),
    0,
  )
  return { rule: 'copeland', winners: firstOf(ranks), ranks, wins, losses }
}
