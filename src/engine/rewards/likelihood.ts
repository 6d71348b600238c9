import type { PairCounts } from '../comparisons/pairs.ts'
import { sigmoid } from '../numeric/sigmoid.ts'

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
  /** How many of these it won; length m. */
  won: Float64Array
}

/** The outcomes that pair counts amount to under the convention that a tie is half a win to each side. */
export function halfWinOutcomes(counts: PairCounts, prior: Prior): Outcomes {
  const m = counts.items.length
  const { i, j, ties } = counts
  const tied = anyPositive(ties)
  const wins = tied ? counts.wins.map((win, k) => win + 0.5 * ties[k]) : counts.wins
  const losses = tied ? counts.losses.map((loss, k) => loss + 0.5 * ties[k]) : counts.losses
  const offsets = new Int32Array(m + 1)
  const won = new Float64Array(m).fill(prior.kind === 'pseudo-item' ? prior.strength : 0)
  const totals = won.map((wins) => 2 * wins)
  for (let k = 0; k < i.length; k++) {
    const total = wins[k] + losses[k]
    offsets[i[k] + 1]++
    totals[i[k]] += total
    totals[j[k]] += total
    won[i[k]] += wins[k]
    won[j[k]] += losses[k]
  }
  for (let v = 0; v < m; v++) offsets[v + 1] += offsets[v]
  return { m, offsets, j, wins, losses, totals, won }
}

function anyPositive(values: Float64Array): boolean {
  for (let k = 0; k < values.length; k++) if (values[k] > 0) return true
  return false
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

/**
 * Fills the gradient and the Hessian's graph at θ. With p_ij = σ(θ_i − θ_j),
 *
 *   ∂ℓ/∂θ_i = Σ_j (w_ij p_ji − w_ji p_ij),   edge_ij = n_ij p_ij p_ji,
 *
 * plus the prior's terms. One division serves a pair: p_ij = e^θ_i / (e^θ_i + e^θ_j).
 */
export function slopeAt(theta: Float64Array, outcomes: Outcomes, prior: Prior, slope: Slope): void {
  const { m, offsets, j, wins, losses } = outcomes
  const { gradient, edges, diagonal } = slope
  gradient.fill(0)
  diagonal.fill(0)

  const common = commonOdds(theta)
  const odds = common ?? new Float64Array(m)
  for (let v = 0; v < m; v++) {
    if (common === null) oddsAgainst(v, theta, outcomes, odds)
    const oddsV = odds[v]
    const end = offsets[v + 1]
    let gradientV = 0
    let diagonalV = 0
    for (let k = offsets[v]; k < end; k++) {
      const u = j[k]
      const oddsU = odds[u]
      const inverse = 1 / (oddsV + oddsU)
      const p = oddsV * inverse
      const q = oddsU * inverse
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

/** The sum of two exponentials up to this does not overflow, nor does its inverse underflow. */
const EXP_LIMIT = 700

/** e^θ_i, up to a factor that all items share; null where θ is spread so far that some would over- or underflow. */
function commonOdds(theta: Float64Array): Float64Array | null {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const value of theta) {
    if (value < low) low = value
    if (value > high) high = value
  }
  if (high - low > EXP_LIMIT) return null
  const middle = (low + high) / 2
  const odds = new Float64Array(theta.length)
  for (let v = 0; v < odds.length; v++) odds[v] = Math.exp(theta[v] - middle)
  return odds
}

/** The odds of item v, and of the items that its pairs name as the higher one, up to a factor that only these share. */
function oddsAgainst(v: number, theta: Float64Array, { offsets, j }: Outcomes, odds: Float64Array): void {
  odds[v] = 1
  for (let k = offsets[v]; k < offsets[v + 1]; k++) {
    odds[j[k]] = Math.exp(Math.min(theta[j[k]] - theta[v], EXP_LIMIT))
  }
}

/** Pairs of up to so many comparisons share logarithms. */
const SHARED = 16
/** A ratio of odds above this loses less than two digits when 1 is added to it. */
const SAFE_RATIO = 0.01
/** A product is put away before its next factor, which is at most 2, could make it overflow. */
const PRODUCT_LIMIT = 1e300

/**
 * ℓ(θ) = −Σ_{i<j} [w_ij softplus(θ_j − θ_i) + w_ji softplus(θ_i − θ_j)], without binomial constants or prior.
 *
 * With r = e^−|θ_i − θ_j|, a pair adds n_ij log(1 + r), and |θ_i − θ_j| for each win of the lesser item. Most pairs have
 * few comparisons, so the factors 1 + r of those with equally many are multiplied, and a logarithm serves hundreds.
 */
export function logLikelihood(theta: Float64Array, { m, offsets, j, wins, losses }: Outcomes): number {
  const odds = commonOdds(theta)
  const products = new Float64Array(SHARED).fill(1)
  let sum = 0
  for (let v = 0; v < m; v++) {
    const end = offsets[v + 1]
    for (let k = offsets[v]; k < end; k++) {
      const u = j[k]
      const n = wins[k] + losses[k]
      const d = theta[v] - theta[u]
      sum += losses[k] * Math.max(d, 0) + wins[k] * Math.max(-d, 0)
      const ratio =
        odds === null ? Math.exp(-Math.abs(d)) : Math.min(odds[v], odds[u]) / Math.max(odds[v], odds[u])
      if (ratio > SAFE_RATIO && n < SHARED && n === Math.floor(n)) {
        const product = products[n] * (1 + ratio)
        products[n] = product
        if (product > PRODUCT_LIMIT) {
          sum += n * Math.log(product)
          products[n] = 1
        }
      } else sum += n * Math.log1p(ratio)
    }
  }
  for (let n = 1; n < SHARED; n++) sum += n * Math.log(products[n])
  return -sum
}
