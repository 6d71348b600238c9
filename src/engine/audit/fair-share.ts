import type { WelfareProblem } from '../welfare/problem.ts'
import { rangesOf } from '../welfare/table.ts'
import { bestOf } from './coalitions.ts'

/** What a group has, beside what its part of the population would get it alone. */
export type FairShare = {
  /** The most that any policy gives the group. */
  best: number
  /** n_g·best: the gain of a group that decides for its own part of the lottery, and gets nothing from the rest. */
  fair: number
  /** x_g(p*). */
  utility: number
  holds: boolean
}

/** A shortfall below this part of the group's range may be the error of the optimum. */
const TOLERANCE = 1e-7

/**
 * Whether each group has its fair share, x_g ≥ n_g·max_p x_g(p) (proportionality, Steinhaus 1948; for lotteries Bogomolnaia,
 * Moulin & Stong, J. Economic Theory 122, 2005). It is the core condition for coalitions of one.
 */
export function fairSharesOf(problem: WelfareProblem, utilities: Float64Array): FairShare[] {
  const ranges = rangesOf(problem)
  return Array.from(utilities, (utility, g) => {
    const best = bestOf(problem, g)
    const fair = problem.population[g] * best
    return { best, fair, utility, holds: utility >= fair - TOLERANCE * ranges[g] }
  })
}
