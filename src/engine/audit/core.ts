import { solveMixedProgram } from '../numeric/mixed-program.ts'
import { type Done, untold } from '../parts.ts'
import { NoRoom } from '../welfare/gains.ts'
import { maximin } from '../welfare/maximin.ts'
import { optimise } from '../welfare/optimise.ts'
import type { WelfareProblem } from '../welfare/problem.ts'
import { coalitionProblem, populationOf } from './coalitions.ts'

/** What the groups of a coalition could have if they decided alone. */
export type Deviation = {
  /** Indices of the groups, ascending. */
  members: number[]
  /** n(S). */
  population: number
  /** t(S); ∞ where all members have nothing now and can have something. */
  ratio: number
  /** q, what they would choose; length n. */
  policy: Float64Array
  /** n(S)·x_g(q), of each member. */
  utilities: Float64Array
}

/** Which coalitions could do better alone. */
export type Core = {
  /** Whether no coalition blocks; null where the search was given up before it was proven. */
  stable: boolean | null
  /** The coalitions with the largest t(S) above 1, ten at most and largest first; with an integer program one. */
  blocking: Deviation[]
  /** That of all groups together. */
  everybody: Deviation
  /** Whether every coalition was bounded or solved, or the blocking one searched for by integer programming. */
  method: 'every-coalition' | 'integer-program'
  /** For how many coalitions a bound was not enough, and t(S) had to be solved for. */
  solved: number
}

/** t(S) − 1 below this may be the error of the optimum. */
const TOLERANCE = 1e-6
/** A utility below this part of the largest that the group could have is none. */
const NOTHING = 1e-9
const LISTED = 10
/** Up to so many groups, and so many sums of rewards, every coalition is bounded. */
const EXACT_GROUPS = 14
const SUMS = 4e8
/** Nodes of the search among coalitions. */
const NODES = 2000

/**
 * Which coalitions could block a policy, if each could decide for its share of the population: S gets n(S) of the
 * lottery, to be spent on any policy q, and the rest goes to nobody. S blocks where each of its members has more so:
 *
 * t(S) = max { t : n(S)·x_g(q) ≥ t·x_g(p*) for all g ∈ S } > 1.
 *
 * Temperature plays no part: q may be any policy that guardrails allow. Members who have nothing at p*, or less, must not
 * have less than nothing at q. Where no coalition blocks, p* is in the core (Foley, Econometrica 38, 1970; for lotteries
 * Fain, Goel & Munagala, WINE 2016), as Nash welfare at temperature 0 always is.
 *
 * @param utilities x(p*); length G
 * @param done told which part of the coalitions that may block has been solved for
 */
export async function coreOf(
  problem: WelfareProblem,
  utilities: Float64Array,
  done: Done = untold,
): Promise<Core> {
  done(0)
  const all = Array.from(utilities, (_, g) => g)
  const everybody = deviationOf(problem, utilities, all)
  if (canEnumerate(problem)) {
    const { blocking, solved } = strongest(problem, utilities, LISTED, done)
    return { stable: blocking.length === 0, blocking, everybody, method: 'every-coalition', solved }
  }
  const { coalition, proven } = await searchCoalition(problem, utilities)
  const blocking = blocks(everybody) ? [everybody] : []
  if (coalition !== null && coalition.members.length < all.length) blocking.unshift(coalition)
  const stable = blocking.length > 0 ? false : proven ? true : null
  return { stable, blocking, everybody, method: 'integer-program', solved: coalition === null ? 1 : 2 }
}

/** Whether all groups together could do better, whatever temperature they are at. */
export function everybodyCanGain(problem: WelfareProblem, utilities: Float64Array): boolean {
  return blocks(
    deviationOf(
      problem,
      utilities,
      Array.from(utilities, (_, g) => g),
    ),
  )
}

/**
 * Whether some groups could gain more by leaving the others than all could together.
 *
 * @param problem of as few groups as {@link canEnumerate} takes
 */
export function somebodyBlocks(problem: WelfareProblem, utilities: Float64Array): boolean {
  const [strong] = strongest(problem, utilities, 1).blocking
  return strong !== undefined && strong.members.length < problem.groups
}

/** Whether there are few enough coalitions to go through them all. */
export function canEnumerate({ groups, items }: WelfareProblem): boolean {
  return groups <= EXACT_GROUPS && items * 2 ** groups <= SUMS
}

/** Whether t(S) > 1 beyond rounding. */
export function blocks({ ratio }: Deviation): boolean {
  return ratio > 1 + TOLERANCE
}

/** Solves for t(S), and computes it from the policy that is returned. */
function deviationOf(
  problem: WelfareProblem,
  utilities: Float64Array,
  members: readonly number[],
): Deviation {
  const { items, guardrails } = problem
  const population = populationOf(problem, members)
  const having = members.filter((g) => hasSome(problem, utilities, g))
  const others = members.filter((g) => !having.includes(g))
  // Where nobody has anything, each wants some: what it is worth is counted in parts of the best.
  const counted = having.length > 0 ? having : others
  const own = coalitionProblem(problem, counted)
  counted.forEach((g, k) => {
    const unit = having.length > 0 ? utilities[g] / population : largestOf(problem, g)
    for (let i = k * items; i < (k + 1) * items; i++) own.utilities[i] /= unit
  })
  const floors = having.length > 0 ? others.filter((g) => leastOf(problem, g) < 0) : []
  const costs = new Float64Array(guardrails.costs.length + floors.length * items)
  costs.set(guardrails.costs)
  floors.forEach((g, k) => {
    for (let i = 0; i < items; i++)
      costs[guardrails.costs.length + k * items + i] = -problem.utilities[g * items + i]
  })
  // A trace below nothing, lest the floor of a group whose best is nothing leave no room.
  const limits = Float64Array.of(
    ...guardrails.limits,
    ...floors.map((g) => (NOTHING / 2) * largestOf(problem, g)),
  )
  const policy = maximinPolicy({ ...own, temperature: 0, guardrails: { costs, limits } })
  if (policy === null)
    return { members: [...members], population, ratio: 0, policy: problem.reference, utilities }

  const reached = Float64Array.from(members, (g) => {
    let sum = 0
    for (let i = 0; i < items; i++) sum += problem.utilities[g * items + i] * policy[i]
    return population * sum
  })
  let ratio = Number.POSITIVE_INFINITY
  members.forEach((g, k) => {
    const least = NOTHING * largestOf(problem, g)
    if (having.includes(g)) ratio = Math.min(ratio, reached[k] / utilities[g])
    else if (having.length > 0 ? reached[k] < -least : !(reached[k] > least)) ratio = 0
  })
  return { members: [...members], population, ratio, policy, utilities: reached }
}

/** The policy whose least utility is largest; null where guardrails contradict each other. */
function maximinPolicy(problem: WelfareProblem): Float64Array | null {
  try {
    return optimise(problem, maximin).policy
  } catch (error) {
    if (error instanceof NoRoom) return null
    throw error
  }
}

function hasSome(problem: WelfareProblem, utilities: Float64Array, g: number): boolean {
  return utilities[g] > NOTHING * largestOf(problem, g)
}

function leastOf({ items, utilities }: WelfareProblem, g: number): number {
  return utilities.subarray(g * items, (g + 1) * items).reduce((a, b) => Math.min(a, b))
}

/** max_i |u_gi|, or 1 where all are 0. */
function largestOf({ items, utilities }: WelfareProblem, g: number): number {
  let largest = 0
  for (let i = g * items; i < (g + 1) * items; i++) largest = Math.max(largest, Math.abs(utilities[i]))
  return largest === 0 ? 1 : largest
}

/**
 * The coalitions of largest t(S) > 1, exactly: those with the largest bounds are solved first, until no other can be
 * among the strongest.
 */
function strongest(problem: WelfareProblem, utilities: Float64Array, wanted: number, done: Done = untold) {
  const bounds = boundsOf(problem, utilities)
  const candidates: number[] = []
  for (let coalition = 1; coalition < bounds.length; coalition++)
    if (bounds[coalition] > 1 + TOLERANCE) candidates.push(coalition)
  candidates.sort((a, b) =>
    bounds[b] > bounds[a] ? 1 : bounds[b] < bounds[a] ? -1 : sizeOf(a) - sizeOf(b) || a - b,
  )
  const found: Deviation[] = []
  let solved = 0
  for (const coalition of candidates) {
    const weakest = found[wanted - 1]
    if (
      weakest !== undefined &&
      (bounds[coalition] <= weakest.ratio || weakest.ratio === Number.POSITIVE_INFINITY)
    )
      break
    done(solved / candidates.length)
    const deviation = deviationOf(problem, utilities, membersOf(coalition))
    solved++
    if (!blocks(deviation)) continue
    found.push(deviation)
    found.sort((a, b) =>
      b.ratio > a.ratio ? 1 : b.ratio < a.ratio ? -1 : a.members.length - b.members.length,
    )
    found.length = Math.min(found.length, wanted)
  }
  return { blocking: found, solved }
}

/**
 * For each coalition, as bits, something that t(S) cannot exceed. For any weights λ that sum to 1 over the members who
 * have something, t(S) ≤ n(S)·max_q Σ_g λ_g x_g(q) / x_g(p*): here λ_g ∝ n_g, at which Nash welfare blocks nobody, and
 * all weight on one member.
 */
function boundsOf(problem: WelfareProblem, utilities: Float64Array): Float64Array {
  const { groups, items, population, utilities: u } = problem
  const having = Array.from(utilities, (_, g) => hasSome(problem, utilities, g))
  const best = Array.from(utilities, (_, g) => bestAmong(problem, u.subarray(g * items, (g + 1) * items)))
  const canHave = best.map((value, g) => value > NOTHING * largestOf(problem, g))
  const bounds = new Float64Array(2 ** groups)
  /** Σ_g n_g u_gi / x_g(p*) over the members so far, after each group; n a row. */
  const sums = Array.from({ length: groups + 1 }, () => new Float64Array(items))
  const visit = (g: number, coalition: number, { all, some, least, possible }: Members) => {
    if (g === groups) {
      if (some > 0) bounds[coalition] = all * Math.min(least, bestAmong(problem, sums[g]) / some)
      else if (all > 0 && possible) bounds[coalition] = Number.POSITIVE_INFINITY
      return
    }
    sums[g + 1].set(sums[g])
    visit(g + 1, coalition, { all, some, least, possible })
    const n = population[g]
    const joined = { all: all + n, some, least, possible: possible && canHave[g] }
    if (having[g]) {
      for (let i = 0; i < items; i++) sums[g + 1][i] += (n / utilities[g]) * u[g * items + i]
      joined.some += n
      joined.least = Math.min(least, best[g] / utilities[g])
    }
    visit(g + 1, coalition | (1 << g), joined)
  }
  visit(0, 0, { all: 0, some: 0, least: Number.POSITIVE_INFINITY, possible: true })
  return bounds
}

/** What is known of a coalition: its population, that of the members who have something, the least that one of these could gain by, and whether all members can have something. */
type Members = { all: number; some: number; least: number; possible: boolean }

/** A group that has nothing wants at least this part of its largest utility. */
const SOME = 1e-6

/**
 * A blocking coalition, if there is one, among all that there are. With r = n(S)·q and z_g for whether g is a member:
 * maximise Σ_g n_g z_g − Σ_i r_i subject to u_g·r ≥ x_g(p*) wherever z_g = 1. What is left over when every member has what
 * it has at p* is positive where, and only where, some coalition blocks.
 */
async function searchCoalition(
  problem: WelfareProblem,
  utilities: Float64Array,
): Promise<{ coalition: Deviation | null; proven: boolean }> {
  const { groups, items, population, utilities: u, contexts, guardrails } = problem
  const offsets = [0]
  const index: number[] = []
  const values: number[] = []
  const lower: number[] = []
  const upper: number[] = []
  const addRow = (
    entry: (i: number) => number,
    member: { g: number; needs: number } | null,
    low: number,
    high: number,
  ) => {
    for (let i = 0; i < items; i++) {
      const value = entry(i)
      if (value === 0) continue
      index.push(i)
      values.push(value)
    }
    if (member !== null) {
      index.push(items + member.g)
      values.push(-member.needs)
    }
    offsets.push(index.length)
    lower.push(low)
    upper.push(high)
  }
  for (let g = 0; g < groups; g++) {
    const having = hasSome(problem, utilities, g)
    const unit = having ? utilities[g] : largestOf(problem, g)
    const wanted = having ? 1 : SOME
    // Whoever is not a member may lose as much as there is to lose.
    const loss = Math.max(0, -leastOf(problem, g)) / unit
    addRow((i) => u[g * items + i] / unit, { g, needs: wanted + loss }, -loss, Number.POSITIVE_INFINITY)
  }
  for (let q = 0; q + 1 < contexts.weights.length; q++) {
    const inside = (i: number) => (i >= contexts.starts[q] && i < contexts.starts[q + 1] ? 1 : 0)
    addRow((i) => inside(i) - contexts.weights[q], null, 0, 0)
  }
  guardrails.limits.forEach((limit, k) => {
    addRow((i) => guardrails.costs[k * items + i] - limit, null, Number.NEGATIVE_INFINITY, 0)
  })
  const objective = new Float64Array(items + groups).fill(-1)
  objective.set(population, items)
  const found = await solveMixedProgram(
    {
      objective,
      rows: {
        offsets: Int32Array.from(offsets),
        index: Int32Array.from(index),
        values: Float64Array.from(values),
      },
      rowLower: Float64Array.from(lower),
      rowUpper: Float64Array.from(upper),
      binaries: groups,
    },
    NODES,
  )
  if (found === null) return { coalition: null, proven: false }
  const members = Array.from(population.keys()).filter((g) => found.x[items + g] > 0.5)
  const coalition = members.length === 0 ? null : deviationOf(problem, utilities, members)
  return coalition !== null && blocks(coalition)
    ? { coalition, proven: true }
    : { coalition: null, proven: found.proven }
}

/** The most that a policy can have of some values, guardrails left aside: Σ_q w_q max_i v_i over the items of q. */
function bestAmong({ contexts: { starts, weights } }: WelfareProblem, values: Float64Array): number {
  let sum = 0
  for (let q = 0; q < weights.length; q++) {
    let best = Number.NEGATIVE_INFINITY
    for (let i = starts[q]; i < starts[q + 1]; i++) if (values[i] > best) best = values[i]
    sum += weights[q] * best
  }
  return sum
}

function membersOf(coalition: number): number[] {
  const members: number[] = []
  for (let g = 0; coalition >> g > 0; g++) if ((coalition >> g) & 1) members.push(g)
  return members
}

function sizeOf(coalition: number): number {
  return membersOf(coalition).length
}
