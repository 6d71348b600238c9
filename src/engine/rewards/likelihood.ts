import type { PairCounts } from '../comparisons/pairs.ts'
import { sigmoid, softplus } from '../numeric/softplus.ts'

/** A prior on the rewards. Neither is shift-invariant, so rewards are centred only after the fit. */
export type Prior =
  | { kind: 'none' }
  /** θ_i ~ N(0, s²), independently. */
  | { kind: 'gaussian'; standardDeviation: number }
  /** k wins and k losses of every item against a phantom item whose reward is 0. */
  | { kind: 'pseudo-item'; strength: number }

/** Binary outcomes of one group, a tie counted as half a win to each side: what the likelihood is made of. */
export type Outcomes = {
  /** Number of items m. */
  m: number
  /** The pairs, sorted by (i, j) with i < j: the pairs of item v as the lower one are offsets[v] … offsets[v + 1]. */
  offsets: Int32Array
  j: Int32Array
  /** Times that i, and that j, was preferred. */
  wins: Float64Array
  losses: Float64Array
  /** Comparisons of each item, the phantom's included; length m. */
  totals: Float64Array
}

/** The outcomes that pair counts amount to under the convention that a tie is half a win to each side. */
export function halfWinOutcomes(counts: PairCounts, prior: Prior): Outcomes {
  const m = counts.items.length
  const pairs = counts.i.length
  const offsets = new Int32Array(m + 1)
  const wins = new Float64Array(pairs)
  const losses = new Float64Array(pairs)
  const totals = new Float64Array(m).fill(prior.kind === 'pseudo-item' ? 2 * prior.strength : 0)
  for (let k = 0; k < pairs; k++) {
    wins[k] = counts.wins[k] + 0.5 * counts.ties[k]
    losses[k] = counts.losses[k] + 0.5 * counts.ties[k]
    offsets[counts.i[k] + 1]++
    totals[counts.i[k]] += wins[k] + losses[k]
    totals[counts.j[k]] += wins[k] + losses[k]
  }
  for (let v = 0; v < m; v++) offsets[v + 1] += offsets[v]
  return { m, offsets, j: counts.j, wins, losses, totals }
}

/** The gradient of the log-posterior and the weighted graph whose Laplacian is minus its Hessian. */
export type Slope = {
  /** ∂ℓ/∂θ; length m. */
  gradient: Float64Array
  /** n_ij p_ij p_ji for each pair: the weights of the graph. */
  edges: Float64Array
  /** The Hessian's diagonal, with its sign turned; length m. */
  diagonal: Float64Array
}

/** Zeroed arrays for {@link slopeAt} to fill. */
export function emptySlope(outcomes: Outcomes): Slope {
  return {
    gradient: new Float64Array(outcomes.m),
    edges: new Float64Array(outcomes.j.length),
    diagonal: new Float64Array(outcomes.m),
  }
}

/** e^θ neither overflows nor loses a factor of a pair's probability as long as rewards stay within this distance. */
const EXP_RANGE = 300

/**
 * Fills the gradient and the Hessian's graph at θ. With p_ij = σ(θ_i − θ_j),
 *
 *   ∂ℓ/∂θ_i = Σ_j (w_ij p_ji − w_ji p_ij),   edge_ij = n_ij p_ij p_ji,
 *
 * plus the prior's terms. One division serves a pair: p_ij = e^θ_i / (e^θ_i + e^θ_j), unless θ is spread so far
 * that e^θ would overflow.
 */
export function slopeAt(theta: Float64Array, outcomes: Outcomes, prior: Prior, slope: Slope): void {
  const { m, offsets, j, wins, losses } = outcomes
  const { gradient, edges, diagonal } = slope
  gradient.fill(0)
  diagonal.fill(0)

  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (let v = 0; v < m; v++) {
    if (theta[v] < low) low = theta[v]
    if (theta[v] > high) high = theta[v]
  }
  const middle = (low + high) / 2
  const near = high - low <= 2 * EXP_RANGE
  const odds = near ? theta.map((value) => Math.exp(value - middle)) : theta

  for (let v = 0; v < m; v++) {
    const oddsV = odds[v]
    let gradientV = 0
    let diagonalV = 0
    for (let k = offsets[v]; k < offsets[v + 1]; k++) {
      const u = j[k]
      let p: number
      let q: number
      if (near) {
        const inverse = 1 / (oddsV + odds[u])
        p = oddsV * inverse
        q = odds[u] * inverse
      } else {
        p = sigmoid(theta[v] - theta[u])
        q = sigmoid(theta[u] - theta[v])
      }
      const pull = wins[k] * q - losses[k] * p
      const edge = (wins[k] + losses[k]) * p * q
      edges[k] = edge
      gradientV += pull
      gradient[u] -= pull
      diagonalV += edge
      diagonal[u] += edge
    }
    gradient[v] += gradientV
    diagonal[v] += diagonalV
  }

  if (prior.kind === 'gaussian') {
    const precision = 1 / (prior.standardDeviation * prior.standardDeviation)
    for (let v = 0; v < m; v++) {
      gradient[v] -= theta[v] * precision
      diagonal[v] += precision
    }
  } else if (prior.kind === 'pseudo-item') {
    for (let v = 0; v < m; v++) {
      const p = sigmoid(theta[v])
      const q = sigmoid(-theta[v])
      gradient[v] += prior.strength * (q - p)
      diagonal[v] += 2 * prior.strength * p * q
    }
  }
}

/** ℓ(θ) = −Σ_{i<j} [w_ij softplus(θ_j − θ_i) + w_ji softplus(θ_i − θ_j)], without binomial constants or prior. */
export function logLikelihood(theta: Float64Array, { m, offsets, j, wins, losses }: Outcomes): number {
  let sum = 0
  for (let v = 0; v < m; v++) {
    for (let k = offsets[v]; k < offsets[v + 1]; k++) {
      const d = theta[v] - theta[j[k]]
      // softplus(−d) = softplus(d) − d, written so that the smaller of the two keeps its digits.
      const small = Math.log1p(Math.exp(-Math.abs(d)))
      sum -= d > 0 ? wins[k] * small + losses[k] * (d + small) : wins[k] * (small - d) + losses[k] * small
    }
  }
  return sum
}

/** The logarithm of the prior's density at θ, up to a constant. */
export function logPrior(theta: Float64Array, prior: Prior): number {
  let sum = 0
  if (prior.kind === 'gaussian') {
    for (const value of theta) sum -= (value / prior.standardDeviation) ** 2 / 2
  } else if (prior.kind === 'pseudo-item') {
    for (const value of theta) sum -= prior.strength * (softplus(value) + softplus(-value))
  }
  return sum
}
