import { type Beats, connectivity } from '../comparisons/connectivity.ts'

/** Two items whose comparison ties two parts of a group together, and how often to ask. */
export type Link = { a: number; b: number; times: number }

/**
 * The comparisons that give a group a finite estimate, if their answers go the way that is still missing.
 *
 * Without a prior every item must be able to beat every other through a chain of comparisons. Where one strongly connected
 * component has beaten another and not been beaten, the weakest item of the one is compared with the strongest of the
 * other, once; first where the two are closest, so that a surprise is likeliest, until no such link is needed. Items that
 * are not connected at all, those never compared among them, are linked to the largest piece, average item to average
 * item, once for a win of each. Links that join the most items come first.
 *
 * @param outcomes of all items that count, those that were never compared too
 * @param whoever whether it is enough that items are connected, whoever wins (Jeffreys' prior): then one answer does
 * @returns items as local indices, a < b; empty where the estimate is finite already
 */
export function connectingPairs(outcomes: Beats, whoever: boolean): Link[] {
  const strength = strengthsOf(outcomes)
  const links = whoever ? [] : surprises(outcomes, strength)
  const average = (items: Int32Array) => least(items, (v) => Math.abs(strength[v] - 0.5))
  const pieces = connectivity({ ...outcomes, ties: outcomes.ties.map(() => 1) }).components
  const largest = pieces.reduce((a, b) => (b.length > a.length ? b : a))
  for (const piece of pieces) {
    if (piece === largest) continue
    const joins = piece.length * largest.length
    links.push({ a: average(piece), b: average(largest), times: whoever ? 1 : 2, joins })
  }
  return links
    .sort((x, y) => y.joins - x.joins)
    .map(({ a, b, times }) => ({ a: Math.min(a, b), b: Math.max(a, b), times }))
}

/** Of each item the share of comparisons that it won, drawn to ½ by one more. */
function strengthsOf({ items, i, j, wins, losses, ties }: Beats): Float64Array {
  const compared = new Float64Array(items.length).fill(1)
  const won = new Float64Array(items.length).fill(0.5)
  for (let k = 0; k < i.length; k++) {
    const all = wins[k] + losses[k] + ties[k]
    compared[i[k]] += all
    compared[j[k]] += all
    won[i[k]] += wins[k] + ties[k] / 2
    won[j[k]] += losses[k] + ties[k] / 2
  }
  return won.map((value, v) => value / compared[v])
}

type SizedLink = Link & { joins: number }

/** The wins of a component over one that has beaten it that make each piece strongly connected. */
function surprises(outcomes: Beats, strength: Float64Array): SizedLink[] {
  const parts = connectivity(outcomes).components
  const candidates = beatings(outcomes, parts).map(({ upper, lower }) => {
    const a = least(parts[upper], (v) => strength[v])
    const b = least(parts[lower], (v) => -strength[v])
    const joins = parts[upper].length * parts[lower].length
    return { upper, lower, a, b, times: 1, joins, gap: strength[a] - strength[b] }
  })
  const edges = candidates.map(({ upper, lower }) => [upper, lower])
  let merged = labelsOf(parts.length, edges)
  const links: SizedLink[] = []
  for (const { upper, lower, gap, ...link } of candidates.sort((x, y) => x.gap - y.gap)) {
    if (merged[upper] === merged[lower]) continue
    links.push(link)
    edges.push([lower, upper])
    merged = labelsOf(parts.length, edges)
  }
  return links
}

/** Which components have beaten which others, each once. */
function beatings({ items, i, j, wins, losses }: Beats, parts: readonly Int32Array[]) {
  const partOf = new Int32Array(items.length)
  parts.forEach((members, p) => {
    for (const v of members) partOf[v] = p
  })
  const found = new Map<number, { upper: number; lower: number }>()
  for (let k = 0; k < i.length; k++) {
    if (partOf[i[k]] === partOf[j[k]]) continue
    // Between components all wins go one way, and there are no ties.
    const [upper, lower] = wins[k] > 0 ? [partOf[i[k]], partOf[j[k]]] : [partOf[j[k]], partOf[i[k]]]
    if (wins[k] + losses[k] > 0) found.set(upper * parts.length + lower, { upper, lower })
  }
  return [...found.values()]
}

/** For each vertex of a graph the number of its strongly connected component. */
function labelsOf(vertices: number, edges: readonly number[][]): Int32Array {
  const { components } = connectivity({
    items: Int32Array.from({ length: vertices }, (_, v) => v),
    i: Int32Array.from(edges, ([from]) => from),
    j: Int32Array.from(edges, ([, to]) => to),
    wins: new Float64Array(edges.length).fill(1),
    losses: new Float64Array(edges.length),
    ties: new Float64Array(edges.length),
  })
  const labels = new Int32Array(vertices)
  components.forEach((members, label) => {
    for (const v of members) labels[v] = label
  })
  return labels
}

/** The first of the items whose value is smallest. */
function least(items: Int32Array, value: (item: number) => number): number {
  return items.reduce((a, b) => (value(b) < value(a) ? b : a))
}
