import type { Margins } from './margins.ts'
import { beatPath } from './paths.ts'

/** Who is left when every cycle has lost its weakest defeats. */
export type SplitCycle = {
  rule: 'split-cycle'
  winners: number[]
  /** Defeats, the strongest first; null where they are too many to tell. */
  defeats: Defeat[] | null
  /** Pairs that are weakest in some cycle, each with such a cycle, which begins with the pair. */
  discarded: (Defeat & { cycle: number[] })[] | null
}

export type Defeat = { winner: number; loser: number }

/**
 * Split cycle: i defeats j where m_ij > 0 and no chain from j back to i has all its margins at least as large, so that in
 * every cycle through the pair some margin is smaller (Holliday & Pacuit, Public Choice 197, 2023). Whom nobody
 * defeats wins.
 *
 * @param strongest from strongestPaths
 * @param evidence whether to list all defeats
 */
export function splitCycle(margins: Margins, strongest: Int32Array, evidence: boolean): SplitCycle {
  const { items: n, levels } = margins
  const stands = (i: number, j: number) => levels[i * n + j] > strongest[j * n + i]
  const defeated = new Uint8Array(n)
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (stands(i, j)) defeated[j] = 1
  const winners = Array.from(defeated.keys()).filter((item) => defeated[item] === 0)
  if (!evidence) return { rule: 'split-cycle', winners, defeats: null, discarded: null }

  const defeats: Defeat[] = []
  const discarded: (Defeat & { cycle: number[] })[] = []
  for (const { winner, loser } of strongestFirst(margins)) {
    if (stands(winner, loser)) defeats.push({ winner, loser })
    else {
      const back = beatPath(margins, loser, winner, levels[winner * n + loser])
      discarded.push({ winner, loser, cycle: [winner, ...back] })
    }
  }
  return { rule: 'split-cycle', winners, defeats, discarded }
}

/** All pairs of which one beats the other, by the margin; of equal ones first that of the first winner, then loser. */
export function strongestFirst({ items: n, levels }: Margins): Defeat[] {
  // One number tells the level and, the other way round, the pair; the largest of them is below 2⁵³ up to 14,000 items.
  const pairs = n * n
  const keys: number[] = []
  for (let at = 0; at < pairs; at++) if (levels[at] > 0) keys.push(levels[at] * pairs + (pairs - 1 - at))
  return Array.from(Float64Array.from(keys).sort().reverse(), (key) => {
    const at = pairs - 1 - (key % pairs)
    return { winner: Math.floor(at / n), loser: at % n }
  })
}
