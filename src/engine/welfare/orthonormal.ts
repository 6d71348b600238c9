import { type Contexts, oneContext } from './problem.ts'

/** Σ_k w_k a_k. */
export function meanOf(a: Float64Array, weights: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += weights[k] * a[k]
  return sum
}

/** √Σ_k w_k a_k². */
export function lengthOf(a: Float64Array, weights: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += weights[k] * a[k] * a[k]
  return Math.sqrt(sum)
}

/** A row less its mean in each context, the mean under weights. */
export function centredIn({ starts }: Contexts, row: Float64Array, weights: Float64Array): Float64Array {
  const centred = row.slice()
  for (let q = 0; q + 1 < starts.length; q++) {
    let sum = 0
    let mass = 0
    for (let k = starts[q]; k < starts[q + 1]; k++) {
      sum += weights[k] * row[k]
      mass += weights[k]
    }
    const mean = sum / mass
    for (let k = starts[q]; k < starts[q + 1]; k++) centred[k] -= mean
  }
  return centred
}

/**
 * What is left of a row when its means in the contexts and its projections on an orthonormal basis are taken away; twice, as
 * rounding wants it.
 */
export function without(
  row: Float64Array,
  basis: Float64Array[],
  weights: Float64Array,
  contexts = oneContext(row.length),
): Float64Array {
  let rest = row
  for (let pass = 0; pass < 2; pass++) {
    rest = centredIn(contexts, rest, weights)
    for (const unit of basis) {
      let along = 0
      for (let k = 0; k < rest.length; k++) along += weights[k] * rest[k] * unit[k]
      for (let k = 0; k < rest.length; k++) rest[k] -= along * unit[k]
    }
  }
  return rest
}

/** A row of which less than this part is left depends on the others. */
export const DEPENDENT = 1e-9

/**
 * An orthonormal basis of what rows span beyond the constants of the contexts, by Gram–Schmidt with pivoting in the inner
 * product Σ_k w_k a_k b_k, Σ_k w_k = 1.
 */
export function orthonormal(
  rows: Float64Array[],
  weights: Float64Array,
  contexts = oneContext(weights.length),
): Float64Array[] {
  const basis: Float64Array[] = []
  const sizes = rows.map((row) => lengthOf(row, weights))
  let rests = rows.map((row) => without(row, basis, weights, contexts))
  for (;;) {
    let pivot = -1
    let largest = DEPENDENT
    rests.forEach((rest, r) => {
      const part = sizes[r] > 0 ? lengthOf(rest, weights) / sizes[r] : 0
      if (part > largest) {
        pivot = r
        largest = part
      }
    })
    if (pivot < 0) return basis
    const length = lengthOf(rests[pivot], weights)
    basis.push(rests[pivot].map((value) => value / length))
    rests = rests.map((rest) => without(rest, basis, weights, contexts))
  }
}
