import { type Done, untold } from '../parts.ts'
import { type Borda, borda } from './borda.ts'
import { type Condorcet, condorcet } from './condorcet.ts'
import { type Copeland, copeland } from './copeland.ts'
import { type Kemeny, kemeny } from './kemeny.ts'
import type { Margins } from './margins.ts'
import { type MaximalLottery, maximalLottery } from './maximal-lotteries.ts'
import { strongestPaths } from './paths.ts'
import { type RankedPairs, rankedPairs } from './ranked-pairs.ts'
import { type Schulze, schulze } from './schulze.ts'
import { type SplitCycle, splitCycle } from './split-cycle.ts'

/** All rules, in the order in which they are told. */
export const RULES = [
  'borda',
  'copeland',
  'schulze',
  'ranked-pairs',
  'split-cycle',
  'kemeny',
  'maximal-lotteries',
] as const
export type Rule = (typeof RULES)[number]

/** What one rule makes of the margins, items as integers. */
export type RuleResult = Borda | Copeland | Schulze | RankedPairs | SplitCycle | Kemeny | MaximalLottery

/** What the majorities say together, and what each rule makes of them. */
export type Vote = { condorcet: Condorcet; results: RuleResult[] }

/**
 * Who wins under some voting rules.
 *
 * @param rules in the order in which results are wanted
 * @param evidence whether to list what happened to every single pair
 * @param done told which part of the rules has been applied
 * @throws Problem `not-converged` where maximal lotteries cannot be certified
 */
export function voteOn(
  margins: Margins,
  rules: readonly Rule[] = RULES,
  evidence = true,
  done: Done = untold,
): Vote {
  const majorities = condorcet(margins)
  const [smith] = majorities.tiers
  let strongest: Int32Array | null = null
  const paths = () => {
    strongest ??= strongestPaths(margins)
    return strongest
  }
  const chosen = (rule: Rule): RuleResult => {
    switch (rule) {
      case 'borda':
        return borda(margins)
      case 'copeland':
        return copeland(margins)
      case 'schulze':
        return schulze(margins, paths(), evidence)
      case 'ranked-pairs':
        return rankedPairs(margins, smith, evidence)
      case 'split-cycle':
        return splitCycle(margins, paths(), evidence)
      case 'kemeny':
        return kemeny(margins, majorities.tiers)
      case 'maximal-lotteries':
        return maximalLottery(margins, smith)
    }
  }
  const counted = (rule: Rule, k: number) => {
    done(k / rules.length)
    return chosen(rule)
  }
  return { condorcet: majorities, results: rules.map(counted) }
}
