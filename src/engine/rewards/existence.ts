import { type LinearProgram, linearProgramSolver } from '../numeric/linear-program.ts'
import type { Likelihood } from './likelihood.ts'
import type { PairLikelihood } from './pair-likelihood.ts'

/** Constraints × variables beyond which the linear program is not attempted. */
const PROGRAM_LIMIT = 4_000_000
/** What a direction must gain in all, its entries being at most 1, to count as one. */
const GAIN = 1e-7

/**
 * Looks for a direction in which ℓ never falls and somewhere grows without end: it exists exactly where the maximum is
 * not finite.
 *
 * Along δ the chance of an outcome that was observed tends to zero unless its log-odds against every other outcome do
 * not fall: for a win of i, δ_d ≥ 0 (and δ_d/2 ≥ δ_η with Davidson ties), for a tie, δ_η ≥ |δ_d|/2. A linear program
 * maximises the sum of all these over the box |δ_a| ≤ 1 (Konis, Linear programming algorithms for detecting separated
 * data in binary logistic regression models, 2007).
 *
 * @param likelihood what is maximised, in ψ; pairs the same in rewards and extras
 * @param free indices of the parameters that may move: those that no prior holds
 * @returns δ in ψ; null where there is none, or the program is too large to tell
 */
export async function recessionDirection(
  likelihood: Likelihood,
  pairs: PairLikelihood,
  free: readonly number[],
): Promise<Float64Array | null> {
  const rows = distinctRows(constraintsOf(likelihood, pairs, free), free.length)
  const count = rows.length
  const variables = free.length
  if ((count + variables) * variables > PROGRAM_LIMIT) return null

  // Variables from 0 to 2 stand for −1 to 1: a row·δ ≥ 0 is row·x ≥ Σ row.
  const program: LinearProgram = {
    objective: new Float64Array(variables),
    rows: new Float64Array((count + variables) * variables),
    rowLower: new Float64Array(count + variables),
    rowUpper: new Float64Array(count + variables).fill(Number.POSITIVE_INFINITY),
  }
  rows.forEach((row, r) => {
    program.rows.set(row, r * variables)
    row.forEach((value, a) => {
      program.objective[a] += value / count
      program.rowLower[r] += value
    })
  })
  for (let a = 0; a < variables; a++) {
    program.rows[(count + a) * variables + a] = 1
    program.rowUpper[count + a] = 2
  }
  const solution = (await linearProgramSolver())(program)
  if (solution === null) return null
  const step = solution.map((value) => value - 1)
  let gain = 0
  for (const row of rows) gain += row.reduce((sum, value, a) => sum + value * step[a], 0)
  if (!(gain > GAIN)) return null
  const direction = new Float64Array(likelihood.size)
  free.forEach((a, k) => {
    direction[a] = Math.abs(step[k]) < GAIN ? 0 : step[k]
  })
  return direction
}

/** For every observed outcome of every entry, what its log-odds against another outcome gain along each free parameter. */
function constraintsOf(
  likelihood: Likelihood,
  pairs: PairLikelihood,
  free: readonly number[],
): Float64Array[] {
  const { counts, model, size } = pairs
  const davidson = model.ties === 'davidson'
  // The effect of each free parameter on rewards and extras.
  const effects = free.map((a) => {
    const unit = new Float64Array(likelihood.size)
    unit[a] = 1
    return likelihood.lift(unit)
  })
  const rows: Float64Array[] = []
  for (let k = 0; k < counts.i.length; k++) {
    const d = Float64Array.from(effects, (effect) => pairs.difference(effect, k))
    const won = counts.wins[k] > 0 || (!davidson && counts.ties[k] > 0)
    const lost = counts.losses[k] > 0 || (!davidson && counts.ties[k] > 0)
    if (won) rows.push(d)
    if (lost) rows.push(d.map((value) => -value))
    if (!davidson) continue
    const eta = Float64Array.from(effects, (effect) => effect[size - 1])
    const half = d.map((value) => value / 2)
    if (won) rows.push(half.map((value, a) => value - eta[a]))
    if (lost) rows.push(half.map((value, a) => -value - eta[a]))
    if (counts.ties[k] > 0)
      rows.push(
        half.map((value, a) => eta[a] - value),
        half.map((value, a) => eta[a] + value),
      )
  }
  return rows
}

/** Rows without those that say nothing or the same again. */
function distinctRows(rows: Float64Array[], width: number): Float64Array[] {
  const seen = new Map<string, Float64Array>()
  for (const row of rows) {
    let size = 0
    for (let a = 0; a < width; a++) size = Math.max(size, Math.abs(row[a]))
    if (size === 0) continue
    const unit = row.map((value) => value / size + 0)
    seen.set(unit.join(), unit)
  }
  return [...seen.values()]
}

/** A pivot below this, relative to its diagonal, is zero: the feature is a combination of those before it. */
const DEPENDENT = 1e-10

/**
 * The features that are linear combinations of those before them over all differences that were compared (constant
 * features among them), so that no data of this group can tell their weights apart.
 *
 * A Cholesky factorisation of the curvature at ψ = 0, each feature scaled to a diagonal of 1, whose pivots vanish there.
 */
export function dependentFeatures(likelihood: Likelihood): number[] {
  const { size: p, rewards: width } = likelihood
  likelihood.linearise(new Float64Array(p))
  const matrix = new Float64Array(p * p)
  likelihood.addCurvature(matrix, p)
  const scale = Float64Array.from({ length: width }, (_, a) => Math.sqrt(matrix[a * p + a]))
  const dependent: number[] = []
  const kept: { at: number; row: Float64Array }[] = []
  for (let a = 0; a < width; a++) {
    if (!(scale[a] > 0)) {
      dependent.push(a)
      continue
    }
    const row = new Float64Array(kept.length + 1)
    let pivot = 1
    kept.forEach(({ at, row: other }, k) => {
      let value = matrix[a * p + at] / (scale[a] * scale[at])
      for (let l = 0; l < k; l++) value -= row[l] * other[l]
      row[k] = value / other[k]
      pivot -= row[k] * row[k]
    })
    if (pivot <= DEPENDENT) dependent.push(a)
    else {
      row[kept.length] = Math.sqrt(pivot)
      kept.push({ at: a, row })
    }
  }
  return dependent
}
