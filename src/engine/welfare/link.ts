import type { Iterate } from './iterate.ts'

/**
 * How group weights λ̂ follow from utilities x under a welfare function W, λ̂ ∈ ∂W(x), in a form that Newton's method can
 * follow. There are two.
 *
 * Where the dual set {λ̂ : h(λ̂) ≥ 0} is smooth, the utilities of which W takes account are w∇h(λ̂), and what a group has
 * beyond them is its surplus t_g = x_g − w∂h/∂λ̂_g ≥ 0, which is zero where λ̂_g is not. The welfare w is the multiplier
 * of h(λ̂) ≥ 0, and k = h(λ̂) is zero where w is not.
 *
 * Where W is smooth, the weights are ∇W(x), and what a group has beyond them is its premium t_g = λ̂_g − ∂W/∂x_g ≥ 0,
 * which is zero where x_g is not.
 */
export type Link = {
  /** What the partners t are complementary to: surpluses to the weights, premiums to the utilities. */
  pairedTo: 'weights' | 'utilities'
  /** Whether the inequality h(λ̂) ≥ 0 is there, so that w·k is one more complementary product. */
  bounded: boolean
  /**
   * The rows whose relation is curved are the first so many; a straight one is kept by every step that solves its
   * linearisation.
   */
  curved: number
  /**
   * Positive weights and partners (and w and k) that go with utilities x, with products t∘λ̂ or t∘x that are alike and
   * not below `product`.
   */
  start(x: Float64Array, product: number): LinkStart
  /**
   * What t and k are by their definitions at an iterate.
   *
   * @param partner overwritten by t
   * @returns k, or where h(λ̂) = 0 is an equation how far λ̂ is from it; else 0
   */
  define(at: Iterate, partner: Float64Array): number
  /** Linearises the relation at an iterate. */
  linearise(at: Iterate, linear: Linear): void
}

export type LinkStart = {
  weights: Float64Array
  partner: Float64Array
  welfare: number
  slack: number
  /** What the products are about. */
  product: number
}

/**
 * The Newton equations of the relation at an iterate,
 *
 *   dx = pull∘c − give∘dλ̂ + along·dw,   along·dλ̂ + bend·dw = c_k + slopes·(pull∘c),
 *
 * where c and c_k are what t and k are to differ from their definitions by if all else stays. Arrays have length G.
 */
export type Linear = {
  pull: Float64Array
  /** −∂x/∂λ̂ ≥ 0. */
  give: Float64Array
  /** ∂x/∂w. */
  along: Float64Array
  slopes: Float64Array
  bend: number
  /** What holds the weights or utilities that the partners belong to: the product over its square, and W's own curve. */
  curvature: Float64Array
}

/** Room for the linearisation of G groups. */
export function newLinear(groups: number): Linear {
  return {
    pull: new Float64Array(groups),
    give: new Float64Array(groups),
    along: new Float64Array(groups),
    slopes: new Float64Array(groups),
    bend: 0,
    curvature: new Float64Array(groups),
  }
}
