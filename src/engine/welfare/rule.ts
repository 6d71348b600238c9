import type { Welfare } from '../../../schemas/welfare.ts'
import { kolmPollak } from './kolm-pollak.ts'
import { maximin } from './maximin.ts'
import { optimise } from './optimise.ts'
import { powerMean } from './power-mean.ts'
import type { Optimum, WelfareFunction, WelfareProblem } from './problem.ts'
import { utilitarian } from './utilitarian.ts'

/**
 * How a welfare function chooses: from a problem to its optimum.
 *
 * @throws NoGains where it needs gains that no policy gives to every group
 * @throws NoRoom where no policy meets all guardrails with room to spare
 * @throws Problem `not-converged` where the optimum cannot be proven to 1e-8
 */
export type Rule = (problem: WelfareProblem) => Optimum | Promise<Optimum>

/** The rule that a request names: ρ = 0 is Nash and ρ = 1 utilitarian; null for the Pareto front. */
export function ruleOf(welfare: Welfare): Rule | null {
  switch (welfare.function) {
    case 'utilitarian':
      return best(utilitarian)
    case 'nash':
      return best(powerMean(0))
    case 'maximin':
      return best(maximin)
    case 'power-mean':
      return best(welfare.exponent === 1 ? utilitarian : powerMean(welfare.exponent))
    case 'kolm-pollak':
      return best(kolmPollak(welfare.kappa))
    case 'pareto-front':
      return null
  }
}

/** The rule that takes the best policy under W. */
function best(welfareFunction: WelfareFunction): Rule {
  return (problem) => optimise(problem, welfareFunction)
}
