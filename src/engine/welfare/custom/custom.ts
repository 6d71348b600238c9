import type { Welfare } from '../../../../schemas/welfare.ts'
import { invalidRequest } from '../../problem.ts'
import type { Optimum, WelfareProblem } from '../problem.ts'
import { ExpressionFault, located } from './expression.ts'
import { maximise } from './maximise.ts'
import { parseExpression } from './parse.ts'
import type { Program } from './program.ts'
import { type GroupsKnown, prove } from './prove.ts'

/** Groups that are yet to be discovered have no names; two stand for them while an expression is checked. */
const UNNAMED: GroupsKnown = { ids: [], population: Float64Array.of(0.5, 0.5) }

/**
 * Checks the expression of a welfare function, if it has one, before anything is fitted or solved.
 *
 * @param groups null where groups are to be discovered, and have no names
 * @param at the JSON pointer of the welfare function
 * @throws Problem `invalid-request` that names the sub-expression at fault, with the characters where it stands
 */
export async function checkExpression(
  welfare: Welfare,
  groups: GroupsKnown | null,
  at: string,
): Promise<void> {
  if (welfare.function === 'custom')
    await programOf(welfare.expression, groups ?? UNNAMED, `${at}/expression`)
}

/**
 * The optimum of a welfare function that the user wrote.
 *
 * @param ids those of the problem's groups
 * @throws OutOfDomain where no policy reaches the expression's domain
 * @throws Problem `welfare-satiated`, `not-converged`
 */
export async function custom(
  problem: WelfareProblem,
  expression: string,
  ids: readonly string[],
): Promise<Optimum> {
  return maximise(
    problem,
    await programOf(expression, { ids, population: problem.population }, '/welfare/expression'),
  )
}

async function programOf(expression: string, groups: GroupsKnown, at: string): Promise<Program> {
  try {
    return prove(expression, await parseExpression(expression), groups)
  } catch (error) {
    if (!(error instanceof ExpressionFault)) throw error
    throw invalidRequest([{ pointer: at, detail: located(expression, error) }])
  }
}
