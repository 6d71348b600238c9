import type { Link } from './link.ts'

/**
 * What a welfare function chooses over: the policies p, lotteries over n items, that G groups value at
 * x_g(p) = Σ_i u_gi p_i. The objective is F(p) = W(x(p)) − β KL(p‖π).
 */
export type WelfareProblem = {
  /** Number of groups G. */
  groups: number
  /** Number of items n. */
  items: number
  /** Anchored utilities u, G × n, row-major: the row of group g is its utilities of all items. */
  utilities: Float64Array
  /** Population weights; length G, positive, sum 1. */
  population: Float64Array
  /** The reference policy π; length n, positive, sum 1. */
  reference: Float64Array
  /** β ≥ 0. */
  temperature: number
}

/** A welfare optimum, with the proof that it is one. */
export type Optimum = {
  /** The dual optimum λ ∈ ∂W(x); length G, not normalised. */
  weights: Float64Array
  /** The policy p*; length n. */
  policy: Float64Array
  /** x(p*); length G. */
  utilities: Float64Array
  /** W(x(p*)), without the KL term. */
  welfare: number
  /**
   * Whether the weights support the policy without singling it out: at temperature 0, and at one so low that the last
   * digit of a weight would change the policy.
   */
  supportOnly: boolean
  certificate: Certificate
}

/** Everything recomputed from the weights and the policy that are returned. */
export type Certificate = {
  /** D(λ) − F(p) ≥ 0: the most that any other policy could add to the objective. */
  gap: number
  /** gap / max(|F|, Σ_g λ_g·range_i u_gi), and 0 where both are 0. */
  relativeGap: number
  /** Iterations of the solver; 0 where the optimum has a closed form. */
  iterations: number
  /** Whether no other policy is optimal. */
  unique: boolean
}

/**
 * A concave, nondecreasing welfare function W that is homogeneous of degree one, so that its conjugate
 * W_*(λ) = inf_x {λ·x − W(x)} is 0 on a convex set Λ and −∞ outside: everything that the shared solver,
 * certificate and routes need to know of it.
 */
export type WelfareFunction = {
  /** W(x), at population weights n. */
  value(x: Float64Array, population: Float64Array): number
  /** The point of Λ that λ becomes when rounding has left it just outside; in place. */
  project(weights: Float64Array, population: Float64Array): void
  /** True where W needs every x_g ≥ 0 and a policy at which all are positive. */
  needsGains: boolean
  /** The utility from which on the weight of a group of population n is nothing to a welfare; ∞ where there is none. */
  weightlessFrom(welfare: number, population: number): number
  /**
   * How weights λ̂_g = λ_g·scale_g follow from utilities x_g/scale_g; null where Λ is the single point n.
   * Scales are in units of the welfare that they would give: W(scale) = 1.
   */
  link: ((population: Float64Array, scale: Float64Array) => Link) | null
}
