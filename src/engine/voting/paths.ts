import type { Margins } from './margins.ts'

/**
 * The strength of the strongest path from each item to each other: the largest level at which there is a chain of items,
 * every one beating the next by at least that; 0 where there is none. n × n, row-major.
 *
 * Floyd and Warshall's scheme for widest paths (as in Schulze, Social Choice and Welfare 36, 2011, section 2.3): O(n³).
 */
export function strongestPaths({ items: n, levels }: Margins): Int32Array {
  const strongest = levels.slice()
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < n; i++) {
      const there = strongest[i * n + k]
      if (there === 0 || i === k) continue
      for (let j = 0, from = i * n, via = k * n; j < n; j++, from++, via++) {
        const onward = strongest[via]
        const weakest = Math.min(onward, there)
        if (weakest > strongest[from]) strongest[from] = weakest
      }
    }
  }
  for (let i = 0; i < n; i++) strongest[i * n + i] = 0
  return strongest
}

/**
 * A shortest path between two items along some edges, breadth first; null where there is none.
 *
 * @param edge whether there is an edge from the first to the second
 * @param to where it ends; the beginning itself for a cycle
 */
export function shortestPath(
  items: number,
  edge: (a: number, b: number) => boolean,
  from: number,
  to: number,
): number[] | null {
  const before = new Int32Array(items).fill(-1)
  const queue = new Int32Array(items)
  queue[0] = from
  for (let head = 0, tail = 1; head < tail; head++) {
    const a = queue[head]
    if (edge(a, to)) {
      const path = [to]
      for (let at = a; at !== from; at = before[at]) path.push(at)
      return [...path, from].reverse()
    }
    for (let b = 0; b < items; b++) {
      if (b === from || before[b] >= 0 || !edge(a, b)) continue
      before[b] = a
      queue[tail++] = b
    }
  }
  return null
}

/** A shortest chain of items, each beating the next by at least a level above 0; there must be one. */
export function beatPath({ items: n, levels }: Margins, from: number, to: number, level: number): number[] {
  const path = shortestPath(n, (a, b) => levels[a * n + b] >= level, from, to)
  if (path === null) throw new Error('there is no path of this strength')
  return path
}
