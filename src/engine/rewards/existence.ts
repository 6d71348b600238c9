import { type LinearProgram, linearProgramSolver } from '../numeric/linear-program.ts'
import type { DataLikelihood } from './fit-group.ts'
import { gatherScores, type Likelihood, type Scores } from './likelihood.ts'
import { largest } from './maximise.ts'
import { centre } from './newton-step.ts'
import type { PairLikelihood } from './pair-likelihood.ts'
import { rankingGains } from './ranking-existence.ts'

/** Non-zero entries of all gains, and of a program, beyond which they are too many. */
const GAINS_LIMIT = 16_000_000
const PROGRAM_LIMIT = 2_000_000
/** Gains that join a program at a time. */
const ADDED = 1000
const MAX_ROUNDS = 100
/** What a gain may fall below zero by rounding, and what one of them at least must come to; their size is 1. */
const LOSS = 1e-9
const GAIN = 1e-6

/**
 * Looks for a direction in which ℓ never falls and somewhere grows without end: it exists exactly where the maximum is
 * not finite.
 *
 * Along δ the chance of an outcome that was observed tends to zero unless its log-odds against every other outcome do
 * not fall: for a win of i, δ_d ≥ 0 (and δ_d/2 ≥ δ_η with Davidson ties), for a tie, δ_η ≥ |δ_d|/2. A linear program
 * maximises the sum of all these gains over a box (Konis, Linear programming algorithms for detecting separated data in
 * binary logistic regression models, 2007). It begins with few of them, and those that its solution makes negative join
 * until none is.
 *
 * @param posterior what is maximised, in ψ; likelihood the same in rewards and extras
 * @param free indices of the parameters that may move: those that no prior holds
 * @returns δ in ψ, or whether there is none, or too much data to tell
 */
export async function recessionDirection(
  posterior: Likelihood,
  likelihood: DataLikelihood,
  free: readonly number[],
): Promise<Float64Array | 'none' | 'undecided'> {
  const gains =
    likelihood.kind === 'pairs' ? pairGains(likelihood, GAINS_LIMIT) : rankingGains(likelihood, GAINS_LIMIT)
  if (gains === null) return 'undecided'
  // Each parameter in units in which comparisons differ by about 1.
  posterior.linearise(new Float64Array(posterior.size))
  const units = Float64Array.from(free, (a) => Math.sqrt(posterior.totals[a] / posterior.diagonal[a]) || 1)
  const rowOf = rowsInParameters(posterior, gains, free, units)
  normalise(gains, rowOf)

  for (const a of free.filter((a) => a >= posterior.rewards)) {
    for (const sign of [1, -1]) {
      const alone = new Float64Array(posterior.size)
      alone[a] = sign
      const { least, most } = rangeOf(gainsAlong(gains, posterior.lift(alone)))
      if (least >= -LOSS && most > GAIN) return alone
    }
  }

  const count = gains.offsets.length - 1
  const sum = posterior.lower(sumOf(gains, likelihood.size))
  const objective = Float64Array.from(free, (a, k) => (sum[a] * units[k]) / count)
  const solve = await linearProgramSolver()
  const chosen = new Set<number>()
  for (let r = 0; r < count; r += Math.ceil(count / ADDED)) chosen.add(r)
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const program = programOf(objective, Array.from(chosen, rowOf))
    const solution = program === null ? null : solve(program)
    if (solution === null) return 'undecided'
    const direction = new Float64Array(posterior.size)
    let total = 0
    free.forEach((a, k) => {
      const step = Math.round((solution[k] - 1) / LOSS) * LOSS
      total += count * objective[k] * step
      direction[a] = step * units[k]
    })
    // No direction gains more than this one, which need not heed all of them.
    if (!(total > GAIN)) return 'none'
    const along = gainsAlong(gains, posterior.lift(direction))
    const { least, most } = rangeOf(along)
    if (least >= -2 * LOSS) return most > GAIN ? inGauge(direction, posterior) : 'none'
    const before = chosen.size
    for (const r of worstOf(along)) chosen.add(r)
    if (chosen.size === before) return 'undecided'
  }
  return 'undecided'
}

/** Scales gains to a size of 1 in the parameters. */
function normalise({ offsets, values }: Scores, rowOf: (r: number) => Row): void {
  for (let r = 0; r + 1 < offsets.length; r++) {
    const size = largest(rowOf(r).values)
    for (let k = offsets[r]; k < offsets[r + 1]; k++) values[k] = size > 0 ? values[k] / size : 0
  }
}

/** The value of every gain along a direction in rewards and extras. */
function gainsAlong({ offsets, index, values }: Scores, lifted: Float64Array): Float64Array {
  const along = new Float64Array(offsets.length - 1)
  for (let r = 0; r < along.length; r++) {
    for (let k = offsets[r]; k < offsets[r + 1]; k++) along[r] += values[k] * lifted[index[k]]
  }
  return along
}

function rangeOf(values: Float64Array): { least: number; most: number } {
  let least = 0
  let most = 0
  for (const value of values) {
    if (value < least) least = value
    if (value > most) most = value
  }
  return { least, most }
}

/** The most negative gains. */
function worstOf(along: Float64Array): Int32Array {
  const negative = Int32Array.from(along.keys()).filter((r) => along[r] < -LOSS)
  return negative.sort((a, b) => along[a] - along[b]).subarray(0, ADDED)
}

/** The sum of all gains, in rewards and extras. */
function sumOf({ index, values }: Scores, size: number): Float64Array {
  const sum = new Float64Array(size)
  for (let k = 0; k < index.length; k++) sum[index[k]] += values[k]
  return sum
}

/** A gain in the variables of the program; they ascend. */
type Row = { index: ArrayLike<number>; values: Float64Array }

function rowsInParameters(
  posterior: Likelihood,
  { offsets, index, values }: Scores,
  free: readonly number[],
  units: Float64Array,
): (r: number) => Row {
  if (posterior.dense) {
    const all = free.map((_, k) => k)
    const effects = free.map((a, k) => {
      const unit = new Float64Array(posterior.size)
      unit[a] = units[k]
      return posterior.lift(unit)
    })
    return (r) => ({
      index: all,
      values: Float64Array.from(effects, (effect) => {
        let sum = 0
        for (let k = offsets[r]; k < offsets[r + 1]; k++) sum += values[k] * effect[index[k]]
        return sum
      }),
    })
  }
  const variable = new Int32Array(posterior.size).fill(-1)
  free.forEach((a, k) => {
    variable[a] = k
  })
  return (r) => {
    const entries: [number, number][] = []
    for (let k = offsets[r]; k < offsets[r + 1]; k++) {
      const at = variable[index[k]]
      const known = entries.find(([other]) => other === at)
      if (known !== undefined) known[1] += values[k] * units[at]
      else if (at >= 0) entries.push([at, values[k] * units[at]])
    }
    entries.sort(([a], [b]) => a - b)
    return { index: entries.map(([at]) => at), values: Float64Array.from(entries, ([, value]) => value) }
  }
}

/** maximise c·δ where no gain is negative and |δ| ≤ 1; variables from 0 to 2 stand for −1 to 1. Null where it is too large. */
function programOf(objective: Float64Array, rows: Row[]): LinearProgram | null {
  const variables = objective.length
  const entries = rows.reduce((sum, { values }) => sum + values.length, variables)
  if (entries > PROGRAM_LIMIT) return null
  const gather = gatherScores(rows.length + variables, entries)
  const rowLower = new Float64Array(rows.length + variables)
  const rowUpper = new Float64Array(rows.length + variables).fill(Number.POSITIVE_INFINITY)
  rows.forEach(({ index, values }, r) => {
    values.forEach((value, k) => {
      gather.entry(index[k], value)
      rowLower[r] += value
    })
    gather.close()
  })
  for (let a = 0; a < variables; a++) {
    gather.entry(a, 1)
    gather.close()
    rowUpper[rows.length + a] = 2
  }
  return { objective, rows: gather.scores(), rowLower, rowUpper }
}

/** The same direction of size 1, rewards with mean zero where a shift of all of them changes nothing. */
function inGauge(direction: Float64Array, { shiftInvariant, rewards }: Likelihood): Float64Array {
  if (shiftInvariant) centre(direction, rewards)
  const size = largest(direction)
  return direction.map((value) => Math.round(value / size / LOSS) * LOSS)
}

/**
 * For every observed outcome of every entry, what its log-odds against another outcome gain, in rewards and extras.
 *
 * @param limit of the number of entries
 * @returns null where there are more
 */
function pairGains({ counts, model, size, rewards: m }: PairLikelihood, limit: number): Scores | null {
  const { i, j, first, wins, losses, ties } = counts
  const davidson = model.ties === 'davidson'
  const most = (davidson ? 6 : 2) * i.length
  const entries = most * (2 + (davidson ? 1 : 0) + (model.positionEffect ? 1 : 0))
  if (entries > limit) return null
  const gather = gatherScores(most, entries)
  for (let k = 0; k < i.length; k++) {
    const z = model.positionEffect && first !== null ? first[k] : 0
    const add = (difference: number, tie: number) => {
      gather.entry(i[k], difference)
      gather.entry(j[k], -difference)
      if (z !== 0) gather.entry(m, z * difference)
      if (tie !== 0) gather.entry(size - 1, tie)
      gather.close()
    }
    const won = wins[k] > 0 || (!davidson && ties[k] > 0)
    const lost = losses[k] > 0 || (!davidson && ties[k] > 0)
    if (won) add(1, 0)
    if (lost) add(-1, 0)
    if (!davidson) continue
    if (won) add(0.5, -1)
    if (lost) add(-0.5, -1)
    if (ties[k] > 0) {
      add(-0.5, 1)
      add(0.5, 1)
    }
  }
  return gather.scores()
}

/** A pivot below this, relative to its diagonal, is zero: the feature is a combination of those before it. */
const DEPENDENT = 1e-10

/**
 * The parameters that are linear combinations of those before them over all comparisons of some likelihoods together
 * (constant features among them), so that no such data can tell them apart: features, and the position effect.
 *
 * A Cholesky factorisation of the curvature at ψ = 0, each parameter scaled to a diagonal of 1, whose pivots vanish there.
 *
 * @param likelihoods over the same parameters, with features
 */
export function dependentParameters(likelihoods: readonly Likelihood[]): number[] {
  const { size: p } = likelihoods[0]
  const matrix = new Float64Array(p * p)
  for (const likelihood of likelihoods) {
    likelihood.linearise(new Float64Array(p))
    likelihood.addCurvature(matrix, p)
  }
  const scale = Float64Array.from({ length: p }, (_, a) => Math.sqrt(matrix[a * p + a]))
  const dependent: number[] = []
  const kept: { at: number; row: Float64Array }[] = []
  for (let a = 0; a < p; a++) {
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
