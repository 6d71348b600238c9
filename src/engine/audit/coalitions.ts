import { optimise } from '../welfare/optimise.ts'
import type { WelfareProblem } from '../welfare/problem.ts'
import { utilitarian } from '../welfare/utilitarian.ts'

/** The problem of some of the groups alone: contexts and guardrails stay, populations sum to 1 among them. */
export function coalitionProblem(problem: WelfareProblem, members: readonly number[]): WelfareProblem {
  const { items, utilities } = problem
  const own = new Float64Array(members.length * items)
  members.forEach((g, k) => {
    own.set(utilities.subarray(g * items, (g + 1) * items), k * items)
  })
  const size = populationOf(problem, members)
  const population = Float64Array.from(members, (g) => problem.population[g] / size)
  return { ...problem, groups: members.length, utilities: own, population }
}

/** n(S), the population of some groups together. */
export function populationOf({ population }: WelfareProblem, members: readonly number[]): number {
  let sum = 0
  for (const g of members) sum += population[g]
  return sum
}

/**
 * The policy where nobody has a say: the one nearest to the reference that guardrails allow, the reference itself where
 * there are none. Length n.
 */
export function policyOfNobody(problem: WelfareProblem): Float64Array {
  // One group to whom all is the same leaves nothing but the divergence to be chosen by.
  const indifferent = new Float64Array(problem.items)
  const nobody = { ...problem, groups: 1, utilities: indifferent, population: Float64Array.of(1) }
  return optimise(nobody, utilitarian).policy
}

/** The most that any policy gives to group g. */
export function bestOf(problem: WelfareProblem, g: number): number {
  return optimise({ ...coalitionProblem(problem, [g]), temperature: 0 }, utilitarian).utilities[0]
}
