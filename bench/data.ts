import type { Comparisons } from '../src/engine/comparisons/read.ts'
import { type Random, seededRandom } from '../src/engine/numeric/random.ts'

/** Who beat whom, as indices into the items; `times` is how often, once where it is null. */
export type Outcomes = { items: number; winner: Int32Array; loser: Int32Array; times: Float64Array | null }

/** Comparisons of random pairs, decided by Bradley–Terry with rewards drawn from N(0, 1). */
export function randomComparisons(items: number, comparisons: number, seed: number): Outcomes {
  const random = seededRandom(seed)
  const rewards = Float64Array.from({ length: items }, () => normal(random))
  const winner = new Int32Array(comparisons)
  const loser = new Int32Array(comparisons)
  for (let k = 0; k < comparisons; k++) {
    const a = Math.floor(random() * items)
    const b = (a + 1 + Math.floor(random() * (items - 1))) % items
    const first = random() < 1 / (1 + Math.exp(rewards[b] - rewards[a]))
    winner[k] = first ? a : b
    loser[k] = first ? b : a
  }
  return { items, winner, loser, times: null }
}

/** Item k beat item k + 1 nine times and lost once: neighbours differ by log 9, exactly. */
export function chain(items: number): Outcomes {
  const rows: [number, number, number][] = []
  for (let k = 0; k + 1 < items; k++) rows.push([k, k + 1, 9], [k + 1, k, 1])
  return outcomesOf(items, rows)
}

/** Two clusters of `size` items, 2,000 random comparisons within each, and a bridge of ten games between their first items. */
export function twoClusters(size: number, seed: number) {
  const bridge = { wins: 7, losses: 3 }
  const within = [0, 1].map((cluster) => randomComparisons(size, 2000, seed + cluster))
  const rows: [number, number, number][] = [
    [0, size, bridge.wins],
    [size, 0, bridge.losses],
  ]
  within.forEach(({ winner, loser }, cluster) => {
    winner.forEach((item, k) => {
      rows.push([cluster * size + item, cluster * size + loser[k], 1])
    })
  })
  return { within, bridge, outcomes: outcomesOf(2 * size, rows) }
}

function outcomesOf(items: number, rows: [number, number, number][]): Outcomes {
  return {
    items,
    winner: Int32Array.from(rows, ([winner]) => winner),
    loser: Int32Array.from(rows, ([, loser]) => loser),
    times: Float64Array.from(rows, ([, , times]) => times),
  }
}

/** Outcomes of one group, as the engine takes them. */
export function comparisonsOf({ winner, loser, times }: Outcomes): Comparisons {
  const group = new Int32Array(winner.length)
  return {
    group,
    winner,
    loser,
    tie: null,
    preference: null,
    count: times,
    weight: null,
    first: null,
    annotator: null,
    differences: null,
  }
}

/** Utilities drawn uniformly from [0, 1): groups × items, row-major. */
export function randomUtilities(groups: number, items: number, seed: number): Float64Array {
  const random = seededRandom(seed)
  return Float64Array.from({ length: groups * items }, random)
}

/** The comparisons of a request, as columns. */
export type Columns = { group: string[]; winner: string[]; loser: string[] }

/** Random comparisons by several groups, each with its own rewards, in random order of groups. */
export function randomColumns(groups: number, items: number, comparisons: number, seed: number): Columns {
  const random = seededRandom(seed)
  const byGroup = Array.from({ length: groups }, (_, g) =>
    randomComparisons(items, comparisons, seed + 1 + g),
  )
  const columns: Columns = { group: [], winner: [], loser: [] }
  for (let k = 0; k < comparisons; k++) {
    const g = Math.floor(random() * groups)
    columns.group.push(`group${g}`)
    columns.winner.push(`item${byGroup[g].winner[k]}`)
    columns.loser.push(`item${byGroup[g].loser[k]}`)
  }
  return columns
}

/** One row for every pair of items and group: ten comparisons, with a soft label for how they went. */
export function pairRows(groups: number, items: number, seed: number) {
  const random = seededRandom(seed)
  const rows = []
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < items; i++) {
      for (let j = i + 1; j < items; j++) {
        const preference = (1 + Math.floor(9 * random())) / 10
        rows.push({ group: `group${g}`, winner: `item${i}`, loser: `item${j}`, preference, count: 10 })
      }
    }
  }
  return rows
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log1p(-random())) * Math.cos(2 * Math.PI * random())
}
