import type { Iterate } from './interior-point.ts'

/**
 * How the weights λ̂ follow from the utilities y that a welfare function W counts, λ̂ ∈ ∂W(y), in a form that
 * Newton's method can follow. There are two kinds. Where W is the sharper of W and its dual set's gauge, y is written
 * as a function of λ̂, and weights bounded by 0 leave a surplus s ≥ 0: x = y + s, s∘λ̂ = μ. Otherwise λ̂ is written as
 * a function of y, and utilities bounded by 0 leave a premium r ≥ 0: λ̂ = ∇W(y) + r, r∘y = μ.
 */
export type Link = {
  /** Whose bound the partners (s or r) belong to. */
  pairedTo: 'weights' | 'counted'
  /** Whether y and the welfare w may have either sign. */
  signed: boolean
  /** Whether w is the multiplier of an inequality of slack k, so that w·k = μ is one more complementary pair. */
  bounded: boolean
  /** λ̂ and y of length G, strictly positive and related at welfare 1, and the slack of the inequality. */
  start: { weights: Float64Array; counted: Float64Array; slack: number }
  /** Linearises the relation at an iterate. */
  linearise(at: Iterate, linear: Linear): void
}

/**
 * d(taken) = target + pull∘c − give∘dλ̂ + along·dw and along·dλ̂ + bend·dw = offset + slopes·(target + pull∘c) + …, where
 * c is the change that complementarity asks of the partners, and … that of the slack. Arrays have length G.
 */
export type Linear = {
  /** y + s, or y: what x must equal. */
  taken: Float64Array
  target: Float64Array
  pull: Float64Array
  /** −∂(taken)/∂λ̂ ≥ 0. */
  give: Float64Array
  /** ∂(taken)/∂w. */
  along: Float64Array
  slopes: Float64Array
  offset: number
  bend: number
  /** How far the relation is from being met, in units of welfare. */
  misfit: number
}

/** Room for the linearisation of G groups. */
export function newLinear(groups: number): Linear {
  return {
    taken: new Float64Array(groups),
    target: new Float64Array(groups),
    pull: new Float64Array(groups),
    give: new Float64Array(groups),
    along: new Float64Array(groups),
    slopes: new Float64Array(groups),
    offset: 0,
    bend: 0,
    misfit: 0,
  }
}
