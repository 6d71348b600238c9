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
  /**
   * Λ for weights λ̂_g = λ_g·scale_g, with what relates them to the utilities; null where Λ is the single point n.
   * Scales are in units of the welfare that they would give: W(scale) = 1.
   */
  dualSet: ((population: Float64Array, scale: Float64Array) => DualSet) | null
}

/** The set Λ̂ = {λ̂ ≥ 0 : h(λ̂) ≥ 0}, or h(λ̂) = 0, with h concave; and how λ̂ follows from the utilities. */
export type DualSet = {
  /** Whether h is affine and must be 0. */
  equality: boolean
  /** Where the solver starts: λ̂ > 0 and y, both of length G, that are related at welfare 1, and the slack of h. */
  start: { weights: Float64Array; counted: Float64Array; slack: number }
  /** Linearises h and the relation R between λ̂, the utilities y that count, and the welfare w. */
  relate(weights: Float64Array, counted: Float64Array, welfare: number, relation: Relation): void
}

/** The linearisation dy = (target − y) − give·dλ̂ + along·dw; all arrays of length G. */
export type Relation = {
  /** h(λ̂) and its gradient. */
  h: number
  gradient: Float64Array
  target: Float64Array
  /** −∂y/∂λ̂ ≥ 0. */
  give: Float64Array
  /** ∂y/∂w. */
  along: Float64Array
}
