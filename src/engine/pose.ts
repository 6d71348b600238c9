import type { Constraint } from './constraints.ts'
import type { Context } from './contexts.ts'
import { NoRoom, requireRoom } from './welfare/gains.ts'
import { slackRows } from './welfare/guardrails.ts'
import type { WelfareProblem } from './welfare/problem.ts'

/** What policies are chosen from: every group's utilities, the contexts and the constraints. */
export type Given = {
  /** u over the items of the request, one array a group. */
  utilities: readonly Float64Array[]
  population: Float64Array
  temperature: number
  contexts: readonly Context[]
  constraints: readonly Constraint[]
}

/** A request's choice as a welfare problem, with what leads back to items and constraints. */
export type Posed = {
  problem: WelfareProblem
  /** The item of each column; the columns of a context are those that no constraint rules out there. */
  columns: Int32Array
  /** What each constraint came to, in their order. */
  limits: Limit[]
}

/** A constraint as a linear limit on policies: Σ_i cost_i p_i ≤ limit, over all contexts or in one. */
export type Limit = {
  /** What each item counts; a floor's and a minimum share's count negatively. */
  costs: Float64Array
  limit: number
  context: number | null
  /** Its guardrail in the problem; null for a ban, and for a limit that became one. */
  guardrail: number | null
  /** Whether there are items that it rules out altogether. */
  excludes: boolean
}

/** A constraint by its place in the list. */
type Contradicting = { constraint: number; multiplier: number | null }

/**
 * Constraints that no policy meets together, as few as can be. A policy may only choose what those of multiplier null leave;
 * among these policies none has Σ_k μ_k (limit_k − cost_k) above `room` for the multipliers μ of the others.
 */
export class Conflict extends Error {
  readonly constraints: Contradicting[]
  /** Below 0 where no policy meets them; 0 where those that do meet some with nothing to spare. */
  readonly room: number

  constructor(constraints: Contradicting[], room: number) {
    super('the constraints leave no policy, or none with room to spare')
    this.constraints = constraints
    this.room = room
  }
}

/**
 * Poses the problem: the items of all contexts side by side, less those that constraints rule out.
 *
 * A ban takes its items out. So does a limit that can be kept only by never choosing some items, as a ceiling at the cost of
 * the cheapest: there the policies within the limits have no interior, and no finite price would keep the limit at a
 * temperature above 0. The reference among the items that are left is divided by its sum; that changes KL by a constant.
 *
 * @throws Conflict where no policy meets all constraints with room to spare
 */
export function pose(given: Given): Posed {
  const posed = attempt(given)
  if (!(posed instanceof Conflict)) return posed
  // Those that are not needed for the contradiction are left out one by one.
  const { constraints } = given
  let conflict = posed
  for (const { constraint } of posed.constraints) {
    const rest = conflict.constraints.map((each) => each.constraint).filter((k) => k !== constraint)
    const without = attempt({ ...given, constraints: rest.map((k) => constraints[k]) })
    if (!(without instanceof Conflict) || (conflict.room < 0 && without.room >= 0)) continue
    conflict = new Conflict(
      without.constraints.map((each) => ({ ...each, constraint: rest[each.constraint] })),
      without.room,
    )
  }
  throw conflict
}

/** The problem, or why there is none. */
function attempt(given: Given): Posed | Conflict {
  const limits = given.constraints.map((constraint) => limitOf(given, constraint))
  const out = given.contexts.map((_, q) => {
    const banned = new Set<number>()
    for (const constraint of given.constraints) {
      if (constraint.kind !== 'ban' || (constraint.context ?? q) !== q) continue
      for (const item of constraint.items) banned.add(item)
    }
    return banned
  })
  const isBan = given.constraints.map(({ kind }) => kind === 'ban')
  limits.forEach((limit, k) => {
    limit.excludes = isBan[k]
  })

  const rows = limits.flatMap((_, k) => (isBan[k] ? [] : [k]))
  for (;;) {
    const { problem, columns } = tableOf(given, limits, rows, out)
    const forced = forcedBy(problem)
    if (forced === null) {
      rows.forEach((k, row) => {
        limits[k].guardrail = row
      })
      try {
        requireRoom(problem)
      } catch (error) {
        if (error instanceof NoRoom) return conflictOf(limits, error)
        throw error
      }
      return { problem, columns, limits }
    }
    const { guardrail, excluded } = forced
    const [k] = rows.splice(guardrail, 1)
    excluded.forEach((own, q) => {
      for (const column of own) out[q].add(columns[column])
      limits[k].excludes ||= own.length > 0
    })
  }
}

/** The constraints that rule items out, and those with multipliers. */
function conflictOf(limits: readonly Limit[], { multipliers, room }: NoRoom): Conflict {
  const involved = limits.flatMap(({ guardrail, excludes }, constraint): Contradicting[] => {
    if (excludes) return [{ constraint, multiplier: null }]
    const multiplier = guardrail === null ? 0 : multipliers[guardrail]
    return multiplier > 0 ? [{ constraint, multiplier }] : []
  })
  return new Conflict(involved, room)
}

/** The most that a policy gives a group, over all contexts or in one, constraints aside. */
export function bestOf(
  utilities: Float64Array,
  contexts: readonly Context[],
  context: number | null = null,
): number {
  const most = ({ items }: Context) =>
    items.reduce((top, item) => Math.max(top, utilities[item]), Number.NEGATIVE_INFINITY)
  if (context !== null) return most(contexts[context])
  return contexts.reduce((sum, each) => sum + each.weight * most(each), 0)
}

function limitOf({ utilities, contexts }: Given, constraint: Constraint): Limit {
  const rest = { context: constraint.context, guardrail: null, excludes: false }
  const n = utilities[0].length
  switch (constraint.kind) {
    case 'floor': {
      const own = utilities[constraint.group]
      const share = (constraint.shareOfBest ?? 0) * bestOf(own, contexts, constraint.context)
      return { costs: own.map((value) => -value), limit: -(constraint.minimum ?? share), ...rest }
    }
    case 'ceiling':
      return { costs: constraint.costs, limit: constraint.maximum, ...rest }
    case 'ban':
    case 'minimum-share': {
      const sign = constraint.kind === 'ban' ? 1 : -1
      const costs = new Float64Array(n)
      for (const item of constraint.items) costs[item] = sign
      return { costs, limit: constraint.kind === 'ban' ? 0 : -constraint.minimum, ...rest }
    }
  }
}

/** The problem over the columns that are left, with the guardrails of some of the limits. */
function tableOf(
  { utilities, population, temperature, contexts }: Given,
  limits: readonly Limit[],
  rows: readonly number[],
  out: readonly Set<number>[],
): { problem: WelfareProblem; columns: Int32Array } {
  const kept = contexts.map(({ items }, q) => Array.from(items.keys()).filter((k) => !out[q].has(items[k])))
  const starts = new Int32Array(contexts.length + 1)
  kept.forEach((own, q) => {
    starts[q + 1] = starts[q] + own.length
  })
  const n = starts[contexts.length]
  const columns = new Int32Array(n)
  const reference = new Float64Array(n)
  contexts.forEach((context, q) => {
    const sum = kept[q].reduce((total, k) => total + context.reference[k], 0)
    kept[q].forEach((k, column) => {
      columns[starts[q] + column] = context.items[k]
      reference[starts[q] + column] = (context.weight * context.reference[k]) / sum
    })
  })
  const table = new Float64Array(utilities.length * n)
  utilities.forEach((values, g) => {
    for (let i = 0; i < n; i++) table[g * n + i] = values[columns[i]]
  })
  const costs = new Float64Array(rows.length * n)
  rows.forEach((k, row) => {
    const { costs: own, context } = limits[k]
    const [from, to] = context === null ? [0, n] : [starts[context], starts[context + 1]]
    const share = context === null ? 1 : contexts[context].weight
    for (let i = from; i < to; i++) costs[row * n + i] = own[columns[i]] / share
  })
  const problem = {
    groups: utilities.length,
    items: n,
    utilities: table,
    population,
    reference,
    temperature,
    contexts: { starts, weights: Float64Array.from(contexts, ({ weight }) => weight) },
    guardrails: { costs, limits: Float64Array.from(rows, (k) => limits[k].limit) },
  }
  return { problem, columns }
}

/** Slacks that differ by less than this, in units of the row, are the same but for rounding. */
const SAME = 1e-12

/** A guardrail that is met only by policies that never choose some items, and these, for each context; null if none is. */
function forcedBy(problem: WelfareProblem): { guardrail: number; excluded: number[][] } | null {
  const { items, contexts, guardrails } = problem
  const { starts, weights } = contexts
  const slacks = slackRows(problem)
  for (let k = 0; k < guardrails.limits.length; k++) {
    const row = slacks.subarray(k * items, (k + 1) * items)
    const own = weights.map((_, q) => row.subarray(starts[q], starts[q + 1]).reduce((a, b) => Math.max(a, b)))
    const size = row.reduce((largest, slack) => Math.max(largest, Math.abs(slack)), 0)
    const most = own.reduce((sum, top, q) => sum + weights[q] * top, 0)
    if (!(Math.abs(most) <= SAME * size)) continue
    const excluded = Array.from(own, (top, q) => {
      const columns: number[] = []
      for (let i = starts[q]; i < starts[q + 1]; i++) if (row[i] < top - SAME * size) columns.push(i)
      return columns
    })
    return { guardrail: k, excluded }
  }
  return null
}
