import { type Certified, certify, errorOf } from '../certificate.ts'
import { gibbsInContexts, normalisedIn, reachOf } from '../contexts.ts'
import { innerStart } from '../gains.ts'
import { slackRows, valuesAt } from '../guardrails.ts'
import { maximin } from '../maximin.ts'
import { optimise } from '../optimise.ts'
import type { WelfareFunction, WelfareProblem } from '../problem.ts'
import { scalingOf } from '../scaling.ts'
import type { Found } from '../search.ts'
import { valuesOf } from '../table.ts'
import { utilitarian } from '../utilitarian.ts'
import { addBest, firstItems, hasManyItems, restrictedTo } from '../working-set.ts'
import { type Curve, orderOf } from './curve.ts'
import { type Levels, levelsOf } from './levels.ts'
import type { Equations } from './newton.ts'
import { followRanks } from './path.ts'
import { type Point, products, type RankProblem } from './point.ts'

/** An error below this is rounding. */
const ROUNDING = 1e-13
/** An error above this is worth another round. */
const ACCEPTED = 1e-10
/** A policy that follows from the weights is preferred to a closer one that does not, up to this error. */
const TIED = 1e-9
/** A path that is nearer to its end than this is lost in rounding. */
const END = 1e-16
const ROUNDS = 40
/** So many rounds take only the bends that are asked for; later ones keep all, so that the bound can only fall. */
const FRESH = 5
/** So many points without a lower error are enough. */
const PATIENCE = 5
/** Of a pair the one below this part of the other is on its way to zero. */
const NEARER = 1e-3
/** Items that are added in a round, per group. */
const ADDED = 2
/** Bends nearer to each other than this are one. */
const SAME = 1e-12
/** A rank is added where it makes this part of what the ranks of a policy make in the mean. */
const LEAST = 0.1

/**
 * Finds an optimum of a rank-dependent welfare function. Where Φ is curved it is made straight between bends, which
 * leaves fewer weights to choose from, all of them in Λ, and so a bound from above; then bends are added where the policy
 * found has its ranks, N_k, until the bound is what W is worth there.
 *
 * @throws NoRoom where no policy meets all guardrails with room to spare
 */
export function searchRanks(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  curve: Curve,
): Found | null {
  if (reachOf(problem).every((reach) => reach === 0))
    return searchIndifferent(problem, welfareFunction, curve)
  const few = hasManyItems(problem) ? searchFew(problem, welfareFunction, curve) : null
  return few !== null && errorOf(few.certified) <= TIED
    ? few
    : searchAll(problem, welfareFunction, curve, null, ROUNDS)
}

/**
 * The same among a few of many items, to which those are added that the weights found value more than all of them. Bends
 * follow from one round to the next, and are only as many as they must be when there is no item to add.
 */
function searchFew(problem: WelfareProblem, welfareFunction: WelfareFunction, curve: Curve): Found | null {
  const { groups, items, population } = problem
  const chosen = new Set(firstItems(problem))
  const values = new Float64Array(items)
  let iterations = 0
  let bends: Float64Array | null = null
  let rounds = 1
  for (let round = 0; round < ROUNDS; round++) {
    const few = Int32Array.from(chosen).sort()
    const found = searchAll(restrictedTo(problem, few), welfareFunction, curve, bends, rounds)
    if (found === null) return null
    iterations += found.iterations
    const { certified } = found
    valuesOf(problem, certified.weights, values)
    const added = addBest(chosen, values, ADDED * groups)
    if (!added && (rounds > 1 || errorOf(certified) <= ACCEPTED)) {
      const policy = new Float64Array(items)
      few.forEach((item, k) => {
        policy[item] = certified.policy[k]
      })
      return { ...found, certified: certify(problem, welfareFunction, policy, certified.weights), iterations }
    }
    rounds = added ? 1 : ROUNDS
    bends = merged(found.missed, ranksOfWeights(certified.weights, population))
  }
  return null
}

/**
 * @param first where Φ bends at first; null for the ranks of a policy in the middle
 * @param rounds of bends, at most
 * @returns the best, with the ranks that the last bends missed
 */
function searchAll(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  curve: Curve,
  first: Float64Array | null,
  rounds: number,
): (Found & { missed: Float64Array }) | null {
  const { population } = problem
  const posed = rankProblem(problem, welfareFunction)
  const { policy } = innerStart(problem, scalingOf(problem, welfareFunction, maximin.link), false)
  const middle = () => ranksAt(utilitiesUnder(problem, policy), population).ranks
  let bends = curve.bends ?? merged(Float64Array.of(1 / 2, 1), first ?? middle())
  let best: Found | null = null
  let missed: Float64Array = new Float64Array(0)
  let iterations = 0
  for (let round = 0; round < rounds; round++) {
    const { judge, found } = referee(problem, welfareFunction, posed)
    const levels = levelsOf(curve, bends, population)
    iterations += followRanks(posed.scaled, levels, policy, judge(levels))
    const { certified, tied, end } = found()
    if (certified !== null && (best === null || errorOf(certified) < errorOf(best.certified)))
      best = { certified, tied, iterations }
    if (best === null || certified === null || errorOf(best.certified) <= ACCEPTED) break
    if (curve.bends !== null) break
    // The end of the path is the optimum of the straightened Φ, which may be elsewhere than the best policy on the way.
    missed = new Float64Array(0)
    for (const x of [end, certified.utilities])
      missed = merged(missed, missedRanks(curve, bends, x, population))
    const asked = merged(missed, ranksOfWeights(certified.weights, population))
    const all = merged(bends, asked)
    if (all.length === bends.length) break
    bends = round < FRESH ? asked : all
  }
  return best === null ? null : { ...best, missed, iterations }
}

/** The optimum where no policy changes a utility: the weights are those of the ranks that all policies have. */
function searchIndifferent(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  { rise }: Curve,
): Found {
  const { population, reference } = problem
  const { order, ranks } = ranksAt(utilitiesUnder(problem, reference), population)
  const fixed = new Float64Array(population.length)
  order.forEach((g, k) => {
    fixed[g] = rise(k === 0 ? 0 : ranks[k - 1], ranks[k])
  })
  const ofRanks: WelfareFunction = {
    ...utilitarian,
    value: (x) => x.reduce((sum, value, g) => sum + fixed[g] * value, 0),
    project: (weights) => weights.set(fixed),
  }
  const { policy, prices, supportOnly, certificate } = optimise(problem, ofRanks)
  const certified = certify(problem, welfareFunction, policy, fixed, prices)
  return { certified, iterations: certificate.iterations, tied: !supportOnly }
}

/** A problem in units of its welfare, and of the slacks of each guardrail. */
type Posed = { scaled: RankProblem; unit: number; sizes: Float64Array }

function rankProblem(problem: WelfareProblem, welfareFunction: WelfareFunction): Posed {
  const { groups, items, utilities, population, reference, contexts, temperature } = problem
  const slacks = slackRows(problem)
  const count = problem.guardrails.limits.length
  const largest = (table: Float64Array, row: number) =>
    table.subarray(row * items, (row + 1) * items).reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const reach = Float64Array.from({ length: groups }, (_, g) => largest(utilities, g))
  const least = reach.reduce((low, size) => (size > 0 ? Math.min(low, size) : low), Number.POSITIVE_INFINITY)
  const sizes = Float64Array.from({ length: count }, (_, k) => largest(slacks, k) || 1)
  const unit = Number.isFinite(least)
    ? welfareFunction.value(
        reach.map((size) => size || least),
        population,
      )
    : 1
  const table = new Float64Array((groups + count) * items)
  for (let at = 0; at < utilities.length; at++) table[at] = utilities[at] / unit
  for (let at = 0; at < slacks.length; at++)
    table[utilities.length + at] = slacks[at] / sizes[Math.floor(at / items)]
  const scaled = {
    groups: groups + count,
    people: groups,
    items,
    utilities: table,
    population,
    reference,
    temperature: temperature / unit,
    contexts,
  }
  return { scaled, unit, sizes }
}

/** Certifies points in the problem's own units, and keeps the best. */
function referee(problem: WelfareProblem, welfareFunction: WelfareFunction, { unit, sizes }: Posed) {
  const { groups, items, temperature, contexts } = problem
  const slacks = slackRows(problem)
  const best: Record<'free' | 'tied', Certified | null> = { free: null, tied: null }
  const lower = (
    kind: 'free' | 'tied',
    policy: Float64Array,
    weights: Float64Array,
    prices: Float64Array,
  ) => {
    const certified = certify(problem, welfareFunction, policy, weights, prices, slacks)
    const last = best[kind]
    if (last !== null && !(errorOf(certified) < errorOf(last))) return false
    if (Number.isFinite(errorOf(certified))) best[kind] = certified
    return true
  }
  let end: Float64Array = new Float64Array(groups)
  const judge = (levels: Levels) => {
    let stale = 0
    return (at: Point, { weights }: Equations) => {
      const policy = normalisedIn(contexts, at.policy)
      if (products(at).sum > END) end = utilitiesUnder(problem, policy)
      const prices = at.prices.map((price, k) => (price * unit) / sizes[k])
      // In the limit a price is nothing where its guardrail has slack.
      const paid = prices.map((price, k) => (at.prices[k] < NEARER * at.slacks[k] ? 0 : price))
      const candidates = [
        { candidate: weights.slice(0, groups), prices },
        { candidate: limitOf(problem, levels, at), prices: paid },
      ]
      stale++
      for (const { candidate, prices } of candidates) {
        if (lower('free', policy, candidate, prices)) stale = 0
        if (temperature === 0) continue
        welfareFunction.project(candidate, problem.population)
        const tied = new Float64Array(items)
        gibbsInContexts(problem, valuesAt(problem, slacks, candidate, prices), tied)
        if (lower('tied', tied, candidate, prices)) stale = 0
      }
      const last = (temperature > 0 ? best.tied : best.free) ?? best.free
      const error = last === null ? Number.POSITIVE_INFINITY : errorOf(last)
      return error <= ROUNDING || stale > (error <= TIED ? PATIENCE : 10 * PATIENCE)
    }
  }
  const found = (): { certified: Certified | null; tied: boolean; end: Float64Array } => {
    const { free, tied } = best
    if (tied !== null && (free === null || errorOf(tied) <= Math.max(TIED, errorOf(free))))
      return { certified: tied, tied: true, end }
    return { certified: free, tied: false, end }
  }
  return { judge, found }
}

/** The weights at which parts that the path takes to zero, or to their caps, are there. */
function limitOf({ groups, population }: WelfareProblem, levels: Levels, at: Point): Float64Array {
  const weights = population.map((n) => levels.mean * n)
  for (let e = 0; e < at.parts.length; e++) {
    if (at.parts[e] < NEARER * at.above[e]) continue
    weights[e % groups] += at.rests[e] < NEARER * at.below[e] ? levels.caps[e] : at.parts[e]
  }
  return weights
}

function utilitiesUnder({ groups, items, utilities: u }: WelfareProblem, policy: Float64Array): Float64Array {
  return Float64Array.from({ length: groups }, (_, g) => {
    let sum = 0
    for (let i = 0; i < items; i++) sum += u[g * items + i] * policy[i]
    return sum
  })
}

/** N_k, the population of the k worst off, for all k. */
function ranksAt(x: Float64Array, population: Float64Array): { order: number[]; ranks: Float64Array } {
  let sum = 0
  const order = orderOf(x)
  const ranks = order.map((g) => {
    sum += population[g]
    return Math.min(sum, 1)
  })
  return { order, ranks: Float64Array.from(ranks) }
}

/** The ranks in the order of the weights per person: bends there leave room for just these weights. */
function ranksOfWeights(weights: Float64Array, population: Float64Array): Float64Array {
  const order = weights.map((weight, g) => -weight / population[g])
  return ranksAt(order, population).ranks
}

/**
 * The ranks of a policy at which Φ is more than its straight pieces, by as much as makes a difference to W there: the sum
 * over ranks of (Φ(N_k) − Φ̃(N_k))·(x_(k+1) − x_(k)) is by how much the bound is too large.
 */
function missedRanks(
  { rise }: Curve,
  bends: Float64Array,
  x: Float64Array,
  population: Float64Array,
): Float64Array {
  const { order, ranks } = ranksAt(x, population)
  const excess = ranks.map((rank, k) => {
    if (k + 1 === ranks.length) return 0
    const after = bends.findIndex((bend) => bend >= rank)
    if (after < 0) return 0
    const [low, high] = [after === 0 ? 0 : bends[after - 1], bends[after]]
    const straight = (rise(low, high) * (rank - low)) / (high - low)
    return (rise(low, rank) - straight) * (x[order[k + 1]] - x[order[k]])
  })
  const total = excess.reduce((a, b) => a + b, 0)
  return ranks.filter((_, k) => excess[k] > 0 && excess[k] >= (LEAST * total) / ranks.length)
}

/** Both lists in one, ascending, without what is there already. */
function merged(bends: Float64Array, more: Float64Array): Float64Array {
  const all = Array.from(bends)
  for (const bend of more) {
    if (bend > SAME && !all.some((other) => Math.abs(other - bend) <= SAME)) all.push(bend)
  }
  return Float64Array.from(all).sort()
}
