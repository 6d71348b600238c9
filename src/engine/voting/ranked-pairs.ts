import type { Margins } from './margins.ts'
import { shortestPath } from './paths.ts'
import { firstOf, ranksByRelation } from './ranks.ts'
import { addEdge, copyOf, leadsTo, noEdges, type Reachability } from './reachability.ts'
import { type Defeat, strongestFirst } from './split-cycle.ts'

/** Who is left undefeated when defeats are locked in one after the other, unless they would close a cycle. */
export type RankedPairs = {
  rule: 'ranked-pairs'
  winners: number[]
  ranks: Int32Array
  /** In the order in which they were locked in; null where they are too many to tell. */
  locked: Defeat[] | null
  /** In order, each with the path of defeats locked before it, from the loser to the winner, that stands against it. */
  rejected: (Defeat & { path: number[] })[] | null
  /** Who wins for some order of equally strong defeats; null where there are too many of them to go through. */
  possibleWinners: number[] | null
}

/**
 * Ranked pairs (Tideman, Social Choice and Welfare 4, 1987): defeats are taken from the strongest down, and each is locked
 * in unless those before it already lead from its loser to its winner.
 *
 * Equally strong ones are taken by their winner, then their loser, in the order of the items. That is not neutral, so who
 * could win under other orders is found as well.
 *
 * @param smith the Smith set, which alone decides who wins
 * @param evidence whether to list all defeats
 */
export function rankedPairs(margins: Margins, smith: readonly number[], evidence: boolean): RankedPairs {
  const n = margins.items
  const reach = noEdges(n)
  const isLocked = new Uint8Array(n * n)
  const locked: Defeat[] = []
  const rejected: (Defeat & { path: number[] })[] = []
  for (const { winner, loser } of strongestFirst(margins)) {
    if (!leadsTo(reach, loser, winner)) {
      addEdge(reach, winner, loser)
      isLocked[winner * n + loser] = 1
      if (evidence) locked.push({ winner, loser })
    } else if (evidence) {
      const path = shortestPath(n, (a, b) => isLocked[a * n + b] === 1, loser, winner) as number[]
      rejected.push({ winner, loser, path })
    }
  }
  const ranks = ranksByRelation(n, (a, b) => leadsTo(reach, a, b))
  return {
    rule: 'ranked-pairs',
    winners: firstOf(ranks),
    ranks,
    locked: evidence ? locked : null,
    rejected: evidence ? rejected : null,
    possibleWinners: possibleWinners(margins, smith),
  }
}

/** How many items² are looked at, and how many ways to lock defeats in, until possible winners are given up. */
const WORK_LIMIT = 2e7
const WAYS_LIMIT = 20_000

/**
 * Who wins ranked pairs for some order of equally strong defeats. To decide that is NP-complete (Brill & Fischer, AAAI
 * 2012), so that there is a limit to how long it is tried.
 *
 * What is still to come depends on nothing but what leads to what so far. So all such relations that some order leads to
 * are followed, level by level, each of them once.
 *
 * @param smith no item outside it is ever undefeated, and no defeat by an item outside it bears on those within
 */
function possibleWinners({ items: n, levels }: Margins, smith: readonly number[]): number[] | null {
  const m = smith.length
  const most = Math.min(WAYS_LIMIT, WORK_LIMIT / (m * m))
  const byLevel = new Map<number, Defeat[]>()
  for (let a = 0; a < m; a++) {
    for (let b = 0; b < m; b++) {
      const level = levels[smith[a] * n + smith[b]]
      if (level === 0) continue
      const defeat = { winner: a, loser: b }
      const same = byLevel.get(level)
      if (same === undefined) byLevel.set(level, [defeat])
      else same.push(defeat)
    }
  }
  let ways = 0
  let before: Reachability[] = [noEdges(m)]
  for (const level of Array.from(byLevel.keys()).sort((a, b) => b - a)) {
    const defeats = byLevel.get(level) as Defeat[]
    const undecided = (reach: Reachability) =>
      defeats.filter(({ winner, loser }) => !leadsTo(reach, winner, loser) && !leadsTo(reach, loser, winner))
    if (before.length === 1 && lockAll(before[0], undecided(before[0]))) continue
    const after = new Map<string, Reachability>()
    const met = new Set<string>()
    const open = before
    while (open.length > 0) {
      const reach = open.pop() as Reachability
      const choices = undecided(reach)
      if (lockAll(reach, choices)) {
        after.set(keyOf(reach), reach)
        continue
      }
      for (const { winner, loser } of choices) {
        const next = copyOf(reach)
        addEdge(next, winner, loser)
        const key = keyOf(next)
        if (met.has(key)) continue
        met.add(key)
        open.push(next)
        if (++ways > most) return null
      }
    }
    before = Array.from(after.values())
  }
  const wins = new Uint8Array(m)
  for (const reach of before)
    for (let b = 0; b < m; b++) if (!smith.some((_, a) => leadsTo(reach, a, b))) wins[b] = 1
  return smith.filter((_, a) => wins[a] === 1)
}

/** Adds defeats that close no cycle, in place and all at once; false, and nothing is added, where they do. */
function lockAll(reach: Reachability, defeats: readonly Defeat[]): boolean {
  const tried = defeats.length > 1 ? copyOf(reach) : reach
  for (const { winner, loser } of defeats) {
    if (leadsTo(tried, loser, winner)) return false
    addEdge(tried, winner, loser)
  }
  if (tried !== reach) reach.bits.set(tried.bits)
  return true
}

function keyOf({ bits }: Reachability): string {
  return bits.join()
}
