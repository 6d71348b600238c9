import type { Random } from '../numeric/random.ts'
import type { Extra } from './model.ts'

/**
 * A concave log-likelihood ℓ(ψ), or log-posterior, and its linearisation at one point.
 *
 * The parameters ψ, p of them, are m rewards θ (with features: reward weights w), then the extras. What is called
 * curvature is minus the Hessian: positive semidefinite, and where `shiftInvariant` singular along (1, …, 1, 0).
 */
export type Likelihood = {
  /** p. */
  size: number
  /** m. */
  rewards: number
  /** The parameters after the rewards, in order. */
  extras: readonly Extra[]
  /** Whether the curvature is at hand as a dense matrix, so that there is no cheaper way than to factorise it. */
  dense: boolean
  /** Whether ℓ stays as it is when a constant is added to every reward. */
  shiftInvariant: boolean
  /** How many comparisons bear on each parameter: what a gradient is relative to; length p. */
  totals: Float64Array
  /** ℓ(ψ). */
  value(at: Float64Array): number
  /** Moves the linearisation to ψ: fills gradient, diagonal, and what the two methods after them need. */
  linearise(at: Float64Array): void
  /** ∂ℓ/∂ψ; length p. */
  gradient: Float64Array
  /** The diagonal of the curvature; length p. */
  diagonal: Float64Array
  /** out = curvature · x. */
  multiply(x: Float64Array, out: Float64Array): void
  /**
   * Adds the curvature to the lower triangle of a dense matrix.
   *
   * @param matrix row-major, of the given order
   * @param order p, or p − 1 to leave out the last reward (which grounds a shift-invariant ℓ)
   */
  addCurvature(matrix: Float64Array, order: number): void
  /** The largest change, over all comparisons, of a difference between two outcomes' log-odds that a step makes. */
  reach(step: Float64Array): number
  /**
   * A step in ψ as a step in rewards and extras: itself, but for features (θ = Φw).
   */
  lift(step: Float64Array): Float64Array
  /** The transpose of {@link lift}: a gradient in rewards and extras as one in ψ. */
  lower(gradient: Float64Array): Float64Array
  /**
   * A random vector with mean zero whose covariance is the curvature (the prior's included), in rewards and extras: what
   * simulates the estimate's distribution where the curvature is too large to be factorised; null where it is dense.
   */
  drawScore: ((random: Random) => Float64Array) | null
  /**
   * Where the Hessian of ℓ is not at hand and its curvature is that of something else: a log-likelihood with the same
   * gradient at the point of the linearisation, whose curvature stands in for it in Newton's steps.
   */
  surrogate?: () => Likelihood
}

/** The same linearisation, which is not computed again at the point where it is already. */
export function onceAt(linearise: (at: Float64Array) => void): (at: Float64Array) => void {
  let where: Float64Array | null = null
  return (at) => {
    if (where?.every((value, a) => value === at[a])) return
    linearise(at)
    where = at.slice()
  }
}

/** Sparse vectors in the space of rewards and extras: vector k has values[a] at index[a] for a in offsets[k] … offsets[k + 1]. */
export type Scores = { offsets: Int32Array; index: Int32Array; values: Float64Array }

/** Gathers sparse vectors, one entry at a time. */
export function gatherScores(vectors: number, entries: number) {
  const offsets = new Int32Array(vectors + 1)
  const index = new Int32Array(entries)
  const values = new Float64Array(entries)
  let vector = 0
  let filled = 0
  return {
    /** Adds an entry to the vector that is open. */
    entry(at: number, value: number): void {
      index[filled] = at
      values[filled++] = value
    },
    /** Closes the open vector. */
    close(): void {
      offsets[++vector] = filled
    },
    scores(): Scores {
      return {
        offsets: offsets.slice(0, vector + 1),
        index: index.slice(0, filled),
        values: values.slice(0, filled),
      }
    },
  }
}
