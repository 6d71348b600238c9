import type { Link } from './link.ts'
import type { Found } from './search.ts'

/**
 * What a welfare function chooses over: the policies p, lotteries over n items, that G groups value at
 * x_g(p) = Σ_i u_gi p_i. The objective is F(p) = W(x(p)) − β KL(p‖π).
 *
 * With several contexts an item counts once in every context that has it, and p is the joint lottery: its part in
 * context q sums to the context's weight w_q, and so does that of π. Then x_g and KL are the weighted means over
 * contexts that they should be, and contexts are nothing but a few more sums that p must have.
 */
export type WelfareProblem = {
  /** Number of groups G. */
  groups: number
  /** Number of items n; with several contexts, of pairs of a context and an item. */
  items: number
  /** Anchored utilities u, G × n, row-major: the row of group g is its utilities of all items. */
  utilities: Float64Array
  /** Population weights; length G, positive, sum 1. */
  population: Float64Array
  /** The reference policy π; length n, positive, with the sum w_q in each context. */
  reference: Float64Array
  /** β ≥ 0. */
  temperature: number
  contexts: Contexts
  guardrails: Guardrails
}

/** The situations in which a policy chooses, each with a lottery of its own. */
export type Contexts = {
  /** Where the items of each context begin, and the end: those of context q are starts[q] … starts[q + 1]; length Q + 1. */
  starts: Int32Array
  /** w_q; length Q, positive, sum 1. */
  weights: Float64Array
}

/** Linear limits on policies: Σ_i C_ki p_i ≤ τ_k. */
export type Guardrails = {
  /** C, K × n, row-major. */
  costs: Float64Array
  /** τ; length K. */
  limits: Float64Array
}

/** The one context of n items that there is unless a request names others. */
export function oneContext(items: number): Contexts {
  return { starts: Int32Array.of(0, items), weights: Float64Array.of(1) }
}

/** No limits. */
export const NO_GUARDRAILS: Guardrails = { costs: new Float64Array(0), limits: new Float64Array(0) }

/** A welfare optimum, with the proof that it is one. */
export type Optimum = {
  /** The dual optimum λ ∈ ∂W(x); length G, not normalised. */
  weights: Float64Array
  /** μ, the shadow prices of the guardrails: what a unit of each limit is worth; length K, 0 or more. */
  prices: Float64Array
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
 * A concave, nondecreasing welfare function W, whose conjugate W_*(λ) = inf_x {λ·x − W(x)} is finite on a convex set Λ and
 * −∞ outside (and 0 on Λ where W is homogeneous of degree one): everything that the shared solver, certificate and routes
 * need to know of it.
 */
export type WelfareFunction = {
  /** W(x), at population weights n. */
  value(x: Float64Array, population: Float64Array): number
  /** The point of Λ that λ becomes when rounding has left it just outside; in place. */
  project(weights: Float64Array, population: Float64Array): void
  /**
   * λ·x − W(x) − W_*(λ) ≥ 0 at a point λ of Λ, so written that nothing cancels; left out where W_* = 0 on Λ, and the loss is
   * λ·x − W(x).
   */
  loss?(weights: Float64Array, x: Float64Array, population: Float64Array): number
  /** ∇W(x), of a W that is smooth wherever it is defined and not homogeneous. */
  gradient?(x: Float64Array, population: Float64Array): Float64Array
  /** True where W needs every x_g ≥ 0 and a policy at which all are positive. */
  needsGains: boolean
  /** The utility from which on the weight of a group of population n is nothing to a welfare; ∞ where there is none. */
  weightlessFrom(welfare: number, population: number): number
  /**
   * How weights λ̂_g = λ_g·scale_g follow from utilities x_g/scale_g; null where Λ is a single point.
   * Scales are in units of the welfare that utilities of that size would give, so that W(scale) = 1 for a homogeneous W;
   * `unit` is that welfare.
   */
  link: ((population: Float64Array, scale: Float64Array, unit: number) => Link) | null
  /** How an optimum is found where no link describes W. */
  search?: (problem: WelfareProblem) => Found | null
  /**
   * Which utilities are as good as x at a point λ of Λ with λ·x = W(x): those at which W is λ·x too. Left out where a group
   * with weight must have what it has, and one without at least `weightlessFrom`.
   */
  face?: (weights: Float64Array, x: Float64Array, population: Float64Array) => Face
}

/** Utilities y at which every combination c·y is as it is (`held`), or at least 0. */
export type Face = { held: Float64Array[]; atLeast: Float64Array[] }
