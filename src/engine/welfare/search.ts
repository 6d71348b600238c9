import { type Certified, certify, errorOf } from './certificate.ts'
import { gibbsInContexts, normalisedIn, reachOf } from './contexts.ts'
import { innerStart } from './gains.ts'
import { slackRows, valuesAt } from './guardrails.ts'
import { followCentralPath, type Start } from './interior-point.ts'
import { copyOf, type Iterate } from './iterate.ts'
import { polish } from './polish.ts'
import type { WelfareFunction, WelfareProblem } from './problem.ts'
import { type Scaling, scalingOf } from './scaling.ts'
import { utilitiesOf } from './table.ts'

/** An optimum as far as it could be proven. */
export type Found = {
  certified: Certified
  iterations: number
  /** Whether the policy is the one that follows from the weights; else they only support it. */
  tied: boolean
}

/** An error below this is rounding; an iterate that is nearer to the end of the path is then the better one. */
const ROUNDING = 1e-13
/** An error above this is worth another attempt. */
const ACCEPTED = 1e-9
const ATTEMPTS = 3

/**
 * Finds an optimum over all items of a problem.
 *
 * @throws NoGains where W needs gains that no policy gives to every group
 * @throws NoRoom where no policy meets all guardrails with room to spare
 */
export function searchAmongAll(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  linkOf: NonNullable<WelfareFunction['link']>,
): Found | null {
  const scaling = scalingOf(problem, welfareFunction, linkOf)
  return search(problem, welfareFunction, scaling, innerStart(problem, scaling, welfareFunction.needsGains))
}

/**
 * Follows the central path and certifies every iterate in the problem's own units; where that ends too early, again from
 * elsewhere.
 *
 * @returns the best, or null where nothing could be certified at all
 */
function search(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  scaling: Scaling,
  start: Start,
): Found | null {
  const { scaled, link } = scaling
  const warm = problem.temperature > 0
  let answer: Found | null = null
  let iterations = 0
  let from = start
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const free = referee(problem, welfareFunction, scaling, ({ policy }) =>
      normalisedIn(problem.contexts, policy),
    )
    iterations += followCentralPath(scaled, link, from, free.judge)
    const { certified, iterate } = free.best
    if (certified !== null && !warm) answer = better(answer, { certified, iterations, tied: false })
    if (certified !== null && iterate !== null && warm) {
      // A policy that follows from the weights is what they are for, and is preferred to a closer one that does not.
      const tied = referee(problem, welfareFunction, scaling, (_, values) => gibbsOf(problem, values()))
      iterations += polish(scaled, link, iterate, tied.judge)
      if (
        tied.best.certified !== null &&
        errorOf(tied.best.certified) <= Math.max(10 * ACCEPTED, errorOf(certified))
      )
        answer = better(answer, { certified: tied.best.certified, iterations, tied: true })
      else answer = better(answer, { certified, iterations, tied: false })
    }
    if (answer !== null && errorOf(answer.certified) <= ACCEPTED) break
    from = between(start, iterate, attempt / ATTEMPTS, problem.reference)
  }
  return answer === null ? null : { ...answer, iterations }
}

function better(one: Found | null, other: Found): Found {
  return one === null || errorOf(other.certified) < errorOf(one.certified) ? other : one
}

/** Certifies iterates, and keeps the best. */
function referee(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  scaling: Scaling,
  policyOf: (iterate: Iterate, values: () => Float64Array) => Float64Array,
) {
  const best: { certified: Certified | null; iterate: Iterate | null } = { certified: null, iterate: null }
  let error = Number.POSITIVE_INFINITY
  let lastGap = Number.POSITIVE_INFINITY
  let stale = 0
  const slacks = slackRows(problem)
  const candidates = candidatesOf(problem, welfareFunction, scaling)
  const judge = (iterate: Iterate, gap: number) => {
    stale++
    for (const { weights, prices } of candidates(iterate)) {
      const values = () => valuesAt(problem, slacks, weights, prices)
      const policy = policyOf(iterate, values)
      const certified = certify(problem, welfareFunction, policy, weights, prices, slacks)
      if (!(errorOf(certified) < Math.max(ROUNDING, error))) continue
      if (errorOf(certified) < error) stale = 0
      error = errorOf(certified)
      best.certified = certified
      best.iterate = copyOf(scaling.scaled, iterate)
    }
    const settled = gap < 1e-20 || gap > 0.3 * lastGap
    lastGap = gap
    return (error <= ROUNDING && settled) || (error <= ACCEPTED && stale > 5)
  }
  return { judge, best }
}

/** The weights and prices, in the problem's own units and within their dual set, that an iterate stands for. */
function candidatesOf(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  { link, sizes, unit }: Scaling,
): (iterate: Iterate) => { weights: Float64Array; prices: Float64Array }[] {
  const { groups, population } = problem
  const still = stillWeights(problem, welfareFunction, link)
  return ({ weights: scaledWeights, partner, utilities }) => {
    const all = scaledWeights.map((weight, g) => (weight * unit) / sizes[g])
    const list = [all]
    // Of a weight or price that the path takes to zero, only zero itself is the limit.
    const vanishes = scaledWeights.map((weight, g) => {
      if (g >= groups) return weight < 1e-3 * utilities[g] ? 1 : 0
      return link.pairedTo === 'weights' && weight < 1e-3 * partner[g] ? 1 : 0
    })
    if (vanishes.includes(1)) list.push(all.map((w, g) => (vanishes[g] ? 0 : w)))
    const candidates = list.map((w) => ({ weights: w.slice(0, groups), prices: w.slice(groups) }))
    if (still !== null) candidates.push({ weights: still.slice(), prices: candidates[0].prices.map(() => 0) })
    for (const { weights } of candidates) welfareFunction.project(weights, population)
    return candidates
  }
}

/**
 * Weights that the path only tends to, because utilities that no policy moves decide: all weight to the worst off of the
 * groups who have such, which may cap a minimum; and ∇W where no group has others.
 */
function stillWeights(
  problem: WelfareProblem,
  { gradient }: WelfareFunction,
  link: Scaling['link'],
): Float64Array | null {
  const { groups, population, reference } = problem
  const still = reachOf(problem).map((reach) => (reach === 0 ? 1 : 0))
  if (!still.includes(1)) return null
  const x = new Float64Array(groups)
  utilitiesOf(problem, reference, x)
  if (gradient !== undefined) return still.includes(0) ? null : gradient(x, population)
  if (link.curved > 0) return null
  const least = x.reduce((low, value, g) => (still[g] ? Math.min(low, value) : low), Number.POSITIVE_INFINITY)
  const worst = x.findIndex((value, g) => still[g] === 1 && value === least)
  return x.map((_, g) => (g === worst ? 1 : 0))
}

/** The policy that follows from values at a temperature above 0. */
function gibbsOf(problem: WelfareProblem, values: Float64Array): Float64Array {
  const policy = new Float64Array(problem.items)
  gibbsInContexts(problem, values, policy)
  return policy
}

/** A part of the way from a start to an iterate. */
function between(start: Start, iterate: Iterate | null, part: number, reference: Float64Array): Start {
  const policy = start.policy.map((share, i) => share + part * ((iterate?.policy[i] ?? share) - share))
  return { policy, tilt: policy.map((share, i) => Math.log(share / reference[i])) }
}
