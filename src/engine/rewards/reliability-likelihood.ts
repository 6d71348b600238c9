import type { Judgements } from '../comparisons/judgements.ts'
import type { PairCounts } from '../comparisons/pairs.ts'
import { PLAIN } from './model.ts'
import { type PairLikelihood, pairLikelihood } from './pair-likelihood.ts'
import { type Judged, type Nodes, type ReliabilityPrior, reliabilityNodes } from './reliability-nodes.ts'

/** A log-likelihood of rewards over all reliabilities that annotators may have. */
export type ReliabilityLikelihood = PairLikelihood & {
  /** The mean of each annotator's η, given the judgements and the rewards of the last linearisation. */
  reliabilities: Float64Array
  /** The pair counts as they were meant, in expectation at ψ, if every η were as given; or where it is not, integrated out. */
  meant(at: Float64Array, reliabilities: Float64Array | null): PairCounts
}

/**
 * The log-likelihood of comparisons by annotators who mean what they say with probability η, and else say the opposite
 * (Crowd-BT; Chen, Bennett, Collins-Thompson & Horvitz, WSDM 2013), with each η integrated out under its prior:
 *
 * ℓ(θ) = Σ_a log E_η Π_k P^w (1 − P)^l,   P = η σ(d_k) + (1 − η) σ(−d_k),   η ~ Beta(α, β).
 *
 * Each η put where it suits the judgements best instead would often be 1, and the rewards too small, however many
 * annotators there are (the incidental parameters of Neyman & Scott, Econometrica 16, 1948).
 *
 * ℓ is not concave. Its curvature is what the missing information of what was meant, and of η, leaves of the complete
 * one (Louis, J. R. Statist. Soc. B 44, 1982): a graph Laplacian with the edges n·E[σ(d) σ(−d) − u (1 − u)], u being the
 * probability that a judgement was meant, less the variance over η of each annotator's score.
 */
export function reliabilityLikelihood(
  counts: PairCounts,
  judgements: Judgements,
  prior: ReliabilityPrior,
): ReliabilityLikelihood {
  const base = pairLikelihood(counts, PLAIN)
  const { i: lower, j: higher } = counts
  const m = counts.items.length
  const entries = lower.length
  const { offsets, entry } = judgements
  const annotators = judgements.annotators.length
  const wins = judgements.wins.map((won, b) => won + judgements.ties[b] / 2)
  const losses = judgements.losses.map((lost, b) => lost + judgements.ties[b] / 2)

  // σ(d) and σ(−d) of every entry, at the point last visited.
  const up = new Float64Array(entries)
  const down = new Float64Array(entries)
  const judged: Judged = { offsets, entry, wins, losses, up, down }
  const nobody = { ...judged, offsets: new Int32Array(2) }
  const logPrior = reliabilityNodes(nobody, 0, prior).log
  const reliabilities = new Float64Array(annotators)
  const gradient = new Float64Array(m)
  const diagonal = new Float64Array(m)
  const edges = new Float64Array(entries)
  // The variance of the annotators' scores over their η, summed: m × m, the lower triangle.
  const variance = new Float64Array(m * m)

  const visit = (at: Float64Array): void => {
    if (visited?.every((value, v) => value === at[v])) return
    for (let k = 0; k < entries; k++) {
      const d = at[lower[k]] - at[higher[k]]
      const small = Math.exp(-Math.abs(d))
      const inverse = 1 / (1 + small)
      up[k] = d >= 0 ? inverse : small * inverse
      down[k] = d >= 0 ? small * inverse : inverse
    }
    nodes = Array.from({ length: annotators }, (_, a) => reliabilityNodes(judged, a, prior))
    visited = at.slice()
  }

  // The point last visited, and what the judgements say of every η there.
  let visited: Float64Array | null = null
  let nodes: Nodes[] = []

  const value = (at: Float64Array): number => {
    visit(at)
    let sum = 0
    for (const { log } of nodes) sum += log - logPrior
    return sum
  }

  const linearise = (at: Float64Array): void => {
    visit(at)
    gradient.fill(0)
    diagonal.fill(0)
    edges.fill(0)
    variance.fill(0)
    for (let a = 0; a < annotators; a++) addAnnotator(a, nodes[a])
    for (let k = 0; k < entries; k++) {
      diagonal[lower[k]] += edges[k]
      diagonal[higher[k]] += edges[k]
    }
    for (let v = 0; v < m; v++) diagonal[v] -= variance[v * m + v]
  }

  const { members, low, high } = itemsOf(counts, judgements)

  const addAnnotator = (a: number, { weights, meant, slips }: Nodes): void => {
    const own = members[a]
    const size = own.length
    const scores = new Float64Array(weights.length * size)
    const mean = new Float64Array(size)
    let reliability = 0
    for (let n = 0; n < weights.length; n++) {
      reliability += weights[n] * meant[n]
      for (let b = offsets[a]; b < offsets[a + 1]; b++) {
        const k = entry[b]
        const s = up[k]
        const t = down[k]
        let pull = 0
        let edge = 0
        if (wins[b] > 0) {
          const inverse = 1 / (meant[n] * s + slips[n] * t)
          const yes = meant[n] * s * inverse
          const no = slips[n] * t * inverse
          pull += wins[b] * (yes * t - no * s)
          edge += wins[b] * (s * t - yes * no)
        }
        if (losses[b] > 0) {
          const inverse = 1 / (meant[n] * t + slips[n] * s)
          const yes = meant[n] * t * inverse
          const no = slips[n] * s * inverse
          pull -= losses[b] * (yes * s - no * t)
          edge += losses[b] * (s * t - yes * no)
        }
        edges[k] += weights[n] * edge
        scores[n * size + low[b]] += pull
        scores[n * size + high[b]] -= pull
      }
      for (let v = 0; v < size; v++) mean[v] += weights[n] * scores[n * size + v]
    }
    reliabilities[a] = reliability
    const block = new Float64Array(size * size)
    for (let n = 0; n < weights.length; n++) {
      const row = n * size
      for (let v = 0; v < size; v++) scores[row + v] -= mean[v]
      for (let v = 0; v < size; v++) {
        const along = weights[n] * scores[row + v]
        for (let u = 0; u <= v; u++) block[v * size + u] += along * scores[row + u]
      }
    }
    for (let v = 0; v < size; v++) {
      gradient[own[v]] += mean[v]
      for (let u = 0; u <= v; u++) variance[own[v] * m + own[u]] += block[v * size + u]
    }
  }

  const multiply = (x: Float64Array, out: Float64Array): void => {
    for (let v = 0; v < m; v++) out[v] = diagonal[v] * x[v]
    for (let k = 0; k < entries; k++) {
      out[lower[k]] -= edges[k] * x[higher[k]]
      out[higher[k]] -= edges[k] * x[lower[k]]
    }
    for (let v = 0; v < m; v++) {
      for (let u = 0; u < v; u++) {
        out[v] -= variance[v * m + u] * x[u]
        out[u] -= variance[v * m + u] * x[v]
      }
    }
  }

  const addCurvature = (matrix: Float64Array, order: number): void => {
    for (let v = 0; v < order; v++) {
      matrix[v * order + v] += diagonal[v]
      for (let u = 0; u < v; u++) matrix[v * order + u] -= variance[v * m + u]
    }
    for (let k = 0; k < entries; k++) {
      if (higher[k] < order) matrix[higher[k] * order + lower[k]] -= edges[k]
    }
  }

  const meant = (at: Float64Array, given: Float64Array | null): PairCounts => {
    visit(at)
    const expected = { wins: new Float64Array(entries), losses: new Float64Array(entries) }
    for (let a = 0; a < annotators; a++) {
      const own = given === null ? nodes[a] : certain(given[a])
      for (let n = 0; n < own.weights.length; n++) addMeant(expected, a, own, n)
    }
    return { ...counts, ...expected, ties: new Float64Array(entries) }
  }

  const addMeant = (
    expected: Pick<PairCounts, 'wins' | 'losses'>,
    a: number,
    own: Nodes,
    n: number,
  ): void => {
    const weight = own.weights[n]
    const yes = own.meant[n]
    const no = own.slips[n]
    for (let b = offsets[a]; b < offsets[a + 1]; b++) {
      const k = entry[b]
      if (wins[b] > 0) {
        const won = (weight * wins[b]) / (yes * up[k] + no * down[k])
        expected.wins[k] += won * yes * up[k]
        expected.losses[k] += won * no * down[k]
      }
      if (losses[b] > 0) {
        const lost = (weight * losses[b]) / (yes * down[k] + no * up[k])
        expected.losses[k] += lost * yes * down[k]
        expected.wins[k] += lost * no * up[k]
      }
    }
  }

  return {
    ...base,
    gradient,
    diagonal,
    value,
    linearise,
    multiply,
    addCurvature,
    drawScore: null,
    reliabilities,
    meant,
  }
}

/** The items that each annotator judged, ascending, and where in that list the two of each judgement are. */
function itemsOf({ i, j }: PairCounts, { annotators, offsets, entry }: Judgements) {
  const low = new Int32Array(entry.length)
  const high = new Int32Array(entry.length)
  const members = Array.from(annotators, (_, a) => {
    const own = entry.subarray(offsets[a], offsets[a + 1])
    const items = [...new Set([...own].flatMap((k) => [i[k], j[k]]))].sort((x, y) => x - y)
    const place = new Map(items.map((v, at) => [v, at]))
    own.forEach((k, b) => {
      low[offsets[a] + b] = place.get(i[k]) as number
      high[offsets[a] + b] = place.get(j[k]) as number
    })
    return items
  })
  return { members, low, high }
}

/** One reliability and no other. */
function certain(reliability: number): Nodes {
  return { log: 0, weights: [1], meant: [reliability], slips: [1 - reliability] }
}
