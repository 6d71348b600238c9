import type { WelfareFunction } from './problem.ts'
import { tailCurve } from './ranks/curve.ts'
import { rankDependent } from './ranks/rank-dependent.ts'

/**
 * CVaR_α, the mean utility of the worst-off part α of the population: utilitarian at α = 1, and the minimum where α is at
 * most the smallest group (Rockafellar & Uryasev, J. Risk 2, 2000). Its weights are those with Σλ = 1 and λ_g ≤ n_g/α.
 */
export function cvar(alpha: number): WelfareFunction {
  return rankDependent(tailCurve(alpha))
}
