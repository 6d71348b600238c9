import { connectivity } from '../comparisons/connectivity.ts'
import type { Margins } from './margins.ts'
import { shortestPath } from './paths.ts'

/** What the majorities of all pairs say together, before any rule. */
export type Condorcet = {
  /** The item that beats every other; null where there is none. */
  winner: number | null
  /** The item that every other beats. */
  loser: number | null
  /**
   * The items in as many sets as can be, the best first, such that everything in one beats everything in the next. The
   * first is the Smith set.
   */
  tiers: number[][]
  /** The items of all smallest sets that nothing outside beats; part of the Smith set. */
  schwartz: number[]
  /** Where majorities go round in circles: sets in which every item beats every other through a chain. */
  cycles: Cycle[]
}

export type Cycle = {
  items: number[]
  /** A shortest cycle through the first of the items, which begins and ends with it. */
  shortest: number[]
}

/** Condorcet winner and loser, Smith and Schwartz sets, and cycles (Smith, Econometrica 41, 1973; Schwartz 1972). */
export function condorcet(margins: Margins): Condorcet {
  const n = margins.items
  const tiers = tiersOf(margins)
  const last = tiers[tiers.length - 1]
  const alone = (tier: number[]) => (tier.length === 1 && n > 1 ? tier[0] : null)
  const components = circles(margins)
  return {
    winner: alone(tiers[0]),
    loser: alone(last),
    tiers,
    schwartz: unbeaten(margins, components)
      .flat()
      .sort((a, b) => a - b),
    cycles: components.filter((items) => items.length > 1).map((items) => cycleOf(margins, items)),
  }
}

/**
 * Items by how many others they beat, ties as halves; cut after every first k of them that beat all the others.
 *
 * Whatever is in a set that beats all the rest beats more than what is not, so that such sets are beginnings of this order.
 */
function tiersOf({ items: n, levels }: Margins): number[][] {
  // Twice the number of items beaten, plus that of those tied with.
  const points = new Int32Array(n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      if (i !== j) points[i] += levels[i * n + j] > 0 ? 2 : levels[j * n + i] > 0 ? 0 : 1
  const order = Array.from(points.keys()).sort((a, b) => points[b] - points[a] || a - b)
  const tiers: number[][] = []
  let from = 0
  let sum = 0
  for (let k = 1; k <= n; k++) {
    sum += points[order[k - 1]]
    // Among themselves the first k make k(k − 1) points, whoever wins; so this says that they beat all others.
    if (sum < k * (k - 1) + 2 * k * (n - k)) continue
    tiers.push(order.slice(from, k).sort((a, b) => a - b))
    from = k
  }
  return tiers
}

/** The strongly connected components of who beats whom. */
function circles({ items: n, levels }: Margins): number[][] {
  const i: number[] = []
  const j: number[] = []
  for (let a = 0; a < n; a++) {
    for (let b = 0; b < n; b++) {
      if (levels[a * n + b] === 0) continue
      i.push(a)
      j.push(b)
    }
  }
  const { components } = connectivity({
    items: Int32Array.from({ length: n }, (_, item) => item),
    i: Int32Array.from(i),
    j: Int32Array.from(j),
    wins: new Float64Array(i.length).fill(1),
    losses: new Float64Array(i.length),
    ties: new Float64Array(i.length),
  })
  return components.map((items) => Array.from(items))
}

/** The components that nothing outside them beats. */
function unbeaten({ items: n, levels }: Margins, components: number[][]): number[][] {
  const component = new Int32Array(n)
  components.forEach((items, c) => {
    for (const item of items) component[item] = c
  })
  const beaten = new Uint8Array(components.length)
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      if (levels[i * n + j] > 0 && component[i] !== component[j]) beaten[component[j]] = 1
  return components.filter((_, c) => beaten[c] === 0)
}

function cycleOf({ items: n, levels }: Margins, items: number[]): Cycle {
  const [first] = items
  return { items, shortest: shortestPath(n, (a, b) => levels[a * n + b] > 0, first, first) as number[] }
}
