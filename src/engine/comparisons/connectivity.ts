import type { PairCounts } from './pairs.ts'

/** Who beat or tied whom, in one group: all of its pair counts, or whatever leads from anybody to the same others. */
export type Beats = Pick<PairCounts, 'items' | 'i' | 'j' | 'wins' | 'losses' | 'ties'>

/** How the items of one group hang together; items as local indices, ascending. */
export type Connectivity = {
  /** Strongly connected components of the win graph, ordered by their first item. */
  components: Int32Array[]
  /** How many pieces are left when it does not matter who won: 1 where every item can be compared with every other. */
  pieces: number
  /** Items that nobody ever beat or tied. */
  undefeated: Int32Array
  /** Items that never beat or tied anybody. */
  winless: Int32Array
}

/**
 * The strongly connected components of the graph with an edge i → j whenever i ever beat or tied j
 * (Tarjan, SIAM J. Comput. 1, 1972, with an explicit stack).
 *
 * The Bradley–Terry estimate without a prior is finite exactly where there is one component (Ford, Amer. Math.
 * Monthly 64, 1957).
 */
export function connectivity(counts: Beats): Connectivity {
  const m = counts.items.length
  const none = new Int32Array(0)
  if (isSurelyOne(counts)) {
    return { components: [counts.items.map((_, v) => v)], pieces: 1, undefeated: none, winless: none }
  }
  const { offsets, targets, defeats } = winGraph(counts)
  const component = stronglyConnected(m, offsets, targets)

  const members = new Map<number, number[]>()
  for (let v = 0; v < m; v++) {
    const list = members.get(component[v])
    if (list === undefined) members.set(component[v], [v])
    else list.push(v)
  }
  const all = Array.from({ length: m }, (_, v) => v)
  return {
    pieces: piecesOf(counts),
    components: [...members.values()].map((list) => Int32Array.from(list)),
    undefeated: Int32Array.from(all.filter((v) => defeats[v] === 0)),
    winless: Int32Array.from(all.filter((v) => offsets[v + 1] === offsets[v])),
  }
}

/** Connected components of the graph of who was compared with whom, by union and find. */
function piecesOf({ items, i, j }: Beats): number {
  const parent = Int32Array.from(items, (_, v) => v)
  const root = (v: number): number => {
    while (parent[v] !== v) {
      parent[v] = parent[parent[v]]
      v = parent[v]
    }
    return v
  }
  let pieces = items.length
  for (let k = 0; k < i.length; k++) {
    const a = root(i[k])
    const b = root(j[k])
    if (a === b) continue
    parent[Math.max(a, b)] = Math.min(a, b)
    pieces--
  }
  return pieces
}

/** Who was compared with whom, and in which order. */
export type Orders = Pick<PairCounts, 'items' | 'i' | 'j' | 'first'>

/**
 * Whether who was shown first says no more than which two items were compared: where every order is z = π_i − π_j of
 * some numbers π, an advantage of the first cannot be told from rewards that much higher.
 *
 * Grows such numbers along the comparisons, by union and find with the difference to the root, until one contradicts.
 */
export function ordersFollowItems({ items, i, j, first }: Orders): boolean {
  if (first === null) return true
  const parent = Int32Array.from(items, (_, v) => v)
  // π_v − π_parent.
  const above = new Float64Array(items.length)
  const root = (v: number): number => {
    while (parent[v] !== v) {
      above[v] += above[parent[v]]
      parent[v] = parent[parent[v]]
      v = parent[v]
    }
    return v
  }
  const over = (v: number): number => {
    let sum = 0
    for (; parent[v] !== v; v = parent[v]) sum += above[v]
    return sum
  }
  for (let k = 0; k < i.length; k++) {
    const a = root(i[k])
    const b = root(j[k])
    const apart = over(j[k]) - over(i[k]) + first[k]
    if (a !== b) {
      parent[a] = b
      above[a] = apart
    } else if (apart !== 0) return false
  }
  return true
}

const PASSES = 4

/**
 * Whether a few passes over the pairs find a chain from the first item to every other and one back: where most items
 * met, they do so at once, without building the graph. False says nothing.
 */
function isSurelyOne(counts: Beats): boolean {
  return reachesAll(counts, true) && reachesAll(counts, false)
}

/** Follows the win graph's edges, forwards or backwards, from the first item. */
function reachesAll({ items, i, j, wins, losses, ties }: Beats, forwards: boolean): boolean {
  const m = items.length
  const reached = new Uint8Array(m)
  reached[0] = 1
  let count = 1
  for (let pass = 0; pass < PASSES && count < m; pass++) {
    for (let k = 0; k < i.length && count < m; k++) {
      const first = reached[i[k]] === 1
      if (first === (reached[j[k]] === 1)) continue
      // From i to j goes the edge of i's wins forwards and of j's wins backwards.
      const edge = (first === forwards ? wins[k] : losses[k]) + ties[k]
      if (edge > 0) {
        reached[i[k]] = reached[j[k]] = 1
        count++
      }
    }
  }
  return count === m
}

/** The win graph as adjacency lists: the items that v beat or tied are targets[offsets[v] … offsets[v + 1]]. */
function winGraph({ items, i, j, wins, losses, ties }: Beats) {
  const m = items.length
  const offsets = new Int32Array(m + 1)
  const defeats = new Int32Array(m)
  for (let k = 0; k < i.length; k++) {
    if (wins[k] + ties[k] > 0) {
      offsets[i[k] + 1]++
      defeats[j[k]]++
    }
    if (losses[k] + ties[k] > 0) {
      offsets[j[k] + 1]++
      defeats[i[k]]++
    }
  }
  for (let v = 0; v < m; v++) offsets[v + 1] += offsets[v]
  const next = offsets.slice(0, m)
  const targets = new Int32Array(offsets[m])
  for (let k = 0; k < i.length; k++) {
    if (wins[k] + ties[k] > 0) targets[next[i[k]]++] = j[k]
    if (losses[k] + ties[k] > 0) targets[next[j[k]]++] = i[k]
  }
  return { offsets, targets, defeats }
}

/** The component of each vertex, numbered in the order in which the components are completed. */
function stronglyConnected(m: number, offsets: Int32Array, targets: Int32Array): Int32Array {
  const component = new Int32Array(m).fill(-1)
  const entered = new Int32Array(m).fill(-1)
  const low = new Int32Array(m)
  const cursor = offsets.slice(0, m)
  const open = new Int32Array(m)
  const path = new Int32Array(m)
  let openCount = 0
  let clock = 0
  let components = 0

  for (let root = 0; root < m; root++) {
    if (entered[root] >= 0) continue
    let depth = 0
    path[0] = root
    entered[root] = low[root] = clock++
    open[openCount++] = root
    while (depth >= 0) {
      const v = path[depth]
      if (cursor[v] < offsets[v + 1]) {
        const w = targets[cursor[v]++]
        if (entered[w] < 0) {
          entered[w] = low[w] = clock++
          open[openCount++] = w
          path[++depth] = w
        } else if (component[w] < 0 && entered[w] < low[v]) low[v] = entered[w]
        continue
      }
      if (low[v] === entered[v]) {
        let w: number
        do {
          w = open[--openCount]
          component[w] = components
        } while (w !== v)
        components++
      }
      depth--
      if (depth >= 0 && low[v] < low[path[depth]]) low[path[depth]] = low[v]
    }
  }
  return component
}

/** The connectivity of a group with its items' names: components sorted within and among themselves. */
export function namedConnectivity(graph: Connectivity, members: Int32Array, items: readonly string[]) {
  const names = (locals: Int32Array) => Array.from(locals, (local) => items[members[local]]).sort(byCodeUnit)
  return {
    components: graph.components.map(names).sort((a, b) => byCodeUnit(a[0], b[0])),
    undefeated: names(graph.undefeated),
    winless: names(graph.winless),
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
