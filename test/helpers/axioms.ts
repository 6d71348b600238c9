import fc from 'fast-check'
import type { Welfare } from '../../schemas/welfare.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import { linearProgramSolver } from '../../src/engine/numeric/linear-program.ts'
import { Problem } from '../../src/engine/problem.ts'
import type { AxiomId } from '../../src/engine/welfare/catalogue/axioms.ts'
import { type Posed, requestOf } from '../../src/engine/welfare/catalogue/counterexamples.ts'

/** What a function answers to a posed problem; null where it refuses. Of a front the policy says which items are on it. */
export type Answer = { policy: number[]; reached: number[]; unique: boolean; decided: boolean } | null

/** Poses a problem to the engine. */
export async function ask(posed: Posed, welfare: Welfare): Promise<Answer> {
  try {
    const answer = await aggregate(requestOf(posed, welfare))
    if ('front' in answer) {
      const points = answer.front as { item: string }[]
      const front = new Set(points.map(({ item }) => item))
      const items = Object.keys(answer.groups[0].utilities)
      return {
        policy: items.map((item) => (front.has(item) ? 1 : 0)),
        reached: [],
        unique: true,
        decided: false,
      }
    }
    if (!('policy' in answer)) throw new Error('there is only one context')
    return {
      policy: Object.keys(answer.policy).map((item) => answer.policy[item]),
      reached: answer.groups.map(({ utility }) => utility),
      unique: answer.certificate.unique,
      decided: true,
    }
  } catch (error) {
    if (error instanceof Problem && error.kind === 'no-acceptable-policy') return null
    throw error
  }
}

/**
 * An axiom as it is tested: problems that it speaks of, and by how much answers to them violate it. A claim that it holds
 * is that no instance violates it; a counterexample is one that does.
 */
export type TestedAxiom = {
  instances: fc.Arbitrary<Posed[]>
  /** What the answers leave of the axiom in its weaker and in its strict form; 0 where they honour it. */
  violation(posed: Posed[], answers: Answer[]): Violation | Promise<Violation>
}
export type Violation = { weak: number; strict: number }

/** A violation up to this is the rounding of optimal policies … */
export const HONOURED = 1e-5
/** … and one above this is none. */
export const VIOLATED = 0.01

const NONE: Violation = { weak: 0, strict: 0 }
const both = (value: number): Violation => ({ weak: value, strict: value })

/** Gains of two to four groups from two to five items, each group's worst at 0 and its best at 1 or more. */
const plainly = tables([2, 4], [2, 5])

function tables(groups: [number, number], items: [number, number]): fc.Arbitrary<Posed> {
  return fc
    .tuple(fc.integer({ min: groups[0], max: groups[1] }), fc.integer({ min: items[0], max: items[1] }))
    .chain(([g, n]) =>
      fc.record({
        utilities: fc.array(fc.array(fc.nat(12), { minLength: n, maxLength: n }), {
          minLength: g,
          maxLength: g,
        }),
        population: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: g, maxLength: g }),
      }),
    )
    .map(({ utilities, population }) => ({
      utilities: utilities.map((row, g) => {
        const low = Math.min(...row)
        return row.map((value, i) => value - low + (Math.max(...row) === low && i === g % row.length ? 3 : 0))
      }),
      population: shares(population),
    }))
}

function shares(parts: readonly number[]): number[] {
  const sum = parts.reduce((a, b) => a + b, 0)
  return parts.map((part) => part / sum)
}

const changed = (from: fc.Arbitrary<Posed>, change: (posed: Posed, amounts: number[]) => Posed) =>
  fc
    .tuple(from, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 4 }))
    .map(([posed, amounts]) => [posed, change(posed, amounts)])

const withUtilities = (posed: Posed, of: (value: number, g: number) => number): Posed => ({
  ...posed,
  utilities: posed.utilities.map((row, g) => row.map((value) => of(value, g))),
})

/** Compares two answers that are the only ones; any others say nothing. */
function compared(
  [one, other]: Answer[],
  far: (one: NonNullable<Answer>, other: NonNullable<Answer>) => number,
): Violation {
  if (one === null && other === null) return NONE
  if (one === null || other === null) return both(1)
  return one.unique && other.unique ? both(far(one, other)) : NONE
}

function distance(one: readonly number[], other: readonly number[]): number {
  return one.reduce((far, value, k) => Math.max(far, Math.abs(value - other[k])), 0)
}

/** The same policy before and after: what an invariance says. */
const samePolicy = (_: Posed[], answers: Answer[]) =>
  compared(answers, (one, other) => distance(one.policy, other.policy))

const largest = ({ utilities }: Posed) => Math.max(...utilities.flat())

/** Every axiom and invariance of the catalogue, at temperature 0. */
export const TESTED: Record<AxiomId, TestedAxiom> = {
  'common-scale': {
    instances: changed(plainly, (posed, [factor]) => withUtilities(posed, (value) => factor * value)),
    violation: samePolicy,
  },
  'common-shift': {
    instances: changed(plainly, (posed, [shift]) => withUtilities(posed, (value) => value + shift)),
    violation: samePolicy,
  },
  'group-scale': {
    instances: changed(plainly, (posed, factors) => withUtilities(posed, (value, g) => factors[g] * value)),
    violation: samePolicy,
  },
  'group-shift': {
    instances: changed(plainly, (posed, shifts) => withUtilities(posed, (value, g) => value + shifts[g])),
    violation: samePolicy,
  },
  population: {
    instances: changed(plainly, (posed, parts) => ({
      ...posed,
      population: shares(parts.slice(0, posed.population.length)),
    })),
    violation: samePolicy,
  },
  'independence-of-the-unused': {
    instances: tables([2, 4], [3, 5]).map((posed) => [
      posed,
      { ...posed, utilities: posed.utilities.map((row) => row.slice(0, -1)) },
    ]),
    violation: ([{ utilities }], answers) => {
      const [one] = answers
      if (one === null || one.policy[utilities[0].length - 1] > 0) return NONE
      return compared(answers, (one, other) => distance(one.reached, other.reached))
    },
  },
  anonymity: {
    instances: plainly.map((posed) => [
      posed,
      { utilities: posed.utilities.toReversed(), population: posed.population.toReversed() },
    ]),
    violation: samePolicy,
  },
  neutrality: {
    instances: plainly.map((posed) => [
      posed,
      { ...posed, utilities: posed.utilities.map((row) => row.toReversed()) },
    ]),
    violation: (_, answers) =>
      compared(answers, (one, other) => distance(one.policy.toReversed(), other.policy)),
  },
  'split-invariance': {
    instances: changed(tables([2, 3], [2, 5]), ({ utilities, population: [first, ...rest] }, [tenths]) => ({
      utilities: [...utilities, utilities[0]],
      population: [(first * tenths) / 10, ...rest, first * (1 - tenths / 10)],
    })),
    violation: samePolicy,
  },
  'duplication-invariance': {
    instances: plainly.map((posed) => [
      posed,
      { ...posed, utilities: posed.utilities.map((row) => [...row, row[0]]) },
    ]),
    violation: (_, [one, other]) => {
      if (one === null || other === null) return both(one === other ? 0 : 1)
      // Only what the groups reach: the two copies share one probability in any way.
      return one.unique ? both(distance(one.reached, other.reached)) : NONE
    },
  },
  pareto: {
    instances: plainly.map((posed) => [posed]),
    violation: async ([posed], [answer]) =>
      answer === null
        ? NONE
        : {
            weak: await improvement(posed, answer.reached, false),
            strict: await improvement(posed, answer.reached, true),
          },
  },
  'pigou-dalton': {
    // Two groups of one size, of whom the second is better off; the second item moves something between them and leaves
    // the order, and everybody else, as they were. Items that nobody needs make the ranges what they will.
    instances: fc
      .record({
        worse: fc.integer({ min: 1, max: 9 }),
        apart: fc.integer({ min: 2, max: 9 }),
        moved: fc.integer({ min: 1, max: 4 }),
        others: fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 2 }),
        bad: fc.array(fc.nat(1), { minLength: 4, maxLength: 4 }),
        high: fc.integer({ min: 0, max: 3 }),
      })
      .map(({ worse, apart, moved, others, bad, high }) => {
        const m = Math.min(moved, apart / 2)
        const better = worse + apart
        const rows = [[worse, worse + m], [better, better - m], ...others.map((value) => [value, value])]
        const utilities = rows.map((row, g) => [...row, bad[g], high === g ? 15 : 0])
        return [{ utilities, population: utilities.map(() => 1 / utilities.length) }]
      }),
    violation: (_, [answer]) => {
      if (answer === null || answer.policy.slice(2).some((share) => share > 1e-9)) return NONE
      const kept = answer.policy[0]
      return { weak: answer.unique ? kept : 0, strict: kept }
    },
  },
  'population-monotonicity': {
    instances: changed(plainly, ({ utilities, population: [first, ...rest] }, [tenths]) => ({
      utilities,
      population: shares([first * (1 + tenths / 10), ...rest]),
    })),
    violation: (_, answers) =>
      compared(answers, (one, other) => Math.max(0, one.reached[0] - other.reached[0])),
  },
  'fair-share': {
    instances: plainly.map((posed) => [posed]),
    violation: ([{ utilities, population }], [answer]) =>
      answer === null
        ? NONE
        : both(
            utilities.reduce(
              (most, row, g) => Math.max(most, population[g] * Math.max(...row) - answer.reached[g]),
              0,
            ),
          ),
  },
  core: {
    instances: tables([2, 3], [2, 4]).map((posed) => [posed]),
    violation: async ([posed], [answer]) =>
      answer === null ? NONE : both(await blocking(posed, answer.reached)),
  },
  'an-answer-always': {
    instances: tables([2, 4], [2, 4]).map((posed) => [
      { ...posed, utilities: posed.utilities.map((row, g) => (g === 0 ? row.map(() => 0) : row)) },
    ]),
    violation: (_, [answer]) => both(answer === null ? 1 : 0),
  },
  decisiveness: {
    instances: plainly.map((posed) => [posed]),
    violation: (_, [answer]) => both(answer === null || answer.decided ? 0 : 1),
  },
}

/** What lotteries add, with nobody losing, to all gains together, or to the least of them; in units of the largest. */
async function improvement(posed: Posed, x: readonly number[], strict: boolean): Promise<number> {
  const maximise = await linearProgramSolver()
  const { utilities } = posed
  const n = utilities[0].length
  const sums = utilities[0].map((_, i) => utilities.reduce((sum, row) => sum + row[i], 0))
  const point = maximise({
    objective: Float64Array.from([...utilities[0].map(() => 0), 1]),
    rows: Float64Array.from([
      ...utilities.flatMap((row) => [...row, strict ? 0 : -1]),
      ...utilities[0].map(() => 1),
      0,
      ...sums,
      -1,
    ]),
    rowLower: Float64Array.from([
      ...x.map((value) => value - 1e-9),
      1,
      strict ? x.reduce((a, b) => a + b, -1e-8) : 0,
    ]),
    rowUpper: Float64Array.from([...x.map(() => Infinity), 1, Infinity]),
  })
  return (point as Float64Array)[n] / largest(posed)
}

/** max over coalitions of t − 1, where a coalition's part of the population can give each member t times what it has. */
async function blocking({ utilities, population }: Posed, x: readonly number[]): Promise<number> {
  const maximise = await linearProgramSolver()
  const n = utilities[0].length
  let most = 0
  for (let coalition = 1; coalition < 2 ** x.length; coalition++) {
    const members = x.map((_, g) => g).filter((g) => (coalition >> g) & 1)
    const size = members.reduce((sum, g) => sum + population[g], 0)
    const point = maximise({
      objective: Float64Array.from([...utilities[0].map(() => 0), 1]),
      rows: Float64Array.from([
        ...members.flatMap((g) => [...utilities[g].map((u) => size * u), -x[g]]),
        ...utilities[0].map(() => 1),
        0,
      ]),
      rowLower: Float64Array.from([...members.map(() => 0), 1]),
      rowUpper: Float64Array.from([...members.map(() => Infinity), 1]),
    })
    // Where a coalition without anything could have something, its t is unbounded.
    most = Math.max(most, point === null ? 1 : point[n] - 1)
  }
  return most
}
