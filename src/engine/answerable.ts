import type { CompareRequest } from '../../schemas/aggregate.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import { invalidRequest, pointer, type RequestError } from './problem.ts'

/**
 * Sees to it that the welfare functions of a request have a meaning, by themselves and with the rest of it.
 *
 * @param at where in the request each function is
 * @throws Problem `invalid-request`
 */
export function requireAnswerable(
  { mode }: Omit<CompareRequest, 'welfare'>,
  welfare: readonly Welfare[],
  at: (k: number) => (string | number)[],
): void {
  const errors = welfare.flatMap((each, k) =>
    [...ownFaults(each), ...(mode === 'ex-post' ? faultsExPost(each) : [])].map(
      ([member, detail]): RequestError => ({ pointer: pointer(...at(k), member), detail }),
    ),
  )
  if (errors.length > 0) throw invalidRequest(errors)
}

/** A member of a welfare function, and what is wrong with it. */
type Fault = [member: string, detail: string]

function ownFaults(welfare: Welfare): Fault[] {
  if (welfare.function !== 'generalised-gini' || welfare.weights === undefined) return []
  const { weights, parameter } = welfare
  if (parameter !== undefined) return [['parameter', 'cannot go with weights: give one of the two']]
  const rising = weights.findIndex((weight, k) => k > 0 && weight > weights[k - 1])
  if (rising > 0) {
    const detail =
      `must not rise from the worst off to the best off, and goes from ${weights[rising - 1]} to ${weights[rising]} at ` +
      `index ${rising}: those who have more would count more, and the best policies would not be found by weights`
    return [['weights', detail]]
  }
  return weights[0] > 0 ? [] : [['weights', 'must not all be 0']]
}

function faultsExPost(welfare: Welfare): Fault[] {
  switch (welfare.function) {
    case 'leximin':
      return [
        [
          'function',
          'cannot be leximin ex post: it puts items in an order, and has no number to expect. Use maximin',
        ],
      ]
    case 'custom':
      return [
        [
          'function',
          'cannot be custom ex post: an expression is a function of what groups can expect. Leave mode out',
        ],
      ]
    case 'pareto-front':
      return [
        [
          'function',
          'cannot be pareto-front ex post: it applies no function to single items. Leave mode out',
        ],
      ]
    default:
      return []
  }
}
