import { gibbsInContexts } from './contexts.ts'
import type { Judge } from './interior-point.ts'
import {
  advance,
  type Iterate,
  newIterate,
  newVariables,
  products,
  type ScaledProblem,
  stepLength,
} from './iterate.ts'
import type { Link } from './link.ts'
import { evaluate, factorise, newSystem, solve } from './newton.ts'
import { utilitiesOf, valuesOf } from './table.ts'

const MAX_ITERATIONS = 30

/**
 * Continues from a point of the central path with the policy tied to the weights, p = Gibbs(Ûᵀλ̂), for β̂ > 0: the last
 * digits of λ̂, on which a policy that is recomputed from the weights depends 1/β̂ times as strongly.
 *
 * @param start changed on the way
 * @returns the number of iterations
 */
export function polish(problem: ScaledProblem, link: Link, start: Iterate, judge: Judge): number {
  const { items, temperature, contexts } = problem
  const { starts } = contexts
  let iterate = start
  let trial = newIterate(problem)
  const move = newVariables(problem)
  const system = newSystem(problem)
  const values = new Float64Array(items)
  iterate.costs.fill(0)
  let aim = products(link, iterate).mean
  for (let iteration = 1; iteration <= MAX_ITERATIONS; iteration++) {
    valuesOf(problem, iterate.weights, values)
    gibbsInContexts(problem, values, iterate.policy, iterate.level)
    for (let q = 0; q < iterate.level.length; q++) {
      for (let i = starts[q]; i < starts[q + 1]; i++)
        iterate.tilt[i] = (values[i] - iterate.level[q]) / temperature
    }
    utilitiesOf(problem, iterate.policy, iterate.utilities)
    if (judge(iterate, products(link, iterate).sum)) return iteration
    evaluate(problem, link, iterate)
    if (!factorise(problem, iterate, system)) return iteration
    aim = Math.max(1e-30, Math.min(aim * 0.01, aim ** 1.5))
    solve(problem, link, iterate, system, { policy: 0, link: aim, after: null }, move)
    move.policy.fill(0)
    move.costs.fill(0)
    const step = stepLength(problem, link, iterate, move, 0.999)
    if (!(step > 0)) return iteration
    advance(problem, iterate, move, step, trial)
    ;[iterate, trial] = [trial, iterate]
  }
  return MAX_ITERATIONS
}
