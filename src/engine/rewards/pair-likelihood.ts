import type { PairCounts } from '../comparisons/pairs.ts'
import { normal, type Random } from '../numeric/random.ts'
import type { gatherScores, Likelihood } from './likelihood.ts'
import { extrasOf, type OutcomeModel } from './model.ts'
import {
  binaryTerms,
  binaryValue,
  davidsonTerms,
  davidsonValue,
  newTerms,
  type OutcomeTerms,
} from './outcome.ts'

/** e^θ neither overflows nor loses a factor of a pair's probability as long as rewards stay within this distance. */
const EXP_RANGE = 300

/** The log-likelihood of pair counts, with what the uncertainty of its maximum needs besides. */
export type PairLikelihood = Likelihood & {
  kind: 'pairs'
  counts: PairCounts
  model: OutcomeModel
  /** The entries of item v as the lower one are offsets[v] … offsets[v + 1]. */
  offsets: Int32Array
  /** The difference d = θ_i − θ_j + γ·first of entry k at ψ. */
  difference(at: Float64Array, k: number): number
}

/**
 * The log-likelihood of one group's pair counts: ℓ = Σ_k ℓ_k(d_k, η) with d = θ_i − θ_j + γ·first, under the binary
 * model (a tie is half a win to each side) or Davidson's.
 *
 * Its curvature in θ is the Laplacian of a graph whose edges are the entries; γ and η border it.
 */
export function pairLikelihood(counts: PairCounts, model: OutcomeModel): PairLikelihood {
  const { i: lower, j: higher, first } = counts
  const m = counts.items.length
  const entries = lower.length
  const davidson = model.ties === 'davidson'
  const { wins, losses, ties } = davidson ? counts : halved(counts)
  const extras = extrasOf(model)
  const size = m + extras.length
  const gamma = model.positionEffect ? m : -1
  const eta = davidson ? size - 1 : -1
  const offsets = offsetsOf(counts)
  const totals = totalsOf(counts, size)

  const gradient = new Float64Array(size)
  const diagonal = new Float64Array(size)
  const edges = new Float64Array(entries)
  // Rows of the curvature that belong to γ and to η: their entries with the rewards, and with each other.
  const gammaRow = new Float64Array(gamma >= 0 ? size : 0)
  const etaRow = new Float64Array(davidson ? size : 0)
  const crosses = new Float64Array(davidson ? entries : 0)
  const tieEdges = new Float64Array(davidson ? entries : 0)

  const linearise = (at: Float64Array): void => {
    gradient.fill(0)
    diagonal.fill(0)
    if (!davidson && gamma < 0) plain(at)
    else bordered(at)
  }

  /** The binary model without a position effect: one division serves a pair, p_ij = e^θ_i / (e^θ_i + e^θ_j). */
  const plain = (theta: Float64Array): void => {
    let low = Number.POSITIVE_INFINITY
    let high = Number.NEGATIVE_INFINITY
    for (let v = 0; v < m; v++) {
      if (theta[v] < low) low = theta[v]
      if (theta[v] > high) high = theta[v]
    }
    const middle = (low + high) / 2
    const near = high - low <= 2 * EXP_RANGE
    const odds = near ? theta.map((value) => Math.exp(value - middle)) : theta
    const terms = newTerms()
    for (let v = 0; v < m; v++) {
      const oddsV = odds[v]
      let gradientV = 0
      let diagonalV = 0
      for (let k = offsets[v]; k < offsets[v + 1]; k++) {
        const u = higher[k]
        let pull: number
        let edge: number
        if (near) {
          const inverse = 1 / (oddsV + odds[u])
          const p = oddsV * inverse
          const q = odds[u] * inverse
          pull = wins[k] * q - losses[k] * p
          edge = (wins[k] + losses[k]) * p * q
        } else {
          binaryTerms(theta[v] - theta[u], wins[k], losses[k], terms)
          pull = terms.pull
          edge = terms.edge
        }
        edges[k] = edge
        gradientV += pull
        gradient[u] -= pull
        diagonalV += edge
        diagonal[u] += edge
      }
      gradient[v] += gradientV
      diagonal[v] += diagonalV
    }
  }

  /** The same with γ, η or both. */
  const bordered = (at: Float64Array): void => {
    gammaRow.fill(0)
    etaRow.fill(0)
    const terms = newTerms()
    for (let k = 0; k < entries; k++) {
      const v = lower[k]
      const u = higher[k]
      termsAt(at, k, terms)
      edges[k] = terms.edge
      gradient[v] += terms.pull
      gradient[u] -= terms.pull
      diagonal[v] += terms.edge
      diagonal[u] += terms.edge
      const z = gamma >= 0 && first !== null ? first[k] : 0
      if (z !== 0) {
        gradient[gamma] += z * terms.pull
        gammaRow[v] += z * terms.edge
        gammaRow[u] -= z * terms.edge
        gammaRow[gamma] += terms.edge
      }
      if (davidson) {
        crosses[k] = terms.cross
        tieEdges[k] = terms.tieEdge
        gradient[eta] += terms.tiePull
        etaRow[v] += terms.cross
        etaRow[u] -= terms.cross
        etaRow[eta] += terms.tieEdge
        if (z !== 0) etaRow[gamma] += z * terms.cross
      }
    }
    if (gamma >= 0) diagonal[gamma] = gammaRow[gamma]
    if (davidson) {
      diagonal[eta] = etaRow[eta]
      if (gamma >= 0) gammaRow[eta] = etaRow[gamma]
    }
  }

  const difference = (at: Float64Array, k: number): number => {
    const d = at[lower[k]] - at[higher[k]]
    return gamma >= 0 && first !== null ? d + at[gamma] * first[k] : d
  }

  const termsAt = (at: Float64Array, k: number, terms: OutcomeTerms): void => {
    const d = difference(at, k)
    if (davidson) davidsonTerms(d, at[eta], wins[k], losses[k], ties[k], terms)
    else binaryTerms(d, wins[k], losses[k], terms)
  }

  const value = (at: Float64Array): number => {
    let sum = 0
    for (let k = 0; k < entries; k++) {
      const d = difference(at, k)
      sum += davidson
        ? davidsonValue(d, at[eta], wins[k], losses[k], ties[k])
        : binaryValue(d, wins[k], losses[k])
    }
    return sum
  }

  const multiply = (x: Float64Array, out: Float64Array): void => {
    for (let v = 0; v < m; v++) out[v] = diagonal[v] * x[v]
    for (let v = 0; v < m; v++) {
      const xv = x[v]
      let sum = 0
      for (let k = offsets[v]; k < offsets[v + 1]; k++) {
        const u = higher[k]
        sum += edges[k] * x[u]
        out[u] -= edges[k] * xv
      }
      out[v] -= sum
    }
    if (gamma >= 0) addRow(gammaRow, gamma, x, out)
    if (davidson) addRow(etaRow, eta, x, out)
  }

  /** Adds the row of an extra, and its column in the rewards; what two extras have in common is in the row of each. */
  const addRow = (row: Float64Array, at: number, x: Float64Array, out: Float64Array): void => {
    let sum = 0
    for (let v = 0; v < m; v++) {
      sum += row[v] * x[v]
      out[v] += row[v] * x[at]
    }
    for (let e = m; e < size; e++) sum += row[e] * x[e]
    out[at] = sum
  }

  const addCurvature = (matrix: Float64Array, order: number): void => {
    const kept = order - extras.length
    for (let v = 0; v < kept; v++) {
      matrix[v * order + v] += diagonal[v]
      for (let k = offsets[v]; k < offsets[v + 1]; k++) {
        if (higher[k] < kept) matrix[higher[k] * order + v] -= edges[k]
      }
    }
    extras.forEach((extra, e) => {
      const row = extra === 'position' ? gammaRow : etaRow
      const start = (kept + e) * order
      for (let v = 0; v < kept; v++) matrix[start + v] += row[v]
      for (let f = 0; f <= e; f++) matrix[start + kept + f] += row[m + f]
    })
  }

  const reach = (step: Float64Array): number => {
    const tieStep = davidson ? step[eta] : 0
    let largest = 0
    for (let k = 0; k < entries; k++) {
      const d = Math.abs(difference(step, k))
      const range = davidson ? Math.max(d, d / 2 + Math.abs(tieStep)) : d
      if (!(range <= largest)) largest = range
    }
    return largest
  }

  const drawScore = (random: Random): Float64Array => {
    const sum = new Float64Array(size)
    for (let k = 0; k < entries; k++) {
      const root = Math.sqrt(edges[k])
      const xi = normal(random)
      sum[lower[k]] += xi * root
      sum[higher[k]] -= xi * root
      if (gamma >= 0 && first !== null) sum[gamma] += xi * first[k] * root
      if (!davidson) continue
      const along = root > 0 ? crosses[k] / root : 0
      sum[eta] += xi * along + normal(random) * Math.sqrt(Math.max(0, tieEdges[k] - along * along))
    }
    return sum
  }

  return {
    kind: 'pairs',
    counts,
    model,
    offsets,
    size,
    rewards: m,
    extras,
    dense: false,
    shiftInvariant: true,
    totals,
    value,
    linearise,
    gradient,
    diagonal,
    multiply,
    addCurvature,
    reach,
    lift: (step) => step,
    lower: (gradient) => gradient,
    drawScore,
    difference,
  }
}

/**
 * Adds the scores of one entry whose second moments in (d, η) are [[dd, dη], [dη, ηη]]: by the Cholesky factor of that
 * matrix, (√dd, dη/√dd) and (0, √(ηη − dη²/dd)).
 *
 * @param gamma the index of γ, and eta that of η; −1 where the model has none
 */
export function addFactor(
  gather: ReturnType<typeof gatherScores>,
  { i, j, first }: PairCounts,
  k: number,
  gamma: number,
  eta: number,
  dd: number,
  cross: number,
  tie: number,
): void {
  const root = Math.sqrt(Math.max(0, dd))
  gather.entry(i[k], root)
  gather.entry(j[k], -root)
  if (gamma >= 0 && first !== null && first[k] !== 0) gather.entry(gamma, first[k] * root)
  if (eta >= 0) {
    const along = root > 0 ? cross / root : 0
    gather.entry(eta, along)
    gather.close()
    gather.entry(eta, Math.sqrt(Math.max(0, tie - along * along)))
  }
  gather.close()
}

/** A tie as half a win to each side. */
function halved({ wins, losses, ties }: PairCounts): Pick<PairCounts, 'wins' | 'losses' | 'ties'> {
  return {
    wins: wins.map((won, k) => won + ties[k] / 2),
    losses: losses.map((lost, k) => lost + ties[k] / 2),
    ties: new Float64Array(0),
  }
}

function offsetsOf({ items, i }: PairCounts): Int32Array {
  const offsets = new Int32Array(items.length + 1)
  for (const v of i) offsets[v + 1]++
  for (let v = 0; v < items.length; v++) offsets[v + 1] += offsets[v]
  return offsets
}

function totalsOf({ items, i, j, wins, losses, ties }: PairCounts, size: number): Float64Array {
  const m = items.length
  const totals = new Float64Array(size)
  let all = 0
  for (let k = 0; k < i.length; k++) {
    const n = wins[k] + losses[k] + ties[k]
    totals[i[k]] += n
    totals[j[k]] += n
    all += n
  }
  return totals.fill(all, m)
}
