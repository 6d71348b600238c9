import fc from 'fast-check'
import type { AggregateRequest, OptimumResult } from '../../schemas/aggregate.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import { maximin } from '../../src/engine/welfare/maximin.ts'
import { powerMean } from '../../src/engine/welfare/power-mean.ts'
import {
  NO_GUARDRAILS,
  oneContext,
  type WelfareFunction,
  type WelfareProblem,
} from '../../src/engine/welfare/problem.ts'
import { utilitarian } from '../../src/engine/welfare/utilitarian.ts'

/** A welfare function by its exponent: 1 is utilitarian, 0 Nash and −∞ maximin. */
export type Kind = { exponent: number; request: Welfare; welfareFunction: WelfareFunction }

export function kindOf(exponent: number): Kind {
  if (exponent === 1) return { exponent, request: { function: 'utilitarian' }, welfareFunction: utilitarian }
  if (exponent === 0) return { exponent, request: { function: 'nash' }, welfareFunction: powerMean(0) }
  if (exponent === Number.NEGATIVE_INFINITY) {
    return { exponent, request: { function: 'maximin' }, welfareFunction: maximin }
  }
  return { exponent, request: { function: 'power-mean', exponent }, welfareFunction: powerMean(exponent) }
}

/** Functions over the whole range of exponents. */
export const kinds = [1, 0.9, 0.5, 0, -0.5, -1, -4, -20, Number.NEGATIVE_INFINITY].map(kindOf)

/** A problem from a table of utilities, one row a group; equal populations and a uniform reference unless said. */
export function problemOf(
  table: readonly (readonly number[])[],
  {
    population = table.map(() => 1 / table.length),
    reference = table[0].map(() => 1 / table[0].length),
    temperature = 0,
  }: { population?: readonly number[]; reference?: readonly number[]; temperature?: number } = {},
): WelfareProblem {
  return {
    groups: table.length,
    items: table[0].length,
    utilities: Float64Array.from(table.flat()),
    population: Float64Array.from(population),
    reference: Float64Array.from(reference),
    temperature,
    contexts: oneContext(table[0].length),
    guardrails: NO_GUARDRAILS,
  }
}

/** The utilities as a table, one row a group. */
export function tableOf({ groups, items, utilities }: WelfareProblem): number[][] {
  return Array.from({ length: groups }, (_, g) => Array.from(utilities.subarray(g * items, (g + 1) * items)))
}

export const groupName = (g: number) => `group ${g}`
export const itemName = (i: number) => `item ${String(i).padStart(2, '0')}`

/** The request that poses a problem: its utilities as rewards given, from their own zero. */
export function requestOf(problem: WelfareProblem, welfare: Welfare): AggregateRequest {
  const { groups, items, population, reference, temperature } = problem
  const byItem = (values: ArrayLike<number>) =>
    Object.fromEntries(Array.from({ length: items }, (_, i) => [itemName(i), values[i]]))
  return {
    rewards: Object.fromEntries(tableOf(problem).map((row, g) => [groupName(g), byItem(row)])),
    groups: Array.from({ length: groups }, (_, g) => ({ id: groupName(g), population: population[g] })),
    items: Array.from({ length: items }, (_, i) => ({ id: itemName(i) })),
    utility: { scale: 'none', anchor: 'zero' },
    policy: { temperature, reference: byItem(reference) },
    welfare,
  }
}

/** Poses the problem to the engine and reads the answer back into arrays. */
export async function answerTo(problem: WelfareProblem, welfare: Welfare) {
  const answer = (await aggregate(requestOf(problem, welfare))) as OptimumResult
  return {
    answer,
    /** As returned: they sum to 1 and belong to the temperature returned. */
    weights: answer.groups.map(({ id }) => answer.weights[id]),
    lambda: answer.groups.map(({ id }) => answer.weights[id] * answer.weightScale),
    policy: Array.from({ length: problem.items }, (_, i) => answer.policy[itemName(i)]),
    utilities: answer.groups.map(({ utilities }) =>
      Array.from({ length: problem.items }, (_, i) => utilities[itemName(i)]),
    ),
    reached: answer.groups.map(({ utility }) => utility),
  }
}

/** (Σ n x^ρ)^{1/ρ}, the geometric mean at 0 and the minimum at −∞. */
export function powerMeanOf(exponent: number, x: ArrayLike<number>, n: ArrayLike<number>): number {
  const values = Array.from(x)
  if (exponent === Number.NEGATIVE_INFINITY) return Math.min(...values)
  if (exponent === 1) return values.reduce((sum, value, g) => sum + n[g] * value, 0)
  if (exponent <= 0 && values.some((value) => value <= 0)) return 0
  if (exponent === 0) return Math.exp(values.reduce((sum, value, g) => sum + n[g] * Math.log(value), 0))
  const unit = exponent > 0 ? Math.max(...values) : Math.min(...values)
  if (unit <= 0) return 0
  const logs = values.map((value) => Math.log(Math.max(0, value) / unit))
  // Near 0 the powers are all close to 1: what is summed is how far they are from it.
  if (logs.every((log) => Math.abs(exponent * log) < 0.5)) {
    const sum = logs.reduce((sum, log, g) => sum + n[g] * Math.expm1(exponent * log), 0)
    return unit * Math.exp(Math.log1p(sum) / exponent)
  }
  return unit * logs.reduce((sum, log, g) => sum + n[g] * Math.exp(exponent * log), 0) ** (1 / exponent)
}

/** x(p). */
export function utilitiesAt(problem: WelfareProblem, policy: ArrayLike<number>): number[] {
  return tableOf(problem).map((row) => row.reduce((sum, value, i) => sum + value * policy[i], 0))
}

/** F(p) = W(x(p)) − β KL(p‖π). */
export function objectiveAt(problem: WelfareProblem, exponent: number, policy: ArrayLike<number>): number {
  const { population, reference, temperature } = problem
  // Terms p log(p/π) − p + π are never negative and small where p is close to π, so that none cancel when β is large.
  let divergence = 0
  for (let i = 0; i < policy.length; i++) {
    const d = (policy[i] - reference[i]) / reference[i]
    const log = d > -0.5 ? Math.log1p(d) : Math.log(policy[i] / reference[i])
    divergence += policy[i] > 0 ? policy[i] * log - (policy[i] - reference[i]) : reference[i]
  }
  return powerMeanOf(exponent, utilitiesAt(problem, policy), population) - temperature * divergence
}

/** How far λ is inside its dual set: at least 1 there, and negative for a point of the wrong sign. */
export function dualSize(exponent: number, lambda: readonly number[], n: ArrayLike<number>): number {
  if (lambda.some((weight) => weight < 0)) return Number.NEGATIVE_INFINITY
  const sum = lambda.reduce((a, b) => a + b, 0)
  if (exponent === Number.NEGATIVE_INFINITY) return 1 - Math.abs(sum - 1)
  if (exponent === 1) return 1 - lambda.reduce((off, weight, g) => Math.max(off, Math.abs(weight - n[g])), 0)
  return powerMeanOf(
    exponent / (exponent - 1),
    lambda.map((weight, g) => weight / n[g]),
    n,
  )
}

/** D(λ), by the formula: β log Σ π e^{v/β}, or max v; λ a rounding outside its set is moved into it. */
export function dualAt(problem: WelfareProblem, exponent: number, given: readonly number[]): number {
  const { items, population, reference, temperature } = problem
  const size = dualSize(exponent, given, population)
  const lambda = size < 1 && Number.isFinite(exponent) && exponent < 1 ? given.map((w) => w / size) : given
  const values = Array.from({ length: items }, () => 0)
  tableOf(problem).forEach((row, g) => {
    row.forEach((value, i) => {
      values[i] += lambda[g] * value
    })
  })
  const top = Math.max(...values)
  if (temperature === 0) return top
  // Relative to the mean under π no exponent is far from 0 when β is large.
  const middle = values.reduce((sum, value, i) => sum + reference[i] * value, 0)
  const exponents = values.map((value) => (value - middle) / temperature)
  if (exponents.every((exponent) => Math.abs(exponent) < 0.5)) {
    const excess = exponents.reduce((sum, exponent, i) => sum + reference[i] * Math.expm1(exponent), 0)
    return middle + temperature * Math.log1p(excess)
  }
  const masses = values.map((value, i) => reference[i] * Math.exp((value - top) / temperature))
  return top + temperature * Math.log(masses.reduce((a, b) => a + b))
}

/** max(|F|, Σ_g λ_g·range_g): what a gap is relative to. */
export function sizeOf(problem: WelfareProblem, lambda: readonly number[], objective: number): number {
  const spread = tableOf(problem).reduce(
    (sum, row, g) => sum + lambda[g] * (Math.max(...row) - Math.min(...row)),
    0,
  )
  return Math.max(Math.abs(objective), spread)
}

/** p_i ∝ π_i e^{Σ_g w_g u_gi / T}: what a pipeline arrives at that trains with these weights and temperature. */
export function trainedPolicy(
  utilities: readonly (readonly number[])[],
  weights: readonly number[],
  temperature: number,
  reference: ArrayLike<number>,
): number[] {
  const exponents = utilities[0].map(
    (_, i) => utilities.reduce((sum, row, g) => sum + weights[g] * row[i], 0) / temperature,
  )
  const top = Math.max(...exponents)
  const masses = exponents.map((exponent, i) => reference[i] * Math.exp(exponent - top))
  const sum = masses.reduce((a, b) => a + b, 0)
  return masses.map((mass) => mass / sum)
}

/** The largest difference between two lists. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let far = Math.abs(a.length - b.length)
  for (let k = 0; k < a.length; k++) if (!(Math.abs(a[k] - b[k]) <= far)) far = Math.abs(a[k] - b[k])
  return far
}

/** Numbers that sum to 1. */
export function shares(length: number): fc.Arbitrary<number[]> {
  return fc
    .oneof(
      fc.constant(Array.from({ length }, () => 1)),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: length, maxLength: length }),
      fc.array(fc.constantFrom(1, 10, 1000), { minLength: length, maxLength: length }),
    )
    .map((parts) => {
      const sum = parts.reduce((a, b) => a + b, 0)
      return parts.map((part) => part / sum)
    })
}

const integers = fc.integer({ min: -4, max: 8 })
const reals = fc.integer({ min: -1_000_000, max: 2_000_000 }).map((k) => k / 250_000)
const nearTies = fc.tuple(fc.integer({ min: 0, max: 2 }), fc.nat(1000)).map(([k, hair]) => k + hair * 1e-10)

/** Utilities that double precision tells apart by far, so that the optimal policies are well determined. */
export const plain = [integers, reals]

const temperatures = fc.oneof(
  fc.constant(0),
  fc.integer({ min: -30, max: 30 }).map((tenth) => 10 ** (tenth / 10)),
)

/**
 * Welfare problems. With `gains` every group's worst item is at 0 and its best at least 1 above, as under the anchor
 * `worst`; without, utilities have either sign.
 */
export function problems({
  gains = true,
  groups = [1, 6],
  items = [2, 12],
  temperature = temperatures,
  values = [integers, reals, nearTies],
}: {
  gains?: boolean
  groups?: [number, number]
  items?: [number, number]
  temperature?: fc.Arbitrary<number>
  values?: fc.Arbitrary<number>[]
} = {}): fc.Arbitrary<WelfareProblem> {
  const sizes = fc.tuple(
    fc.integer({ min: groups[0], max: groups[1] }),
    fc.integer({ min: items[0], max: items[1] }),
    fc.constantFrom(...values),
  )
  return sizes.chain(([g, n, value]) =>
    fc
      .record({
        table: fc.array(fc.array(value, { minLength: n, maxLength: n }), { minLength: g, maxLength: g }),
        population: shares(g),
        reference: shares(n),
        temperature,
      })
      .map(({ table, ...rest }) => problemOf(gains ? table.map(aboveWorst) : table, rest)),
  )
}

/** Problems at temperature 0 without near-ties, in which the optimal utilities are well determined. */
export const plainProblems = (options: { groups?: [number, number]; items?: [number, number] } = {}) =>
  problems({ ...options, temperature: fc.constant(0), values: plain })

function aboveWorst(row: number[], g: number): number[] {
  const low = Math.min(...row)
  const raised = row.map((value) => value - low)
  if (Math.max(...raised) < 0.5) raised[g % row.length] += 1
  return raised
}

/** A lottery over so many items; a corner now and then. */
export function lotteries(items: number): fc.Arbitrary<number[]> {
  return fc.array(fc.nat(1000), { minLength: items, maxLength: items }).map((parts) => {
    const drawn = parts.map((part) => (part < 300 ? 0 : part - 299))
    const sum = drawn.reduce((a, b) => a + b, 0)
    return sum === 0 ? drawn.map((_, i) => (i === 0 ? 1 : 0)) : drawn.map((part) => part / sum)
  })
}
