import fc from 'fast-check'
import type { GroupData, PreferenceMembers } from '../../src/engine/preferences.ts'
import { readPreferences } from '../../src/engine/preferences.ts'
import type { OutcomeModel } from '../../src/engine/rewards/model.ts'
import { inverse, item, type Prior, type Row } from './fit.ts'

/** A comparison with all that a model can look at. */
export type FullRow = Row & { first?: string; annotator?: string; featureDifference?: number[] }

/** What rewards are: one for each item, or linear in features of items, or of comparisons. */
export type Linear = 'items' | 'features' | 'differences'

/** Rows of one group, and features of their items by name where those are what rewards are linear in. */
export type Sample = { rows: FullRow[]; linear: Linear; features: Record<string, number[]> | null }

/** The request that says the same. */
export function requestOf({ rows, linear, features }: Sample): PreferenceMembers {
  const comparisons =
    linear === 'differences' && features !== null
      ? rows.map(({ winner, loser, first, ...rest }) => ({
          ...rest,
          winner,
          loser,
          ...(first === undefined ? {} : { first }),
          featureDifference: features[winner].map((value, f) => value - features[loser][f]),
        }))
      : rows
  const items = linear === 'features' && features !== null ? featuresToItems(features) : undefined
  return { comparisons, ...(items === undefined ? {} : { items }) }
}

function featuresToItems(features: Record<string, number[]>) {
  return Object.entries(features).map(([id, values]) => ({ id, features: values }))
}

/** The reduced data of the one group. */
export function groupOf(sample: Sample, { positionEffect }: OutcomeModel): GroupData {
  const { source } = readPreferences(requestOf(sample), {
    positions: positionEffect,
    judgements: sample.rows[0].annotator !== undefined,
    squares: true,
    groupsDiscovered: null,
    ties: false,
    rankingFaults: [],
  })
  if (source.kind !== 'comparisons') throw new Error('no comparisons')
  return source.groups[0]
}

/** The items of a sample, sorted. */
export function itemsOf(rows: readonly FullRow[]): string[] {
  return [...new Set(rows.flatMap(({ winner, loser }) => [winner, loser]))].sort()
}

/** How many parameters a sample has: rewards or reward weights, and all. */
export function shapeOf({ rows, features }: Sample, { ties, positionEffect }: OutcomeModel) {
  const rewards = features === null ? itemsOf(rows).length : Object.values(features)[0].length
  return { rewards, size: rewards + (positionEffect ? 1 : 0) + (ties === 'davidson' ? 1 : 0) }
}

/** One way that a comparison can end: the sufficient statistic, its log-odds at ψ, and how often it was observed. */
type Outcome = { statistic: number[]; observed: number }

/**
 * The model by its definition, one row at a time: outcomes of log-odds z·ψ with z = ½x, −½x or, for a tie, e_η, where x·ψ
 * is the difference of the two rewards and the position effect.
 */
function outcomesOf(sample: Sample, model: OutcomeModel): Outcome[][] {
  const { rows, features } = sample
  const items = itemsOf(rows)
  const { rewards, size } = shapeOf(sample, model)
  return rows.map(({ winner, loser, first, tie, preference }) => {
    const x = new Array<number>(size).fill(0)
    if (features === null) {
      x[items.indexOf(winner)] = 1
      x[items.indexOf(loser)] = -1
    } else
      features[winner].forEach((value, f) => {
        x[f] = value - features[loser][f]
      })
    if (model.positionEffect && first !== undefined) x[rewards] = first === winner ? 1 : -1
    const label = tie === true ? 0.5 : (preference ?? 1)
    const drawn = tie === true && model.ties === 'davidson'
    return [
      { statistic: x.map((value) => value / 2), observed: drawn ? 0 : label },
      { statistic: x.map((value) => -value / 2), observed: drawn ? 0 : 1 - label },
      ...(model.ties === 'davidson'
        ? [{ statistic: x.map((_, a) => (a === size - 1 ? 1 : 0)), observed: drawn ? 1 : 0 }]
        : []),
    ]
  })
}

/** Of every row at ψ: log-probability and score of what was observed, and the information; for a count and weight of 1. */
export function rowTerms(sample: Sample, model: OutcomeModel, at: ArrayLike<number>) {
  const { size } = shapeOf(sample, model)
  return outcomesOf(sample, model).map((outcomes) => {
    const logits = outcomes.map(({ statistic }) => statistic.reduce((sum, z, a) => sum + z * at[a], 0))
    const top = Math.max(...logits)
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0)
    const chances = logits.map((logit) => Math.exp(logit - top) / total)
    const mean = Array.from({ length: size }, (_, a) =>
      outcomes.reduce((sum, { statistic }, o) => sum + chances[o] * statistic[a], 0),
    )
    const away = outcomes.map(({ statistic }) => statistic.map((z, a) => z - mean[a]))
    let value = 0
    outcomes.forEach(({ observed }, o) => {
      if (observed > 0) value += observed * (logits[o] - top - Math.log(total))
    })
    return {
      value,
      score: mean.map((_, a) => outcomes.reduce((sum, { observed }, o) => sum + observed * away[o][a], 0)),
      information: (a: number, b: number) =>
        outcomes.reduce((sum, _, o) => sum + chances[o] * away[o][a] * away[o][b], 0),
    }
  })
}

const logSigmoid = (d: number) => (d >= 0 ? -Math.log1p(Math.exp(-d)) : d - Math.log1p(Math.exp(d)))
const sigmoid = (d: number) => Math.exp(logSigmoid(d))

/** How much a row matters, and how much of that it is counted. */
const massOf = ({ count = 1, weight = 1 }: FullRow) => count * weight

/** Log-posterior, its gradient and minus its Hessian, all row by row. */
export function posteriorAt(sample: Sample, model: OutcomeModel, prior: Prior, at: ArrayLike<number>) {
  const { rows } = sample
  const { rewards, size } = shapeOf(sample, model)
  const terms = rowTerms(sample, model, at)
  let value = 0
  const score = new Array<number>(size).fill(0)
  const information = Array.from({ length: size }, () => new Array<number>(size).fill(0))
  const add = (slope: number, curvature: number, direction: readonly number[]) => {
    direction.forEach((x, a) => {
      if (x === 0) return
      score[a] += slope * x
      direction.forEach((y, b) => {
        information[a][b] += curvature * x * y
      })
    })
  }
  terms.forEach((term, r) => {
    const mass = massOf(rows[r])
    value += mass * term.value
    for (let a = 0; a < size; a++) {
      score[a] += mass * term.score[a]
      for (let b = 0; b < size; b++) information[a][b] += mass * term.information(a, b)
    }
  })
  for (const direction of priorDirections(sample, prior, size)) {
    const theta = direction.reduce((sum, x, a) => sum + x * at[a], 0)
    if (prior.kind === 'gaussian') {
      const precision = 1 / prior.standardDeviation ** 2
      value -= (precision * theta ** 2) / 2
      add(-precision * theta, precision, direction)
    } else if (prior.kind === 'pseudo-item') {
      value += prior.strength * (logSigmoid(theta) + logSigmoid(-theta))
      add(
        prior.strength * (sigmoid(-theta) - sigmoid(theta)),
        2 * prior.strength * sigmoid(theta) * sigmoid(-theta),
        direction,
      )
    }
  }
  return { value, score, information, rewards, size }
}

/** What a prior speaks of, as linear functions of ψ: rewards, or with a gaussian prior reward weights. */
function priorDirections({ rows, features }: Sample, prior: Prior, size: number): number[][] {
  if (prior.kind === 'none') return []
  const unit = (_: unknown, a: number) => Array.from({ length: size }, (_, b) => (a === b ? 1 : 0))
  if (features === null) return itemsOf(rows).map(unit)
  if (prior.kind === 'gaussian') return Object.values(features)[0].map(unit)
  return itemsOf(rows).map((name) => [
    ...features[name],
    ...Array.from({ length: size - features[name].length }, () => 0),
  ])
}

/** Minus the Hessian, where it is singular along a shift with a curvature of 1 there. */
function regular(sample: Sample, prior: Prior, information: number[][], rewards: number): number[][] {
  if (sample.features !== null || prior.kind !== 'none') return information
  return information.map((row, a) =>
    row.map((value, b) => value + (a < rewards && b < rewards ? 1 / rewards : 0)),
  )
}

/** The inverse of minus the Hessian in the gauge where rewards (not reward weights) sum to zero. */
export function inverseInformation(
  sample: Sample,
  model: OutcomeModel,
  prior: Prior,
  at: ArrayLike<number>,
): number[][] {
  const { information, rewards } = posteriorAt(sample, model, prior, at)
  const inverted = inverse(regular(sample, prior, information, rewards))
  return sample.features === null ? centred(inverted, rewards) : inverted
}

/** C·A·C with C = I − 11ᵀ/m on the first m. */
export function centred(matrix: number[][], m: number): number[][] {
  const centreRow = (row: number[]) => {
    const mean = row.slice(0, m).reduce((a, b) => a + b, 0) / m
    return row.map((value, a) => (a < m ? value - mean : value))
  }
  const transpose = (rows: number[][]) => rows[0].map((_, b) => rows.map((row) => row[b]))
  return transpose(transpose(matrix.map(centreRow)).map(centreRow))
}

/** How far ψ is, to first order, from the maximum: the Newton step that it still wants. */
export function newtonStepAt(
  sample: Sample,
  model: OutcomeModel,
  prior: Prior,
  at: ArrayLike<number>,
): number[] {
  const { score, information, rewards } = posteriorAt(sample, model, prior, at)
  return inverse(regular(sample, prior, information, rewards)).map((row) =>
    row.reduce((sum, value, a) => sum + value * score[a], 0),
  )
}

/** ½ log det of the information, the last reward left out where a shift of all changes nothing. */
export function halfLogDeterminant(sample: Sample, model: OutcomeModel, at: ArrayLike<number>): number {
  const { information, rewards } = posteriorAt(sample, model, { kind: 'none' }, at)
  const kept = information.map((_, a) => a).filter((a) => sample.features !== null || a !== rewards - 1)
  const work = kept.map((a) => kept.map((b) => information[a][b]))
  let sum = 0
  for (let c = 0; c < work.length; c++) {
    sum += Math.log(work[c][c]) / 2
    for (let r = c + 1; r < work.length; r++) {
      const factor = work[r][c] / work[c][c]
      for (let k = c; k < work.length; k++) work[r][k] -= factor * work[c][k]
    }
  }
  return sum
}

/** The slope of a function by central differences, with the errors of order h² and h⁴ taken out (Richardson). */
export function slopeOf(f: (x: Float64Array) => number, at: ArrayLike<number>, h = 0.02): number[] {
  return Array.from(at, (_, a) => {
    const rise = (by: number) => {
      const [up, down] = [Float64Array.from(at), Float64Array.from(at)]
      up[a] += by
      down[a] -= by
      return (f(up) - f(down)) / (2 * by)
    }
    const coarse = (4 * rise(h / 2) - rise(h)) / 3
    const fine = (4 * rise(h / 4) - rise(h / 2)) / 3
    return (16 * fine - coarse) / 15
  })
}

/** The outcome models. */
export const MODELS: OutcomeModel[] = (['half-win', 'davidson'] as const).flatMap((ties) =>
  [false, true].map((positionEffect) => ({ ties, positionEffect })),
)
export const LINEAR: Linear[] = ['items', 'features', 'differences']

/**
 * Samples in which no model of the family is separated: along a cycle through all items both beat each other in both
 * orders, and tie; besides, rows with every way to say how a comparison ended.
 */
export function samples(linear: Linear, { items = 6, extra = 15 } = {}): fc.Arbitrary<Sample> {
  return fc.integer({ min: 3, max: items }).chain((m) =>
    fc
      .record({
        drawn: fc.array(
          fc.record({
            a: fc.nat(m - 1),
            step: fc.integer({ min: 1, max: m - 1 }),
            outcome: fc.constantFrom<Partial<FullRow>>(
              {},
              {},
              { tie: true },
              { preference: 0.3 },
              { preference: 1 },
            ),
            shown: fc.constantFrom('winner', 'loser', 'unknown'),
            count: fc.integer({ min: 1, max: 9 }),
            weight: fc.integer({ min: 1, max: 24 }),
            annotator: fc.nat(4),
          }),
          { maxLength: extra },
        ),
        values: fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 2 * m, maxLength: 2 * m }),
      })
      .map(({ drawn, values }): Sample => {
        const cycle = Array.from({ length: m }, (_, k) => bothWays(item(k), item((k + 1) % m), k)).flat()
        const rows = drawn.map(({ a, step, outcome, shown, count, weight, annotator }): FullRow => {
          const [winner, loser] = [item(a), item((a + step) % m)]
          return {
            group: 'all',
            winner,
            loser,
            ...outcome,
            count,
            weight: weight / 8,
            annotator: `annotator ${annotator}`,
            ...(shown === 'unknown' ? {} : { first: shown === 'winner' ? winner : loser }),
          }
        })
        // The first items differ in one feature alone each, so that none is a combination of others.
        const features = Object.fromEntries(
          Array.from({ length: m }, (_, k) => [
            item(k),
            [k === 1 ? 1 : k > 2 ? values[2 * k] / 10 : 0, k === 2 ? 1 : k > 2 ? values[2 * k + 1] / 10 : 0],
          ]),
        )
        return { rows: [...cycle, ...rows], linear, features: linear === 'items' ? null : features }
      }),
  )
}

function bothWays(a: string, b: string, k: number): FullRow[] {
  const row = (winner: string, loser: string, first: string, more: Partial<FullRow> = {}): FullRow => ({
    group: 'all',
    winner,
    loser,
    first,
    annotator: `annotator ${k % 3}`,
    ...more,
  })
  return [
    row(a, b, a, { count: 2 }),
    row(b, a, a),
    row(a, b, b),
    row(b, a, b, { weight: 0.5 }),
    row(a, b, a, { tie: true }),
  ]
}
