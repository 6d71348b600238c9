/** Which items lead to which along the edges so far, kept closed under transitivity while edges are added. */
export type Reachability = {
  items: number
  /** 32-bit words that a row of bits takes. */
  words: number
  /** n × words, row-major: bit j of row i is set where i leads to j. */
  bits: Int32Array
}

/** No edges yet. */
export function noEdges(items: number): Reachability {
  const words = (items + 31) >> 5
  return { items, words, bits: new Int32Array(items * words) }
}

export function copyOf({ items, words, bits }: Reachability): Reachability {
  return { items, words, bits: bits.slice() }
}

/** Whether a leads to b. */
export function leadsTo({ words, bits }: Reachability, a: number, b: number): boolean {
  return ((bits[a * words + (b >> 5)] >>> (b & 31)) & 1) === 1
}

/**
 * Adds an edge: whoever leads to a now leads to b and to all that b leads to.
 *
 * A row changes only where it gains b at least, so that all additions together cost O(n³/32).
 */
export function addEdge(reach: Reachability, a: number, b: number): void {
  const { items, words, bits } = reach
  if (leadsTo(reach, a, b)) return
  for (let i = 0; i < items; i++) {
    if ((i !== a && !leadsTo(reach, i, a)) || leadsTo(reach, i, b)) continue
    for (let w = 0; w < words; w++) bits[i * words + w] |= bits[b * words + w]
    bits[i * words + (b >> 5)] |= 1 << (b & 31)
  }
}
