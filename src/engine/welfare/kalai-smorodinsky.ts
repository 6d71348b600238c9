import { pricedProgramSolver } from '../numeric/linear-program.ts'
import { extremesOf, reachOf } from './contexts.ts'
import { type Raised, raiseGap, raiseLeast } from './floors.ts'
import { innerStart } from './gains.ts'
import { leximin } from './leximin.ts'
import { maximin } from './maximin.ts'
import { notConverged, optimise } from './optimise.ts'
import type { Optimum, WelfareProblem } from './problem.ts'
import { scalingOf } from './scaling.ts'
import { utilitiesOf } from './table.ts'
import { inUnits, outOfUnits } from './units.ts'

/** An error of what a group could have that needs no second attempt. */
const ENOUGH = 1e-11
/** The certificate that an answer needs. */
const ERROR_LIMIT = 1e-8

/**
 * Kalai–Smorodinsky: every group gets the same part, as large as can be, of the most that it could get if nobody lost,
 * b_g = max {x_g(p) : x(p) ≥ 0, guardrails}; and whoever can have more without others having less has it, as by leximin
 * (Kalai & Smorodinsky, Econometrica 43, 1975; Imai, Econometrica 51, 1983).
 *
 * W = min_g x_g/b_g, a number without unit, with Σ_g λ_g b_g = 1. b does not depend on the temperature.
 *
 * @throws NoGains where no policy gives every group a gain
 * @throws NoRoom where no policy meets all guardrails with room to spare
 */
export async function kalaiSmorodinsky(problem: WelfareProblem): Promise<Optimum> {
  const { best, error } = await bestWithoutLoss(problem)
  const optimum = outOfUnits(problem, best, await leximin(inUnits(problem, best)))
  const { certificate, welfare } = optimum
  const relativeGap = certificate.relativeGap + error
  if (!(relativeGap <= ERROR_LIMIT)) throw notConverged(null)
  return { ...optimum, certificate: { ...certificate, gap: certificate.gap + error * welfare, relativeGap } }
}

/**
 * b, and the largest part of one by which it might be larger.
 *
 * @throws NoGains where some b_g is not above 0
 */
export async function bestWithoutLoss(
  problem: WelfareProblem,
): Promise<{ best: Float64Array; error: number }> {
  innerStart(problem, scalingOf(problem, maximin, maximin.link), true)
  const { groups } = problem
  const { least, most } = extremesOf(problem)
  if (problem.guardrails.limits.length === 0 && least.every((value) => value >= 0))
    return { best: most, error: 0 }

  const solve = await pricedProgramSolver()
  const cold = { ...problem, temperature: 0 }
  const start = optimise(
    inUnits(
      cold,
      reachOf(cold).map((reach) => reach || 1),
    ),
    maximin,
  ).policy
  const best = new Float64Array(groups)
  const x = new Float64Array(groups)
  let error = 0
  for (let g = 0; g < groups; g++) {
    const raised = new Uint8Array(groups)
    raised[g] = 1
    const errorOf = (found: Raised) => {
      utilitiesOf(cold, found.policy, x)
      // A floor that is paid for has to be met with equality: what there is above it is part of the gap.
      const above = x.reduce(
        (sum, value, h) => (h === g ? sum : sum + found.weights[h] * Math.max(0, value)),
        0,
      )
      return (raiseGap(cold, raised, found).gap + above) / x[g]
    }
    const floors = new Float64Array(groups)
    const found = raiseLeast(cold, { raised, floors }, start, errorOf, ENOUGH, solve)
    if (found === null) throw notConverged(null)
    error = Math.max(error, errorOf(found))
    best[g] = x[g]
  }
  return { best, error }
}
