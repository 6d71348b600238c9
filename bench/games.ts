import type { Comparisons } from '../src/engine/comparisons/read.ts'
import { normal, type Random, seededRandom } from '../src/engine/numeric/random.ts'

/** What simulated games look like; rewards are drawn from N(0, 1). */
export type GameOptions = {
  items: number
  comparisons: number
  /** Davidson's ν; 0 where there are no ties. */
  tie?: number
  /** γ, what being shown first adds; 0 where positions do not count. */
  position?: number
  /** Annotators, each with rewards of its own around the common ones (standard deviation ½); 0 where none are named. */
  annotators?: number
  /** The share of comparisons in which an annotator says the opposite: drawn from U(0, slips) for each. */
  slips?: number
  /** Groups of annotators with nothing in common. */
  groups?: number
  /** Whether rows that say the same are counted; else every comparison is a row. */
  counted?: boolean
}

/**
 * Games as columns of integers, which the engine and the peers all get: one row for each outcome of a pair, its order and
 * who judged, with how often it occurred.
 */
export type Games = {
  items: number
  winner: number[]
  loser: number[]
  /** 1 where the row is a tie. */
  tie: number[]
  /** 1 where the winner was shown first, −1 where the loser was. */
  first: number[]
  count: number[]
  annotator: number[]
}

/** Games of random pairs. */
export function randomGames(options: GameOptions, seed: number): Games {
  const {
    items,
    comparisons,
    tie = 0,
    position = 0,
    annotators = 0,
    slips = 0,
    groups = 1,
    counted = true,
  } = options
  const random = seededRandom(seed)
  const common = Array.from({ length: groups }, () => rewardsAround(new Array(items).fill(0), 1, random))
  const judges = Array.from({ length: Math.max(1, annotators) }, (_, a) => ({
    rewards: annotators === 0 ? common[0] : rewardsAround(common[a % groups], slips > 0 ? 0 : 0.5, random),
    slips: slips * random(),
  }))
  const counts = new Map<string, number[]>()
  for (let k = 0; k < comparisons; k++) {
    const judge = Math.floor(random() * judges.length)
    const i = Math.floor(random() * items)
    const j = (i + 1 + Math.floor(random() * (items - 1))) % items
    const d = judges[judge].rewards[i] - judges[judge].rewards[j] + position
    const [won, lost] = [Math.exp(d / 2), Math.exp(-d / 2)]
    const u = random() * (won + lost + tie)
    const tied = u >= won + lost ? 1 : 0
    // Of the two that tie the lower is named first, so that a pair's ties are one row.
    const iFirst = tied === 1 ? i < j : u < won !== random() < judges[judge].slips
    const shown = position === 0 ? 0 : iFirst ? 1 : -1
    const row = [iFirst ? i : j, iFirst ? j : i, tied, shown, judge]
    const key = counted ? row.join() : String(k)
    const known = counts.get(key)
    if (known === undefined) counts.set(key, [...row, 1])
    else known[5]++
  }
  const rows = [...counts.values()]
  const column = (c: number) => rows.map((row) => row[c])
  return {
    items,
    winner: column(0),
    loser: column(1),
    tie: column(2),
    first: column(3),
    annotator: column(4),
    count: column(5),
  }
}

/** The table as the columns of a request; ids are padded so that they sort as the integers do. */
export function requestColumns({ winner, loser, tie, first, annotator, count }: Games, group = 'all') {
  return {
    group: winner.map(() => group),
    winner: winner.map(itemId),
    loser: loser.map(itemId),
    ...(tie.some(Boolean) ? { tie: tie.map((value) => value === 1) } : {}),
    ...(first.some(Boolean)
      ? { first: first.map((sign, r) => itemId(sign === 1 ? winner[r] : loser[r])) }
      : {}),
    ...(annotator.some(Boolean) ? { annotator: annotator.map((a) => `annotator ${a}`) } : {}),
    count,
  }
}

/** The same as the engine takes them; positions and annotators are left out. */
export function comparisonsOfGames({ winner, loser, tie, count }: Games): Comparisons {
  return {
    group: new Int32Array(winner.length),
    winner: Int32Array.from(winner),
    loser: Int32Array.from(loser),
    tie: Uint8Array.from(tie),
    preference: null,
    count: count.every((times) => times === 1) ? null : Float64Array.from(count),
    weight: null,
    first: null,
    annotator: null,
    differences: null,
  }
}

export function itemId(k: number): string {
  return `item ${String(k).padStart(4, '0')}`
}

/** Rankings of `length` random items, best first, drawn from Plackett–Luce: integers. */
export function randomRankings(items: number, rankings: number, length: number, seed: number): number[][] {
  const random = seededRandom(seed)
  const rewards = rewardsAround(new Array(items).fill(0), 1, random)
  return Array.from({ length: rankings }, () => {
    const left = Array.from({ length: items }, (_, i) => i)
    const drawn = Array.from({ length }, () => left.splice(Math.floor(random() * left.length), 1)[0])
    // Rewards with Gumbel noise sort as Plackett–Luce ranks.
    const noisy = new Map(drawn.map((i) => [i, rewards[i] - Math.log(-Math.log1p(-random()))]))
    return drawn.sort((a, b) => (noisy.get(b) as number) - (noisy.get(a) as number))
  })
}

/** Comparisons of feature vectors drawn from N(0, 1), decided by weights of N(0, ½²): differences of winner and loser, by row. */
export function randomDifferences(rows: number, width: number, seed: number): number[][] {
  const random = seededRandom(seed)
  const weights = Array.from({ length: width }, () => 0.5 * normal(random))
  return Array.from({ length: rows }, () => {
    const x = Array.from({ length: width }, () => Math.SQRT2 * normal(random))
    const d = x.reduce((sum, value, f) => sum + value * weights[f], 0)
    return random() < 1 / (1 + Math.exp(-d)) ? x : x.map((value) => -value)
  })
}

function rewardsAround(centre: readonly number[], deviation: number, random: Random): number[] {
  return centre.map((value) => value + deviation * normal(random))
}
