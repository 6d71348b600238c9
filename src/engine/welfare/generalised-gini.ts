import type { WelfareFunction } from './problem.ts'
import { curveThrough, singleParameterCurve } from './ranks/curve.ts'
import { rankDependent } from './ranks/rank-dependent.ts'

/** How much ranks count: ω_1 ≥ ω_2 ≥ … for equal parts of the population from the worst off up, or the parameter ν ≥ 1. */
export type RankWeights = { weights: readonly number[] } | { parameter: number }

/**
 * Generalised Gini welfare, Σ_k x_(k) [Φ(N_k) − Φ(N_{k−1})] from the worst off up, where Φ joins the sums of rank weights
 * by straight lines, or is 1 − (1 − t)^ν. ν = 2 is the mean less half the mean difference, mean·(1 − Gini index) (Weymark,
 * Math. Soc. Sci. 1, 1981; Donaldson & Weymark, J. Economic Theory 22, 1980).
 */
export function generalisedGini(ranks: RankWeights): WelfareFunction {
  return rankDependent(
    'weights' in ranks ? curveThrough(ranks.weights) : singleParameterCurve(ranks.parameter),
  )
}
