import type { Welfare } from '../../../schemas/welfare.ts'
import { custom } from './custom/custom.ts'
import { cvar } from './cvar.ts'
import { type ExPostOptimum, exPost } from './ex-post.ts'
import { generalisedGini } from './generalised-gini.ts'
import { bestWithoutLoss, kalaiSmorodinsky } from './kalai-smorodinsky.ts'
import { kolmPollak } from './kolm-pollak.ts'
import { leximin } from './leximin.ts'
import { maximin } from './maximin.ts'
import { optimise } from './optimise.ts'
import { powerMean } from './power-mean.ts'
import type { Optimum, WelfareFunction, WelfareProblem } from './problem.ts'
import { rangeUnits, relativeUtilitarian } from './relative-utilitarian.ts'
import { utilitiesOf } from './table.ts'
import { inUnits } from './units.ts'
import { utilitarian } from './utilitarian.ts'

/**
 * How a welfare function chooses: from a problem to its optimum.
 *
 * @throws NoGains where it needs gains that no policy gives to every group
 * @throws NoRoom where no policy meets all guardrails with room to spare
 * @throws Problem `not-converged` where the optimum cannot be proven to 1e-8
 */
export type Rule = (problem: WelfareProblem) => Optimum | Promise<Optimum>

/** How it chooses where welfare is judged item by item. */
export type ExPostRule = (problem: WelfareProblem) => ExPostOptimum | Promise<ExPostOptimum>

/**
 * The rule that a request names; null for the Pareto front.
 *
 * @param groups the ids by which a custom expression may call them
 */
export function ruleOf(welfare: Welfare, groups: readonly string[]): Rule | null {
  switch (welfare.function) {
    case 'leximin':
      return leximin
    case 'kalai-smorodinsky':
      return kalaiSmorodinsky
    case 'relative-utilitarian':
      return relativeUtilitarian
    case 'custom':
      return (problem) => custom(problem, welfare.expression, groups)
    case 'pareto-front':
      return null
    default: {
      const welfareFunction = welfareFunctionOf(welfare)
      return (problem) => optimise(problem, welfareFunction)
    }
  }
}

/** The same ex post; null for those that give no number to an item. */
export function exPostRuleOf(welfare: Welfare): ExPostRule | null {
  switch (welfare.function) {
    case 'leximin':
    case 'custom':
    case 'pareto-front':
      return null
    case 'kalai-smorodinsky':
      return async (problem) => inOwnUnits(problem, (await bestWithoutLoss(problem)).best, maximin)
    case 'relative-utilitarian':
      return (problem) => inOwnUnits(problem, rangeUnits(problem), utilitarian)
    default: {
      const welfareFunction = welfareFunctionOf(welfare)
      return (problem) => exPost(problem, welfareFunction)
    }
  }
}

/** The welfare functions that are told by what they make of utilities. */
type Valued = Exclude<
  Welfare,
  { function: 'leximin' | 'kalai-smorodinsky' | 'relative-utilitarian' | 'custom' | 'pareto-front' }
>

/** W: ρ = 0 is Nash and ρ = 1 utilitarian. */
function welfareFunctionOf(welfare: Valued): WelfareFunction {
  switch (welfare.function) {
    case 'utilitarian':
      return utilitarian
    case 'nash':
      return powerMean(0)
    case 'maximin':
      return maximin
    case 'power-mean':
      return welfare.exponent === 1 ? utilitarian : powerMean(welfare.exponent)
    case 'kolm-pollak':
      return kolmPollak(welfare.kappa)
    case 'generalised-gini':
      return generalisedGini(
        welfare.weights === undefined ? { parameter: welfare.parameter ?? 2 } : { weights: welfare.weights },
      )
    case 'cvar':
      return cvar(welfare.alpha)
  }
}

/** The ex post optimum of W(x_g/unit_g), with the utilities in their own units. */
function inOwnUnits(
  problem: WelfareProblem,
  units: Float64Array,
  welfareFunction: WelfareFunction,
): ExPostOptimum {
  const optimum = exPost(inUnits(problem, units), welfareFunction)
  const utilities = new Float64Array(problem.groups)
  utilitiesOf(problem, optimum.policy, utilities)
  return { ...optimum, utilities }
}
