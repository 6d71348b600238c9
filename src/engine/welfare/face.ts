import { contextOfEach, normalisedIn, topsOf } from './contexts.ts'
import { entropyProjection } from './entropy-projection.ts'
import { centredIn, DEPENDENT, lengthOf, orthonormal, without } from './orthonormal.ts'
import type { Contexts, WelfareProblem } from './problem.ts'

/** Items tie for the best of their context where they are this close, in units of the scale. */
const TIE = 1e-10
/** A probability below this, in units of its context's weight, is what is left of zero. */
const NOTHING = 1e-13

/** The end of a path at temperature 0. */
export type Face = {
  policy: Float64Array
  /** v = Uᵀλ − Cᵀμ. */
  values: Float64Array
  /** What values are large or small against. */
  scale: number
  /** An item ties for the best where it falls short of it by less than this much of its probability. */
  alike: number
}

/** A linear function of the policy that may fall by `room`, as a row over the items of a face. */
export type Bound = { row: Float64Array; room: number }

/**
 * The policy nearest to the reference, in KL divergence, among those that hold only items that tie for the best of their
 * context, and at which some linear functions are what they are and others nearly so.
 *
 * @param rowsOf for the items of the face, and the policy's probabilities there, which functions these are
 * @returns the policy, and whether there is no other of its support
 */
export function nearestOnFace(
  { items, reference, contexts }: WelfareProblem,
  { policy, values, scale, alike }: Face,
  rowsOf: (face: readonly number[], share: Float64Array) => { held: Float64Array[]; free: Bound[] },
): { policy: Float64Array; unique: boolean } {
  const tops = topsOf(contexts, values)
  const context = contextOfEach(contexts)
  // The larger of p_i and what the item falls short by tells which of the two is zero; where they are alike, both are.
  const face: number[] = []
  for (let i = 0; i < items; i++) {
    const q = context[i]
    const share = policy[i] / contexts.weights[q]
    if (tops[q] - values[i] <= scale * Math.max(TIE, alike * share)) face.push(i)
  }
  const blocks = restrictedTo(contexts, face, context)
  const share = normalisedIn(
    blocks,
    Float64Array.from(face, (i) => policy[i]),
  )
  const prior = normalisedIn(
    blocks,
    Float64Array.from(face, (i) => reference[i]),
  )
  // Rows are compared where either has items: some that tie for the best may have no share yet.
  const weighting = share.map((p, k) => (p + prior[k]) / 2)
  const { held, free } = rowsOf(face, share)
  const basis = orthonormal(held, weighting, blocks)
  const bounds: Float64Array[] = []
  for (const { row, room } of free) {
    const rest = without(row, basis, weighting, blocks)
    const length = lengthOf(rest, weighting)
    if (length > DEPENDENT * lengthOf(row, weighting))
      bounds.push(centredIn(blocks, rest, share).map((value) => (value + room) / length))
  }
  const equations = basis.map((row) => centredIn(blocks, row, share))
  const found = entropyProjection([...equations, ...bounds], equations.length, prior, blocks)

  const used = Array.from(found.keys()).filter((k) => found[k] > NOTHING * contexts.weights[context[face[k]]])
  const usedItems = used.map((k) => face[k])
  const usedBlocks = restrictedTo(contexts, usedItems, context)
  const support = normalisedIn(
    usedBlocks,
    Float64Array.from(used, (k) => found[k]),
  )
  const nearest = new Float64Array(items)
  usedItems.forEach((item, s) => {
    nearest[item] = support[s]
  })
  // Probabilities that the rows held determine, and the sums in the contexts, are the only ones.
  const columns = held.map((row) => Float64Array.from(used, (k) => row[k]))
  const determined = orthonormal(columns, support, usedBlocks).length + contexts.weights.length
  return { policy: nearest, unique: determined === used.length }
}

/** The contexts of some of the items, which are in ascending order. */
function restrictedTo(contexts: Contexts, items: readonly number[], context: Int32Array): Contexts {
  const starts = new Int32Array(contexts.starts.length)
  for (const item of items) starts[context[item] + 1]++
  for (let q = 0; q + 1 < starts.length; q++) starts[q + 1] += starts[q]
  return { starts, weights: contexts.weights }
}
