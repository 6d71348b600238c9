import type { PairCounts } from '../comparisons/pairs.ts'
import { normal, type Random } from '../numeric/random.ts'
import { type Likelihood, onceAt } from './likelihood.ts'
import { extrasOf, type OutcomeModel } from './model.ts'
import { binaryTerms, davidsonTerms, newTerms, termsOfOdds } from './outcome.ts'
import { commonPowers, EXP_LIMIT, extremes, NEAR } from './shared-odds.ts'

/** Pairs of up to so many comparisons share logarithms. */
const SHARED = 16
/** A ratio of odds above this loses less than two digits when 1 is added to it. */
const SAFE_RATIO = 0.01
/** A product is put away before its next factor, which is at most 3, could make it overflow. */
const PRODUCT_LIMIT = 1e300

/** The log-likelihood of pair counts, with what the uncertainty of its maximum needs besides. */
export type PairLikelihood = Likelihood & {
  kind: 'pairs'
  counts: PairCounts
  model: OutcomeModel
  /** Where to begin the search for the maximum; in rewards and extras. */
  start: Float64Array
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

  const linearise = onceAt((at) => {
    gradient.fill(0)
    diagonal.fill(0)
    if (!davidson && gamma < 0) plain(at)
    else bordered(at)
  })

  /** The binary model without a position effect: one division serves a pair, p_ij = e^θ_i / (e^θ_i + e^θ_j). */
  const plain = (theta: Float64Array): void => {
    const common = commonPowers(theta, m, 1, 0)
    const odds = common ?? new Float64Array(m)
    for (let v = 0; v < m; v++) {
      if (common === null) oddsAgainst(v, theta, odds)
      const oddsV = odds[v]
      const end = offsets[v + 1]
      let gradientV = 0
      let diagonalV = 0
      for (let k = offsets[v]; k < end; k++) {
        const u = higher[k]
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
  }

  /** The odds of item v, and of the items that its entries name as the higher one, up to a factor that only these share. */
  const oddsAgainst = (v: number, theta: Float64Array, odds: Float64Array): void => {
    odds[v] = 1
    for (let k = offsets[v]; k < offsets[v + 1]; k++) {
      odds[higher[k]] = Math.exp(Math.min(theta[higher[k]] - theta[v], EXP_LIMIT))
    }
  }

  /** The same with γ, η or both. */
  const bordered = (at: Float64Array): void => {
    gammaRow.fill(0)
    etaRow.fill(0)
    const terms = newTerms()
    const odds = sharedOdds(at)
    for (let v = 0; v < m; v++) {
      const end = offsets[v + 1]
      let gradientV = 0
      let diagonalV = 0
      let crossV = 0
      for (let k = offsets[v]; k < end; k++) {
        const u = higher[k]
        const tied = davidson ? ties[k] : 0
        const z = gamma >= 0 && first !== null ? first[k] : 0
        if (odds !== null) {
          const rootV = odds.roots[v] * odds.lead[z + 1]
          const rootU = odds.roots[u]
          termsOfOdds(rootV * rootV, rootU * rootU, odds.tie * rootV * rootU, wins[k], losses[k], tied, terms)
        } else if (davidson) davidsonTerms(difference(at, k), at[eta], wins[k], losses[k], tied, terms)
        else binaryTerms(difference(at, k), wins[k], losses[k], terms)
        edges[k] = terms.edge
        gradientV += terms.pull
        gradient[u] -= terms.pull
        diagonalV += terms.edge
        diagonal[u] += terms.edge
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
          crossV += terms.cross
          etaRow[u] -= terms.cross
          etaRow[eta] += terms.tieEdge
          if (z !== 0) etaRow[gamma] += z * terms.cross
        }
      }
      gradient[v] += gradientV
      diagonal[v] += diagonalV
      if (davidson) etaRow[v] += crossV
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

  /**
   * What the odds of all outcomes are made of, so that exponentials are taken for items and not for entries: e^{d/2} is
   * roots[i] · lead[first + 1] / roots[j]. Null where some would over- or underflow.
   */
  const sharedOdds = (at: Float64Array): SharedOdds | null => {
    const shift = gamma >= 0 ? at[gamma] : 0
    const tieShift = davidson ? at[eta] : 0
    const roots = commonPowers(at, m, 0.5, 2 * (Math.abs(shift) + Math.abs(tieShift)))
    if (roots === null) return null
    return {
      roots,
      lead: Float64Array.of(Math.exp(-shift / 2), 1, Math.exp(shift / 2)),
      tie: davidson ? Math.exp(tieShift) : 0,
    }
  }

  /**
   * With r the odds of the other outcomes against the likeliest, an entry takes away n·log(1 + r), and for each outcome
   * what its log-odds fall short of the likeliest's, so that no digits are lost. Most entries have few comparisons, so the
   * factors 1 + r of those with equally many are multiplied, and a logarithm serves hundreds.
   */
  const value = (at: Float64Array): number => {
    const odds = sharedOdds(at)
    const logTie = davidson ? at[eta] : Number.NEGATIVE_INFINITY
    const products = new Float64Array(SHARED).fill(1)
    let sum = 0
    for (let v = 0; v < m; v++) {
      // Sums of sums, so that half a million terms lose no more digits than a thousand do.
      let own = 0
      for (let k = offsets[v]; k < offsets[v + 1]; k++) {
        const half = difference(at, k) / 2
        const top = Math.max(Math.abs(half), logTie)
        own += wins[k] * (top - half) + losses[k] * (top + half)
        if (davidson) own += ties[k] * (top - logTie)
        const n = wins[k] + losses[k] + (davidson ? ties[k] : 0)
        const ratio = odds === null ? 0 : ratioOf(odds, k)
        if (ratio > SAFE_RATIO && n < SHARED && n === Math.floor(n)) {
          const product = products[n] * (1 + ratio)
          products[n] = product
          if (product > PRODUCT_LIMIT) {
            own += n * Math.log(product)
            products[n] = 1
          }
        } else own += n * Math.log1p(ratioAt(Math.abs(half), logTie))
      }
      sum += own
    }
    for (let n = 1; n < SHARED; n++) sum += n * Math.log(products[n])
    return -sum
  }

  /** The odds of the other outcomes of entry k against the likeliest. */
  const ratioOf = ({ roots, lead, tie }: SharedOdds, k: number): number => {
    const rootV = gamma >= 0 && first !== null ? roots[lower[k]] * lead[first[k] + 1] : roots[lower[k]]
    const rootU = roots[higher[k]]
    const most = Math.max(rootV, rootU)
    const least = Math.min(rootV, rootU)
    if (tie * least <= most) return (least / most) * (least / most + tie)
    return (most / least + least / most) / tie
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
    const rangeOf = (d: number) => Math.max(d, d / 2 + Math.abs(tieStep))
    // Where no two items move apart by more than is of interest, how far they do is said at once.
    const { low, high } = extremes(step, m)
    const bound = rangeOf(high - low + (gamma >= 0 ? Math.abs(step[gamma]) : 0))
    if (bound <= NEAR) return bound
    let largest = 0
    for (let k = 0; k < entries; k++) {
      const range = rangeOf(Math.abs(difference(step, k)))
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
    start: startOf(counts, m, totals),
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

/** What {@link pairLikelihood} takes exponentials of: e^{θ_i/2} up to a common factor, e^{γ·first/2}, and ν. */
type SharedOdds = { roots: Float64Array; lead: Float64Array; tie: number }

/** The odds of the other outcomes against the likeliest, from |d|/2 and log ν (−∞ where there are no ties). */
function ratioAt(half: number, logTie: number): number {
  return half >= logTie
    ? Math.exp(-2 * half) + Math.exp(logTie - half)
    : Math.exp(half - logTie) + Math.exp(-half - logTie)
}

/** Where Newton's method starts: the log-odds of each item's wins, cut off where they exceed 19 to 1 either way. */
function startOf({ i, j, wins, losses, ties }: PairCounts, m: number, totals: Float64Array): Float64Array {
  const won = new Float64Array(m)
  for (let k = 0; k < i.length; k++) {
    won[i[k]] += wins[k] + ties[k] / 2
    won[j[k]] += losses[k] + ties[k] / 2
  }
  const start = new Float64Array(totals.length)
  for (let v = 0; v < m; v++) {
    const share = Math.min(0.95, Math.max(0.05, won[v] / totals[v]))
    start[v] = totals[v] > 0 ? Math.log(share / (1 - share)) : 0
  }
  return start
}

/** A tie as half a win to each side. */
function halved({ wins, losses, ties }: PairCounts): Pick<PairCounts, 'wins' | 'losses' | 'ties'> {
  if (!anyPositive(ties)) return { wins, losses, ties: new Float64Array(0) }
  return {
    wins: wins.map((won, k) => won + ties[k] / 2),
    losses: losses.map((lost, k) => lost + ties[k] / 2),
    ties: new Float64Array(0),
  }
}

function anyPositive(values: Float64Array): boolean {
  for (let k = 0; k < values.length; k++) if (values[k] > 0) return true
  return false
}

function offsetsOf({ items, i }: PairCounts): Int32Array {
  const offsets = new Int32Array(items.length + 1)
  for (let k = 0; k < i.length; k++) offsets[i[k] + 1]++
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
