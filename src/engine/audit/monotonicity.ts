import { type Done, untold } from '../parts.ts'
import type { WelfareProblem } from '../welfare/problem.ts'
import type { Rule } from '../welfare/rule.ts'
import { rangesOf } from '../welfare/table.ts'

/** A group that has less when there are more of it. */
export type Drop = {
  group: number
  /** What its number was multiplied by, the others' being the same. */
  factor: number
  /** Its part of the population then. */
  population: number
  before: number
  after: number
}

/** What the number of each group is multiplied by, one at a time: a little, half as many again, and three times. */
export const FACTORS = [1.01, 1.5, 3]
/** A drop below this part of the group's range may be the error of the optimum. */
const TOLERANCE = 1e-6

/**
 * Whether more members ever leave a group with less: the rule is applied again with the number of each group multiplied by
 * {@link FACTORS}. That is checked at these populations, and proves nothing of others.
 *
 * @param utilities x(p*); length G
 * @param groups those that are checked, ascending; all unless said
 * @param done told which part of all groups has been checked
 */
export async function dropsOf(
  problem: WelfareProblem,
  rule: Rule,
  utilities: Float64Array,
  groups: Iterable<number> = utilities.keys(),
  done: Done = untold,
): Promise<Drop[]> {
  const ranges = rangesOf(problem)
  const drops: Drop[] = []
  for (const group of groups) {
    done(group / problem.groups)
    for (const factor of FACTORS) {
      const sum = 1 + (factor - 1) * problem.population[group]
      const population = problem.population.map((n, g) => (g === group ? n * factor : n) / sum)
      const after = (await rule({ ...problem, population })).utilities[group]
      const before = utilities[group]
      if (after < before - TOLERANCE * ranges[group])
        drops.push({ group, factor, population: population[group], before, after })
    }
  }
  return drops
}
