import { type Likelihood, onceAt } from './likelihood.ts'
import type { RankingLikelihood } from './ranking-likelihood.ts'
import { commonPowers } from './shared-odds.ts'

/** Room for the squares of inverse sums of odds, and for what they are multiplied by. */
const ROOM = 350

/**
 * Plackett–Luce, for rankings without ties: the same log-likelihood, with an exponential for each item instead of one for
 * each place.
 *
 * With α = e^θ and S_s the sum of α over the items from place s of a ranking on, ℓ = Σ_s log(α_s/S_s). The item at place f
 * has the derivative 1 − α_f Σ_{s≤f} 1/S_s, and the curvature is the Laplacian of a graph that joins it to each item g
 * after it by α_f α_g D_f, D_f = Σ_{s≤f} 1/S_s² (Hunter, Ann. Statist. 32, 2004). So a sweep along a ranking, with sums of
 * positive terms alone, takes time in its length. Rewards so far apart that odds would overflow are left to `careful`.
 */
export function plackettLuce(careful: RankingLikelihood): RankingLikelihood {
  const { counts, size, rewards: m } = careful
  const { offsets, order, mass } = counts
  const rankings = mass.length
  const gradient = new Float64Array(size)
  const diagonal = new Float64Array(size)
  // α of the items at the last linearisation; null where it is the careful one.
  let odds: Float64Array | null = null
  let where = new Float64Array(size)
  // S and D of each entry; D with the mass of the ranking.
  const sums = new Float64Array(order.length)
  const squares = new Float64Array(order.length)

  const linearise = onceAt((at) => {
    where = at.slice()
    odds = commonPowers(at, m, 1, ROOM)
    if (odds === null) {
      careful.linearise(at)
      gradient.set(careful.gradient)
      diagonal.set(careful.diagonal)
      return
    }
    gradient.fill(0)
    diagonal.fill(0)
    for (let r = 0; r < rankings; r++) {
      let sum = 0
      for (let e = offsets[r + 1] - 1; e >= offsets[r]; e--) {
        sum += odds[order[e]]
        sums[e] = sum
      }
      let inverses = 0
      let square = 0
      let before = 0
      for (let e = offsets[r]; e < offsets[r + 1]; e++) {
        const v = order[e]
        const own = odds[v]
        const after = e + 1 < offsets[r + 1] ? sums[e + 1] : 0
        const inverse = 1 / sums[e]
        // 1 − α/S of its own place, less α/S of those before.
        gradient[v] += mass[r] * (after * inverse - own * inverses)
        inverses += inverse
        square += mass[r] * inverse * inverse
        squares[e] = square
        diagonal[v] += own * (square * after + before)
        before += own * square
      }
    }
  })

  const multiply = (x: Float64Array, out: Float64Array): void => {
    if (odds === null) {
      careful.multiply(x, out)
      return
    }
    for (let v = 0; v < m; v++) out[v] = diagonal[v] * x[v]
    for (let r = 0; r < rankings; r++) {
      let before = 0
      for (let e = offsets[r]; e < offsets[r + 1]; e++) {
        const v = order[e]
        out[v] -= odds[v] * before
        before += odds[v] * squares[e] * x[v]
      }
      let after = 0
      for (let e = offsets[r + 1] - 1; e >= offsets[r]; e--) {
        const v = order[e]
        out[v] -= odds[v] * squares[e] * after
        after += odds[v] * x[v]
      }
    }
  }

  const addCurvature = (matrix: Float64Array, kept: number): void => {
    if (odds === null) {
      careful.addCurvature(matrix, kept)
      return
    }
    for (let v = 0; v < kept; v++) matrix[v * kept + v] += diagonal[v]
    for (let r = 0; r < rankings; r++) {
      for (let e = offsets[r]; e < offsets[r + 1]; e++) {
        const v = order[e]
        const scale = odds[v] * squares[e]
        if (v >= kept) continue
        for (let f = e + 1; f < offsets[r + 1]; f++) {
          const u = order[f]
          if (u < kept) matrix[v > u ? v * kept + u : u * kept + v] -= scale * odds[u]
        }
      }
    }
  }

  const value = (at: Float64Array): number => {
    const odds = commonPowers(at, m, 1, ROOM)
    if (odds === null) return careful.value(at)
    let total = 0
    for (let r = 0; r < rankings; r++) {
      let after = 0
      let own = 0
      for (let e = offsets[r + 1] - 1; e >= offsets[r]; e--) {
        own -= Math.log1p(after / odds[order[e]])
        after += odds[order[e]]
      }
      total += mass[r] * own
    }
    return total
  }

  const drawScore: Likelihood['drawScore'] = (random) => {
    careful.linearise(where)
    return careful.drawScore?.(random) ?? new Float64Array(size)
  }

  return { ...careful, gradient, diagonal, value, linearise, multiply, addCurvature, drawScore }
}
