import { Problem } from '../problem.ts'
import { certify } from './certificate.ts'
import { NoGains } from './gains.ts'
import { oneContext, type WelfareFunction, type WelfareProblem } from './problem.ts'
import { type Found, searchAmongAll } from './search.ts'
import { rangesOf, valuesOf } from './table.ts'

/** Items to start from, per group: the best of each, of the mean, and for the worst off. */
const FIRST = { own: 2, mean: 1, least: 3 }
/** Below so many items per group there is nothing to save. */
const WORTHWHILE = 12
const ROUNDS = 100
/** Items that are added in a round, per group. */
const ADDED = 2

/**
 * Whether an optimum at temperature 0 is better sought among a few of the items: of one context without guardrails, where
 * any few items have policies, and few are enough.
 */
export function hasManyItems({ groups, items, temperature, contexts, guardrails }: WelfareProblem): boolean {
  const plain = contexts.weights.length === 1 && guardrails.limits.length === 0
  return plain && temperature === 0 && items > WORTHWHILE * (groups + 1)
}

/**
 * Finds an optimum at temperature 0, of one context without guardrails, among a few of many items (column generation: Dantzig & Wolfe, Oper. Res. 8, 1960):
 * an optimal policy needs at most one item more than there are groups. Starts from the items that are best for single
 * groups, for their mean and for the worst off; solves for them; adds those whose aggregated reward at the weights found
 * is above all of theirs; and so on until there are none: then the duality gap of the few is that of all.
 *
 * @returns the optimum with its certificate on all items, or null where the few lead nowhere
 * @throws NoGains with a proof that holds for all items
 */
export function searchAmongFew(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  linkOf: NonNullable<WelfareFunction['link']>,
): Found | null {
  const { groups, items } = problem
  const chosen = new Set(firstItems(problem))
  const values = new Float64Array(items)
  let iterations = 0
  for (let round = 0; round < ROUNDS; round++) {
    const few = Int32Array.from(chosen).sort()
    const part = searchPart(restrictedTo(problem, few), welfareFunction, linkOf)
    if (part === null) return null
    iterations += part.found?.iterations ?? 0
    valuesOf(problem, part.weights, values)
    if (addBest(chosen, values, ADDED * groups)) continue
    if (part.found === null) throw part.refusal
    const policy = new Float64Array(items)
    few.forEach((item, k) => {
      policy[item] = part.found.certified.policy[k]
    })
    return {
      ...part.found,
      certified: certify(problem, welfareFunction, policy, part.weights),
      iterations,
    }
  }
  return null
}

/** The optimum of the few, or the proof that they give no gains to all, with the weights of either; or null. */
function searchPart(
  part: WelfareProblem,
  welfareFunction: WelfareFunction,
  linkOf: NonNullable<WelfareFunction['link']>,
) {
  try {
    const found = searchAmongAll(part, welfareFunction, linkOf)
    return found === null ? null : { found, weights: found.certified.weights, refusal: null }
  } catch (refusal) {
    if (refusal instanceof NoGains) return { found: null, weights: refusal.weights, refusal }
    // What is beyond double precision for the few may not be so for all.
    if (refusal instanceof Problem) return null
    throw refusal
  }
}

/** The items that are best for each group, for the mean of all, and for whoever has least, in units of their ranges. */
export function firstItems(problem: WelfareProblem): number[] {
  const { groups, items, utilities: u } = problem
  const ranges = rangesOf(problem)
  const mean = new Float64Array(items)
  const least = new Float64Array(items).fill(Number.POSITIVE_INFINITY)
  const best: number[] = []
  for (let g = 0; g < groups; g++) {
    const row = u.subarray(g * items, (g + 1) * items)
    const range = ranges[g] > 0 ? ranges[g] : 1
    for (let i = 0; i < items; i++) {
      const value = row[i] / range
      mean[i] += value
      if (value < least[i]) least[i] = value
    }
    best.push(...largestOf(row, FIRST.own))
  }
  return [...best, ...largestOf(mean, FIRST.mean * groups), ...largestOf(least, FIRST.least * groups)]
}

/** Adds the items of the largest values that are not chosen yet, if they exceed those of all that are. */
export function addBest(chosen: Set<number>, values: Float64Array, most: number): boolean {
  let level = Number.NEGATIVE_INFINITY
  for (const item of chosen) if (values[item] > level) level = values[item]
  const before = chosen.size
  for (const item of largestOf(values, most)) if (values[item] > level) chosen.add(item)
  return chosen.size > before
}

/** The indices of the largest values, as many as wanted, by insertion: most values are beaten by all that are kept. */
function largestOf(values: Float64Array, wanted: number): number[] {
  const kept: number[] = []
  for (let i = 0; i < values.length; i++) {
    if (kept.length === wanted && values[i] <= values[kept[wanted - 1]]) continue
    let place = kept.length < wanted ? kept.length : wanted - 1
    while (place > 0 && values[kept[place - 1]] < values[i]) {
      kept[place] = kept[place - 1]
      place--
    }
    kept[place] = i
  }
  return kept
}

/** The same problem with only some of the items. */
export function restrictedTo(problem: WelfareProblem, few: Int32Array): WelfareProblem {
  const { groups, items, utilities: u, reference } = problem
  const utilities = new Float64Array(groups * few.length)
  for (let g = 0; g < groups; g++)
    for (let k = 0; k < few.length; k++) utilities[g * few.length + k] = u[g * items + few[k]]
  let sum = 0
  for (const item of few) sum += reference[item]
  return {
    ...problem,
    items: few.length,
    contexts: oneContext(few.length),
    utilities,
    reference: Float64Array.from(few, (item) => reference[item] / sum),
  }
}
