import type { WelfareProblem } from '../problem.ts'
import { frontOfItems, type ItemFront } from './items.ts'
import { frontOfPolicies, type PolicyFront } from './policies.ts'

/** Everything that no other choice beats for all groups. */
export type ParetoFront = ({ kind: 'items' } & ItemFront) | ({ kind: 'policies' } & PolicyFront)

/**
 * The Pareto front: of items where an item is all that is chosen, at temperature 0 with one context and no guardrails, and of
 * policies otherwise.
 *
 * @param seed of what is sampled: shares for four groups and more, hypervolumes for three or four and more
 * @param progress told how much is done, from 0 to 1
 */
export function paretoFront(
  problem: WelfareProblem,
  seed: number,
  progress: (done: number) => void = () => {},
): ParetoFront {
  const { temperature, contexts, guardrails } = problem
  return temperature === 0 && contexts.weights.length === 1 && guardrails.limits.length === 0
    ? { kind: 'items', ...frontOfItems(problem, seed, progress) }
    : { kind: 'policies', ...frontOfPolicies(problem, seed, progress) }
}
