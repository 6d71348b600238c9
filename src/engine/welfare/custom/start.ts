import { Problem } from '../../problem.ts'
import { NO_GUARDRAILS, type WelfareProblem } from '../problem.ts'
import { type Certified, certify, errorOf, tangentAt } from './certificate.ts'
import { columnsOf, imageOf, rowRanges } from './columns.ts'
import { differentiate, evaluateLifted, type Lifted, lift } from './constraints.ts'
import { type Entries, evaluate, newEntries } from './evaluate.ts'
import { climb, type Start } from './interior-point.ts'
import { forEachContext } from './newton.ts'
import { branchOf, type Domain, type Kink, kinksOf, type Program, type Step, trimmed } from './program.ts'

/** What must be positive is so from here on, in units of the largest that its terms can be; fitted rewards are no more exact … */
const SOME = 1e-9
/** … and is not where it is proven to be below this. */
const NONE = 1e-8
/** The least part of what varies that is left as room: scales of groups are no further apart. */
const SMALLEST = 1e-36
/** No phase is needed where all is above this. */
const PLENTY = 1e-6

/**
 * No policy makes all of what must be positive so: at the tangent of the least of them, in units of their own, no policy
 * reaches more than `bound`, which is 0 but for rounding.
 */
export class OutOfDomain extends Error {
  readonly proof: Certified
  readonly bound: number
  /** The sub-expressions that the proof is about; none where it is the guardrails that cannot be kept. */
  readonly parts: readonly string[]

  constructor(proof: Certified, bound: number, parts: readonly string[]) {
    super('no policy reaches the domain of the welfare function')
    this.proof = proof
    this.bound = bound
    this.parts = parts
  }
}

/**
 * A policy at which all guardrails are kept and all that the program needs to be positive is so, and cells to go with it:
 * the middle policy where that will do, or else one from the path to the largest least.
 *
 * @throws OutOfDomain
 */
export function startOf(problem: WelfareProblem, lifted: Lifted): Start {
  const { program } = lifted
  const kept = withinGuardrails(problem, middleOf(problem))
  const deepest = program.domain.reduce((most, { depth }) => Math.max(most, depth), 0)
  let policy = kept
  for (let depth = 1; depth <= deepest; depth++) {
    const domain = program.domain
      .filter((needed) => needed.depth <= depth)
      .flatMap((needed) => unfolded(program, needed))
    const goal = leastOfDomain(problem, program, domain, policy)
    const reached = phase(problem, goal, policy)
    if (reached.policy === null)
      throw new OutOfDomain(reached.proof, reached.bound, partsOf({ proof: reached.proof, domain }))
    policy = reached.policy
  }
  return { policy, cells: cellsAt(problem, lifted, policy) }
}

/** Half of it uniform in each context, and half the reference. */
function middleOf(problem: WelfareProblem): Float64Array {
  const policy = new Float64Array(problem.items)
  forEachContext(problem, (q, from, to) => {
    const share = problem.contexts.weights[q] / (to - from)
    for (let i = from; i < to; i++) policy[i] = (share + problem.reference[i]) / 2
  })
  return policy
}

/** A policy that keeps all limits with room to spare. */
function withinGuardrails(problem: WelfareProblem, policy: Float64Array): Float64Array {
  const { items, groups, guardrails } = problem
  const count = guardrails.limits.length
  if (count === 0) return policy
  const ranges = rowRanges(columnsOf(problem)).subarray(groups)
  // τ − Cp is linear in p, whose entries sum to 1: what is left of each limit is a group's utility.
  const room: WelfareProblem = {
    ...problem,
    groups: count,
    utilities: guardrails.costs.map((cost, at) => {
      const k = Math.floor(at / items)
      return (guardrails.limits[k] - cost) / (ranges[k] || Math.abs(guardrails.limits[k]) || 1)
    }),
    population: new Float64Array(count).fill(1 / count),
    guardrails: NO_GUARDRAILS,
  }
  const steps: Step[] = [{ op: 'utilities', vector: true }]
  steps.push(leastWithin(0, count))
  const reached = phase(room, { groups: count, steps, root: 1, domain: [] }, policy)
  if (reached.policy === null) throw new OutOfDomain(reached.proof, reached.bound, [])
  return reached.policy
}

/** A policy at which a program is positive, or the proof that there is none. */
function phase(
  problem: WelfareProblem,
  program: Program,
  from: Float64Array,
): { policy: Float64Array; proof: null; bound: 0 } | { policy: null; proof: Certified; bound: number } {
  const relaxed = { ...problem, temperature: 0 }
  const lifted = lift(program)
  const values = newEntries(program)
  evaluate(program, imageOf(columnsOf(problem), from).subarray(0, program.groups), { as: 'exact' }, values)
  if (values[program.root][0] > PLENTY) return { policy: from, proof: null, bound: 0 }

  let found: Float64Array | null = null
  let proof: Certified | null = null
  let bound = Number.POSITIVE_INFINITY
  climb(relaxed, lifted, { policy: from, cells: cellsAt(relaxed, lifted, from) }, (point) => {
    const tangent = tangentAt(lifted, point.utilities, point.multipliers, point.prices)
    const certified = certify(relaxed, program, point.policy, tangent)
    const { welfare, gap } = certified
    if (welfare > SOME && gap <= welfare) found = point.policy
    if (welfare + gap < bound) {
      bound = welfare + gap
      proof = certified
    }
    return found !== null || bound < -NONE || errorOf(certified) < 1e-14
  })
  if (found !== null) return { policy: found, proof: null, bound: 0 }
  if (proof !== null && bound <= NONE) return { policy: null, proof, bound }
  throw new Problem(
    'not-converged',
    'Whether some policy reaches the domain of the welfare function is beyond double precision.',
  )
}

/** The least of some numbers is positive where each is, whatever the units of the others. */
function unfolded(program: Program, needed: Domain): Domain[] {
  const step = program.steps[needed.step]
  return step.op === 'least'
    ? step.of.flatMap((part) => unfolded(program, { ...needed, step: part }))
    : [needed]
}

/** The program of the least of what must be positive, in units of the largest that the terms of each can be. */
function leastOfDomain(
  problem: WelfareProblem,
  program: Program,
  domain: readonly Domain[],
  policy: Float64Array,
): Program {
  const { groups } = program
  const steps = [...program.steps]
  const sizes = sizesOf(problem, program, policy)
  const parts = domain.map(({ step }) => {
    const { vector } = program.steps[step]
    const factors = sizes[step].map((size) => 1 / size)
    const scaled = steps.push({ op: 'scale', of: step, factors, vector }) - 1
    return vector ? steps.push(leastWithin(scaled, groups)) - 1 : scaled
  })
  const root = steps.push(leastOf(parts)) - 1
  const deepest = domain.reduce((most, { depth }) => Math.max(most, depth), 0)
  return trimmed({ groups, steps, root, domain: domain.filter(({ depth }) => depth < deepest) })
}

/** The least entry of a vector. */
function leastWithin(step: number, groups: number): Kink {
  return {
    op: 'least',
    of: [step],
    within: true,
    vector: false,
    cell: 0,
    cells: 1,
    branch: 0,
    branches: groups,
  }
}

/** The least of several numbers. */
function leastOf(of: readonly number[]): Kink {
  return { op: 'least', of, within: false, vector: false, cell: 0, cells: 1, branch: 0, branches: of.length }
}

/** How large the terms can be that each entry of each step is the sum of; positive. */
function sizesOf(problem: WelfareProblem, program: Program, policy: Float64Array): Entries {
  const { groups, items, utilities: u } = problem
  const values = newEntries(program)
  evaluate(program, imageOf(columnsOf(problem), policy).subarray(0, groups), { as: 'exact' }, values)
  const largest = new Float64Array(groups)
  for (let g = 0; g < groups; g++)
    for (let i = 0; i < items; i++) largest[g] = Math.max(largest[g], Math.abs(u[g * items + i]))
  const sizes = newEntries(program)
  program.steps.forEach((step, s) => {
    const own = sizes[s]
    const at = (part: number, g: number) => sizes[part][sizes[part].length === 1 ? 0 : g]
    for (let g = 0; g < own.length; g++) {
      if (step.op === 'utilities') own[g] = largest[g]
      else if (step.op === 'utility') own[g] = largest[step.group]
      else if (step.op === 'scale')
        own[g] = Math.abs(step.factors[step.factors.length === 1 ? 0 : g]) * at(step.of, g)
      else if (step.op === 'add') own[g] = step.of.reduce((sum, part) => sum + at(part, g), 0)
      else if (step.op === 'sum')
        own[g] = step.weights.reduce((sum, weight, k) => sum + weight * at(step.of, k), 0)
      else if (step.op === 'least' || step.op === 'greatest')
        own[g] = step.of.reduce(
          (most, part) => (step.within ? Math.max(most, ...sizes[part]) : Math.max(most, at(part, g))),
          0,
        )
      else own[g] = Math.abs(values[s][g])
    }
  })
  return sizes.map((own) => own.map((size) => (size > 0 && Number.isFinite(size) ? size : 1)))
}

/** The sub-expressions of a domain that have a part in a proof. */
function partsOf({ proof, domain }: { proof: Certified; domain: readonly Domain[] }): string[] {
  const { shares } = proof.tangent
  const last = shares.subarray(shares.length - domain.length)
  return domain.filter((_, d) => last[d] > 1e-6).map(({ text }) => text)
}

/**
 * Values for the cells at a policy that leave all branches and the domain some room: each below the least of its branches
 * (or above the greatest) by about as much as they vary with the policy, or less where the domain wants it.
 */
function cellsAt(problem: WelfareProblem, lifted: Lifted, policy: Float64Array): Float64Array {
  const { program, constraints, cells: count } = lifted
  const columns = columnsOf(problem)
  const x = imageOf(columns, policy).subarray(0, program.groups)
  const ranges = rowRanges(columns)
  const none = new Float64Array(constraints.length)
  const exact = cellsBelow(program, x, new Float64Array(count))
  const { jacobian } = differentiate(lifted, exact, evaluateLifted(lifted, x, exact), none)
  const width = program.groups + count
  const variation = new Float64Array(count)
  constraints.forEach(({ cell }, j) => {
    if (cell < 0) return
    let sum = 0
    for (let g = 0; g < program.groups; g++) sum += Math.abs(jacobian[j * width + g]) * ranges[g]
    variation[cell] = Math.max(variation[cell], sum)
  })
  const most = variation.reduce((a, b) => Math.max(a, b), 0)
  for (let part = 0.5; part > SMALLEST; part /= 2) {
    const margins = variation.map((own) => part * (own > 0 ? own : most > 0 ? most : 1))
    const cells = cellsBelow(program, x, margins)
    const { slacks, objective } = evaluateLifted(lifted, x, cells)
    if (Number.isFinite(objective) && slacks.every((slack) => slack > 0)) return cells
  }
  throw new Problem(
    'not-converged',
    'The welfare function has no finite value at a policy in the middle of its domain: its numbers overflow, or are lost in ' +
      'rounding. Bring its constants closer together, or choose a scale such as unit-range.',
  )
}

/** The result of each kink at x, from results of the earlier ones, moved by a margin to where its branches leave it room. */
function cellsBelow(program: Program, x: Float64Array, margins: Float64Array): Float64Array {
  const cells = new Float64Array(margins.length)
  const values = newEntries(program)
  for (const kink of kinksOf(program)) {
    evaluate(program, x, { as: 'free', cells }, values)
    for (let c = 0; c < kink.cells; c++) {
      const branches = Array.from({ length: kink.branches }, (_, b) => {
        const { step, entry } = branchOf(kink, c, b)
        return values[step][values[step].length === 1 ? 0 : entry]
      })
      const margin = margins[kink.cell + c]
      cells[kink.cell + c] =
        kink.op === 'least' ? Math.min(...branches) - margin : Math.max(...branches) + margin
    }
  }
  return cells
}
