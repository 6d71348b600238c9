import { choleskyFactor, choleskySolve } from './cholesky.ts'

/** One step x → F(x) of an iteration: where it led, and by how much. */
export type FixedPointStep = { image: Float64Array; move: Float64Array }

/** Relative size of what keeps the normal equations apart from singular. */
const RIDGE = 1e-14

/**
 * Where an iteration x ← F(x) is heading, from its last steps (Anderson, J. ACM 12, 1965): the combination of the images
 * F(x_k), with weights that sum to 1, at which the same combination of the moves F(x_k) − x_k is shortest.
 *
 * @param steps the last of them last; two or more
 * @returns null where they all go the same way
 */
export function andersonPoint(steps: readonly FixedPointStep[]): Float64Array | null {
  const last = steps[steps.length - 1]
  const order = steps.length - 1
  const differences = steps.slice(0, order).map((step, k) => ({
    image: minus(steps[k + 1].image, step.image),
    move: minus(steps[k + 1].move, step.move),
  }))
  const normal = new Float64Array(order * order)
  const weights = new Float64Array(order)
  for (let a = 0; a < order; a++) {
    for (let b = 0; b <= a; b++) normal[a * order + b] = dot(differences[a].move, differences[b].move)
    normal[a * order + a] *= 1 + RIDGE
    weights[a] = dot(differences[a].move, last.move)
  }
  if (choleskyFactor(normal, order) >= 0) return null
  choleskySolve(normal, order, weights)
  const point = last.image.slice()
  differences.forEach(({ image }, a) => {
    for (let v = 0; v < point.length; v++) point[v] -= weights[a] * image[v]
  })
  return point
}

function minus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, k) => value - b[k])
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k]
  return sum
}
