import type { Rewards, Voters } from '../fitted.ts'
import type { Limit } from '../pose.ts'
import type { Choices } from '../settings.ts'
import type { GroupUtilities } from '../utilities/utilities.ts'
import type { WelfareProblem } from '../welfare/problem.ts'

/** All that an answer is told from: the stages of one aggregation, still in integers. */
export type Aggregation = {
  preferences: Voters
  choices: Choices
  rewards: Rewards[]
  utilities: GroupUtilities[]
  problem: WelfareProblem
  /** The item of each column of the problem; length n of the problem. */
  columns: Int32Array
  /** What each constraint is in the problem. */
  limits: Limit[]
}

/** How many groups and items there are. */
export function sizesOf({ groups, items }: Voters): { groups: number; items: number } {
  return { groups: groups.length, items: items.length }
}
