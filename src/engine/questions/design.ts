import type { RewardCovariance } from '../rewards/contrasts.ts'
import type { Information } from './information.ts'

/**
 * What is known of one group, and what is wanted of it: the loss tr(C·V), where V is the covariance of rewards and extras
 * and C = FᵀF says which differences of rewards matter.
 *
 * A comparison of information B along the columns of A (e_i − e_j, with γ and η where the model has them) takes V to
 * V − V·A·(B⁻¹ + AᵀVA)⁻¹·AᵀV (Sherman, Morrison & Woodbury), and the loss down by tr((B⁻¹ + AᵀVA)⁻¹·AᵀMA) with M = V·C·V:
 * with V and M at hand that is a handful of multiplications a pair.
 */
export type Design = {
  /** Rewards, then extras. */
  size: number
  information: Information
  /** V and M; size × size, row-major, only the entries a ≤ b. */
  covariance: Float64Array
  effect: Float64Array
  /** tr(C·V) now. */
  loss: number
}

/** A pair to compare; where the information is ordered, i is shown first. */
export type Pair = { i: number; j: number; gain: number }

/**
 * A design before any question.
 *
 * @param goal the rows of F, each as the weights of rewards
 */
export function newDesign(
  { values, size, rewards }: RewardCovariance,
  information: Information,
  goal: readonly Weights[],
): Design {
  const covariance = values.slice()
  const effect = new Float64Array(size * size)
  const image = new Float64Array(size)
  let loss = 0
  for (const row of goal) {
    image.fill(0)
    for (const { item, weight } of row)
      for (let b = 0; b < size; b++) image[b] += weight * values[item * size + b]
    for (const { item, weight } of row) loss += weight * image[item]
    for (let a = 0; a < size; a++) {
      const factor = image[a]
      const at = a * size
      for (let b = a; b < size; b++) effect[at + b] += factor * image[b]
    }
  }
  if (rewards !== information.items) throw new Error('the covariance and the information are of other items')
  return { size, information, covariance, effect, loss }
}

/** A few weights of rewards, by item. */
export type Weights = readonly { item: number; weight: number }[]

/** The rows of F whose loss is the mean variance of all differences: 2 tr(V)/(m − 1) where rewards sum to zero. */
export function everyDifference(items: number): Weights[] {
  const weight = Math.sqrt(2 / (items - 1))
  return Array.from({ length: items }, (_, item) => [{ item, weight }])
}

/** The pair whose comparison lowers the loss most; of equal ones the first. */
export function bestPair(design: Design): Pair {
  const { size, information, covariance, effect } = design
  const { items: m, ordered, edge, cross, tie } = information
  const v = formsOf(covariance, size, information)
  const e = formsOf(effect, size, information)
  const best: Pair = { i: 0, j: 1, gain: Number.NEGATIVE_INFINITY }
  for (let i = 0; i < m; i++) {
    for (let j = ordered ? 0 : i + 1; j < m; j++) {
      if (i === j) continue
      const at = i < j ? i * size + j : j * size + i
      const vdd = v.first[i] + v.second[j] - 2 * covariance[at]
      const edd = e.first[i] + e.second[j] - 2 * effect[at]
      const k = i * m + j
      const gain =
        cross === null || tie === null
          ? (edge[k] * edd) / (1 + edge[k] * vdd)
          : gainWithTies(
              edge[k],
              cross[k],
              tie[k],
              vdd,
              v.tieFirst[i] - v.tieSecond[j],
              v.tie,
              edd,
              e.tieFirst[i] - e.tieSecond[j],
              e.tie,
            )
      if (gain > best.gain) {
        best.i = i
        best.j = j
        best.gain = gain
      }
    }
  }
  return best
}

/**
 * What AᵀXA is made of, item by item, so that a pair costs little: for A's first column it is first_i + second_j − 2X_ij,
 * for both columns tieFirst_i − tieSecond_j, for the second column tie.
 */
function formsOf(x: Float64Array, size: number, { items: m, position, logTie }: Information) {
  const at = (a: number, b: number) => x[a <= b ? a * size + b : b * size + a]
  const byItem = (value: (i: number) => number) => Float64Array.from({ length: m }, (_, i) => value(i))
  const own = (i: number, z: number) => at(i, i) + (position === null ? 0 : 2 * z * at(i, position))
  const common = position === null ? 0 : at(position, position)
  const withTie = (i: number) => (logTie === null ? 0 : at(i, logTie))
  const tieWithPosition = position === null || logTie === null ? 0 : at(position, logTie)
  return {
    first: byItem((i) => own(i, 1) + common),
    second: byItem((j) => own(j, -1)),
    tieFirst: byItem((i) => withTie(i) + tieWithPosition),
    tieSecond: byItem(withTie),
    tie: logTie === null ? 0 : at(logTie, logTie),
  }
}

/** tr((I + B·V)⁻¹·B·M) for the 2 × 2 matrices B, V and M in (d, η). */
function gainWithTies(
  bdd: number,
  bdt: number,
  btt: number,
  vdd: number,
  vdt: number,
  vtt: number,
  mdd: number,
  mdt: number,
  mtt: number,
): number {
  const a = 1 + bdd * vdd + bdt * vdt
  const b = bdd * vdt + bdt * vtt
  const c = bdt * vdd + btt * vdt
  const d = 1 + bdt * vdt + btt * vtt
  const top = d * (bdd * mdd + bdt * mdt) - b * (bdt * mdd + btt * mdt)
  const bottom = a * (bdt * mdt + btt * mtt) - c * (bdd * mdt + bdt * mtt)
  return (top + bottom) / (a * d - b * c)
}

/** Takes a comparison of i and j for asked: moves V, M and the loss to where its answer is expected to leave them. */
export function ask(design: Design, i: number, j: number): void {
  const { size, information } = design
  const { items: m, position, logTie, edge, cross, tie } = information
  const k = i * m + j
  // B = b·bᵀ + c·cᵀ by its Cholesky factor, so that there are one or two steps of rank one.
  const root = Math.sqrt(edge[k])
  const b = new Float64Array(size)
  b[i] = root
  b[j] = -root
  if (position !== null) b[position] = root
  if (logTie === null || cross === null || tie === null) {
    update(design, b)
    return
  }
  const along = root > 0 ? cross[k] / root : 0
  b[logTie] = along
  update(design, b)
  const c = new Float64Array(size)
  c[logTie] = Math.sqrt(Math.max(0, tie[k] - along * along))
  update(design, c)
}

/** V ← V − κ·u·uᵀ with u = V·b and κ = 1/(1 + bᵀu); M ← M − κ(m·uᵀ + u·mᵀ) + κ²(bᵀm)·u·uᵀ with m = M·b. */
function update(design: Design, b: Float64Array): void {
  const { size, covariance, effect } = design
  const u = times(covariance, b)
  const m = times(effect, b)
  let bu = 0
  let bm = 0
  for (let a = 0; a < size; a++) {
    bu += b[a] * u[a]
    bm += b[a] * m[a]
  }
  const kappa = 1 / (1 + bu)
  const twice = kappa * kappa * bm
  for (let a = 0; a < size; a++) {
    const ua = u[a]
    const toV = kappa * ua
    const toM = kappa * m[a] - twice * ua
    const at = a * size
    for (let c = a; c < size; c++) {
      covariance[at + c] -= toV * u[c]
      effect[at + c] -= toM * u[c] + toV * m[c]
    }
  }
  design.loss -= kappa * bm
}

/** A symmetric matrix, of which only the entries a ≤ b are there, times a sparse vector. */
function times(matrix: Float64Array, x: Float64Array): Float64Array {
  const size = x.length
  const out = new Float64Array(size)
  for (let k = 0; k < size; k++) {
    if (x[k] === 0) continue
    for (let a = 0; a < k; a++) out[a] += x[k] * matrix[a * size + k]
    for (let a = k; a < size; a++) out[a] += x[k] * matrix[k * size + a]
  }
  return out
}
