import { pricedProgramSolver } from '../numeric/linear-program.ts'
import { certify } from './certificate.ts'
import { reachOf } from './contexts.ts'
import { type Raised, raiseGap, raiseLeast } from './floors.ts'
import { leastDivergence } from './least-divergence.ts'
import { maximin } from './maximin.ts'
import { notConverged, optimise } from './optimise.ts'
import type { Optimum, WelfareFunction, WelfareProblem } from './problem.ts'
import { utilitiesOf } from './table.ts'

/** A multiplier below this part of all, in units of the groups' reach, may be none. */
const POSITIVE = 1e-9
/** The certificate that an answer needs. */
const ERROR_LIMIT = 1e-8
/** A level with a smaller relative gap needs no second attempt. */
const ENOUGH = 1e-10
/** The nearest policy may cost a level so much. */
const PRICE = 1e-9

/** One level: the groups that were raised together, and the multipliers that prove how far. */
type Level = { raised: Uint8Array; multipliers: Omit<Raised, 'policy'> }

/**
 * Leximin: the policy under which the worst off has as much as can be; among those, the second worst off; and so on. The
 * worst off of all who are free are raised until their multipliers show who of them can have no more; those keep what they
 * have, and the others are raised further. x* is unique.
 *
 * Every level has multipliers of its own, at which the policy has the items of the largest value; so it has at any mixture
 * of them, and one in which every level has a part supports the policy with a positive weight for every group. The gap is
 * the largest of those of all levels: by how much more the free could have, if those below keep what this policy gives
 * them.
 *
 * At β > 0 leximin compares x_g − β KL(p‖π). The first level has a single best policy there, which is the maximin's.
 *
 * @throws NoRoom where no policy meets all guardrails with room to spare
 * @throws Problem `not-converged` where a level cannot be proven to 1e-8
 */
export async function leximin(problem: WelfareProblem): Promise<Optimum> {
  const first = optimise(problem, maximin)
  if (problem.temperature > 0) return first
  const { groups } = problem
  const reach = reachOf(problem)
  const free = new Uint8Array(groups).fill(1)
  const floors = new Float64Array(groups)
  const levels: Level[] = []
  let found: Raised = first
  let x = first.utilities
  if (first.certificate.relativeGap > ENOUGH) await raise()
  for (;;) {
    levels.push({ raised: free.slice(), multipliers: found })
    settle(found.weights)
    // Those whom no policy moves have what they have.
    for (let g = 0; g < groups; g++) if (free[g] === 1 && reach[g] === 0) fix(g)
    if (!free.includes(1)) break
    await raise()
  }

  const { weights, prices } = mixtureOf(levels, reach)
  const supporting: WelfareFunction = {
    value: (x) => x.reduce((sum, value, g) => sum + weights[g] * value, 0),
    project: () => {},
    needsGains: false,
    weightlessFrom: () => Number.POSITIVE_INFINITY,
    link: null,
  }
  const proven = certify(problem, supporting, found.policy, weights, prices)
  const nearest =
    levels.length === 1 && weights.every((weight, g) => weight > 0 || reach[g] === 0)
      ? { certified: proven, unique: first.certificate.unique }
      : leastDivergence(problem, supporting, proven)
  let { certified } = nearest
  let { gap, relativeGap } = gapsUnder(certified.policy, levels)
  const before = gapsUnder(proven.policy, levels)
  if (!(relativeGap <= Math.max(PRICE, before.relativeGap))) {
    // What supports all levels together does not see a little of one that is exchanged for much of another.
    certified = proven
    ;({ gap, relativeGap } = before)
  }
  gap = Math.max(gap, certified.gap)
  relativeGap = Math.max(relativeGap, certified.relativeGap)
  if (!(relativeGap + certified.primalResidual <= ERROR_LIMIT))
    throw notConverged({ ...certified, relativeGap })
  return {
    weights,
    prices,
    policy: certified.policy,
    utilities: certified.utilities,
    welfare: maximin.value(certified.utilities),
    supportOnly: true,
    certificate: { gap, relativeGap, iterations: first.certificate.iterations, unique: nearest.unique },
  }

  /** Raises the free as far as they go from the policy found. */
  async function raise(): Promise<void> {
    // The others keep what the policy found gives them: a hair less than before, of which the certificate knows.
    for (let g = 0; g < groups; g++) if (free[g] === 0) floors[g] = Math.min(floors[g], x[g])
    const enough = gapsUnder(found.policy, levels).relativeGap + ENOUGH
    const next = raiseLeast(
      problem,
      { raised: free, floors },
      found.policy,
      errorWith,
      enough,
      await pricedProgramSolver(),
    )
    if (next === null) throw notConverged(null)
    found = next
    x = new Float64Array(groups)
    utilitiesOf(problem, found.policy, x)
  }

  /** The largest gaps of levels under a policy. */
  function gapsUnder(policy: Float64Array, of: readonly Level[]): { gap: number; relativeGap: number } {
    let gap = 0
    let relativeGap = 0
    for (const { raised, multipliers } of of) {
      const level = raiseGap(problem, raised, { ...multipliers, policy })
      gap = Math.max(gap, level.gap)
      relativeGap = Math.max(relativeGap, level.gap === 0 ? 0 : level.gap / level.size)
    }
    return { gap, relativeGap }
  }

  /** The largest relative gap of all levels, with one more, under its policy. */
  function errorWith(next: Raised): number {
    const all = [...levels, { raised: free.slice(), multipliers: next }]
    return gapsUnder(next.policy, all).relativeGap
  }

  /** Fixes the free groups whose multipliers show that they can have no more; there is always one. */
  function settle(weights: Float64Array): void {
    let total = 0
    let most = -1
    let least = Number.POSITIVE_INFINITY
    for (let g = 0; g < groups; g++) {
      if (free[g] === 0) continue
      total += weights[g] * reach[g]
      least = Math.min(least, x[g])
      if (most < 0 || weights[g] * reach[g] > weights[most] * reach[most]) most = g
    }
    for (let g = 0; g < groups; g++) {
      const part = total > 0 ? (weights[g] * reach[g]) / total : 0
      // Of a multiplier and what a group has above the least, one is zero: the smaller.
      if (free[g] === 1 && total > 0 && (g === most || (part > POSITIVE && part * reach[g] > x[g] - least)))
        fix(g)
    }
  }

  function fix(g: number): void {
    free[g] = 0
    floors[g] = x[g]
  }
}

/** The levels' multipliers in equal parts, by what policies can do to them; with Σλ = 1. */
function mixtureOf(levels: readonly Level[], reach: Float64Array): Omit<Raised, 'policy'> {
  const weights = new Float64Array(reach.length)
  const prices = new Float64Array(levels[0].multipliers.prices.length)
  for (const { multipliers } of levels) {
    const size = multipliers.weights.reduce((sum, weight) => sum + weight, 0)
    multipliers.weights.forEach((weight, g) => {
      weights[g] += weight / size
    })
    multipliers.prices.forEach((price, k) => {
      prices[k] += price / size
    })
  }
  const total = weights.reduce((a, b) => a + b, 0)
  return { weights: weights.map((w) => w / total), prices: prices.map((price) => price / total) }
}
