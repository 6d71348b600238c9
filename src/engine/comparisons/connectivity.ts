import type { PairCounts } from './pairs.ts'

/** How the items of one group hang together; items as local indices, ascending. */
export type Connectivity = {
  /** Strongly connected components of the win graph, ordered by their first item. */
  components: Int32Array[]
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
export function connectivity(counts: PairCounts): Connectivity {
  const m = counts.items.length
  const none = new Int32Array(0)
  if (isSurelyOne(counts)) {
    return { components: [counts.items.map((_, v) => v)], undefeated: none, winless: none }
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
    components: [...members.values()].map((list) => Int32Array.from(list)),
    undefeated: Int32Array.from(all.filter((v) => defeats[v] === 0)),
    winless: Int32Array.from(all.filter((v) => offsets[v + 1] === offsets[v])),
  }
}

const PASSES = 4

/**
 * Whether a few passes over the pairs find a chain from the first item to every other and one back: where most items
 * met, they do so at once, without building the graph. False says nothing.
 */
function isSurelyOne(counts: PairCounts): boolean {
  return reachesAll(counts, true) && reachesAll(counts, false)
}

/** Follows the win graph's edges, forwards or backwards, from the first item. */
function reachesAll({ items, i, j, wins, losses, ties }: PairCounts, forwards: boolean): boolean {
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
function winGraph({ items, i, j, wins, losses, ties }: PairCounts) {
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
