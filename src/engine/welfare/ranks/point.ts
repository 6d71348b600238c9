import type { Contexts } from '../problem.ts'
import type { Table } from '../table.ts'

/**
 * A problem as the path of ranks sees it, in units of its welfare. The first rows of the table are the G groups, the others
 * guardrails, whose utility is the slack that they leave and whose weight is their price.
 */
export type RankProblem = Table & {
  /** G, where `groups` is the number of rows. */
  people: number
  population: Float64Array
  reference: Float64Array
  temperature: number
  contexts: Contexts
}

/** The unknowns of the path, or a change of them. */
export type Point = {
  /** p and z; length n. */
  policy: Float64Array
  costs: Float64Array
  /** λ^k_g, and t_kg: by how much x_g is above the level w_k; K × G. */
  parts: Float64Array
  above: Float64Array
  /** What the caps leave of λ^k_g, and s_kg: by how much x_g is below w_k; K × G. */
  rests: Float64Array
  below: Float64Array
  /** μ and the slacks of the guardrails. */
  prices: Float64Array
  slacks: Float64Array
  /** ν_q and w_k. */
  costLevels: Float64Array
  levels: Float64Array
}

/** The complementary pairs. */
const PAIRS = [
  ['policy', 'costs'],
  ['parts', 'above'],
  ['rests', 'below'],
  ['prices', 'slacks'],
] as const
/** What a policy says, and what weights and prices do. */
const PRIMAL = ['policy', 'above', 'below', 'slacks'] as const
const DUAL = ['costs', 'parts', 'rests', 'prices'] as const

export function newPoint({ groups, people, items, contexts }: RankProblem, count: number): Point {
  const table = () => new Float64Array(count * people)
  return {
    policy: new Float64Array(items),
    costs: new Float64Array(items),
    parts: table(),
    above: table(),
    rests: table(),
    below: table(),
    prices: new Float64Array(groups - people),
    slacks: new Float64Array(groups - people),
    costLevels: new Float64Array(contexts.weights.length),
    levels: new Float64Array(count),
  }
}

/** The sum of the complementary products, which is the duality gap where all equations hold, and their mean. */
export function products(at: Point): { sum: number; mean: number } {
  let sum = 0
  let count = 0
  for (const [a, b] of PAIRS) {
    const values = at[a]
    const partners = at[b]
    for (let k = 0; k < values.length; k++) sum += values[k] * partners[k]
    count += values.length
  }
  return { sum, mean: sum / count }
}

/** The least product; that of a probability is more where entropy curves by itself. */
export function leastProduct(at: Point, temperature: number): number {
  let least = Number.POSITIVE_INFINITY
  for (const [a, b] of PAIRS) {
    const own = a === 'policy' ? temperature : 0
    const values = at[a]
    const partners = at[b]
    for (let k = 0; k < values.length; k++) least = Math.min(least, values[k] * (own + partners[k]))
  }
  return least
}

/** How far what the policy says moves, and how far weights and prices do. */
export type Steps = { primal: number; dual: number }

/** What entropy keeps from zero loses no more than this part of itself in a step. */
const CURVED = 0.9

/** The longest steps up to 1 that keep everything positive, times `fraction` where a bound is met. */
export function stepLengths(at: Point, move: Point, fraction: number, temperature: number): Steps {
  const longest = (names: readonly (keyof Point)[]) => {
    let step = 1
    for (const name of names) {
      const values = at[name]
      const changes = move[name]
      for (let k = 0; k < values.length; k++) {
        const part = name === 'policy' && temperature > at.costs[k] ? CURVED : fraction
        if (part * values[k] + step * changes[k] < 0) step = (-part * values[k]) / changes[k]
      }
    }
    return step
  }
  return { primal: longest(PRIMAL), dual: longest(DUAL) }
}

/** Writes at + steps·move to `to`. */
export function advance(at: Point, move: Point, { primal, dual }: Steps, to: Point): void {
  const add = (name: keyof Point, step: number) => {
    const values = at[name]
    const changes = move[name]
    const target = to[name]
    for (let k = 0; k < values.length; k++) target[k] = values[k] + step * changes[k]
  }
  for (const name of PRIMAL) add(name, primal)
  for (const name of DUAL) add(name, dual)
  add('levels', primal)
  add('costLevels', dual)
}

/** Makes a move as long as its steps. */
export function shorten(move: Point, { primal, dual }: Steps): void {
  const multiply = (name: keyof Point, step: number) => {
    const changes = move[name]
    for (let k = 0; k < changes.length; k++) changes[k] *= step
  }
  for (const name of PRIMAL) multiply(name, primal)
  for (const name of DUAL) multiply(name, dual)
}
