import type { Finding } from '../../../schemas/audit.ts'
import type { Done } from '../parts.ts'
import type { Preferences } from '../preferences.ts'
import type { Alternative, Choice } from './alternatives.ts'
import { rescaled } from './alternatives.ts'
import { blocks, type Core, canEnumerate, type Deviation, everybodyCanGain, somebodyBlocks } from './core.ts'
import { type FairShare, fairSharesOf } from './fair-share.ts'
import { type Influence, influenceOf, reachOf } from './influence.ts'
import { type Drop, dropsOf } from './monotonicity.ts'
import { type Judged, judgedIn } from './regret.ts'
import { type Sensitivity, sensitivityOf } from './sensitivity.ts'
import { type Situation, wordsOf } from './situation.ts'
import { type Transfers, transfersOf } from './transfers.ts'

/** What the audit found, as the findings are told from it. */
export type Found = {
  influence: Influence
  core: Core
  fairShares: FairShare[]
  transfers: Transfers
  drops: Drop[]
  judged: Judged[]
  sensitivity: Sensitivity
  /** What the groups said. */
  source: Preferences['source']
  /** The one group in which each annotator of the request counts; null where that is wherever it judged. */
  homes: Int32Array | null
}

/** A finding before it is known what causes it. */
type Statement = Pick<Finding, 'code' | 'severity' | 'groups' | 'message'> & {
  /** Whether it is as true in another situation; null where to find out would take too long. */
  persists: ((other: Situation) => Promise<boolean> | boolean) | null
  /** Choices that the statement is about as they are, so that changing them says nothing. */
  about?: readonly Choice[]
}

/** So many times its part of the population, or one part in so many, is a remarkable influence. */
const REMARKABLE = 2
/** Up to so many groups the influence is worked out anew for every alternative. */
const INFLUENCE_GROUPS = 7

/**
 * Tells in plain sentences what of an audit deserves attention, and what causes it: every alternative to the request is
 * looked at, and a finding is put down to the choices without which it is gone.
 *
 * @param done told which part of the findings has been traced to its causes
 */
export async function findingsOf(
  situation: Situation,
  found: Found,
  alternatives: readonly Alternative[],
  seed: number,
  done: Done,
): Promise<Finding[]> {
  const statements = [
    ...dependsOnUnits(situation, found),
    ...blocked(situation, found),
    ...belowAnchor(situation),
    ...belowFairShare(situation, found),
    ...dislikesTransfers(situation, found),
    ...losesByGrowing(situation, found),
    ...outweighs(situation, found, seed),
    ...overrules(situation, found),
    ...undetermined(situation),
    ...indifferent(situation),
  ]
  const findings: Finding[] = []
  for (const { persists, about = [], ...statement } of statements) {
    done(findings.length / statements.length)
    findings.push({ ...statement, ...(await causesOf(persists, about, alternatives)) })
  }
  const rank = { warning: 0, notice: 1, info: 2 }
  return findings
    .map((finding, k) => ({ finding, k }))
    .sort((a, b) => rank[a.finding.severity] - rank[b.finding.severity] || a.k - b.k)
    .map(({ finding }) => finding)
}

/** The alternatives under which a statement is false. */
async function causesOf(
  persists: Statement['persists'],
  about: readonly Choice[],
  alternatives: readonly Alternative[],
): Promise<Pick<Finding, 'removedBy' | 'cause'>> {
  if (persists === null)
    return {
      removedBy: null,
      cause: 'What causes it was not established: with so many groups that would take too long.',
    }
  const tried = alternatives.filter(({ choice }) => !about.includes(choice))
  const removedBy: { choice: Choice; instead: string }[] = []
  let answered = 0
  for (const { choice, instead, situation } of tried) {
    if (situation === null) continue
    answered++
    if (!(await persists(situation))) removedBy.push({ choice, instead })
  }
  return { removedBy, cause: sentenceOf(removedBy, answered) }
}

const WORDS: Record<Choice, string> = {
  function: 'the welfare function',
  scale: 'the scale',
  anchor: 'the anchor',
  population: 'the populations',
  temperature: 'the temperature',
  constraints: 'the constraints',
}

function sentenceOf(removedBy: readonly { choice: Choice; instead: string }[], answered: number): string {
  if (answered === 0) return 'No other choice has an answer that could be compared.'
  if (removedBy.length === 0)
    return `None of the ${answered} other choices that were tried removes it: it lies in what the groups prefer, or in several choices at once.`
  const choices = Array.from(new Set(removedBy.map(({ choice }) => choice)))
  const each = choices.map((choice) => {
    const others = removedBy.filter((removed) => removed.choice === choice).map(({ instead }) => instead)
    return `${WORDS[choice]} (gone with ${others.join(' or ')})`
  })
  const list =
    each.length === 1 ? each[0] : `${each.slice(0, -1).join(', on ')} and on ${each[each.length - 1]}`
  return `It hangs on ${list}, all else being the same.`
}

function dependsOnUnits(situation: Situation, { sensitivity }: Found): Statement[] {
  const { item } = wordsOf(situation)
  const { rows, sameWinner } = sensitivity
  if (sameWinner) return []
  const own = rows.find((row) => row.own) as (typeof rows)[number]
  const solved = rows.filter(({ winner }) => winner !== null)
  const others = Array.from(new Set(solved.map(({ winner }) => winner as number))).filter(
    (winner) => winner !== own.winner,
  )
  const agreeing = solved.filter(({ winner }) => winner === own.winner).length
  return [
    {
      code: 'winner-depends-on-units',
      severity: 'warning',
      groups: [],
      message:
        `${item(own.winner as number)} is what the policy chooses most often, but it is so under ${agreeing} of ` +
        `${solved.length} scales and anchors only; under the others it is ${others.map(item).join(' or ')}. Rewards ` +
        'that were fitted to comparisons do not say which of them is right.',
      persists: async (other) => !sensitivityOf(other, await rescaled(other)).sameWinner,
      about: ['scale', 'anchor'],
    },
  ]
}

function blocked(situation: Situation, { core }: Found): Statement[] {
  const { list, percent } = wordsOf(situation)
  const { problem, preferences } = situation.aggregation
  const more = ({ ratio }: Deviation) =>
    Number.isFinite(ratio) ? `${percent(ratio - 1)} more than now, or better` : 'something instead of nothing'
  const statements: Statement[] = []
  if (core.stable === null)
    statements.push({
      code: 'core-undecided',
      severity: 'notice',
      groups: [],
      message:
        'Whether some coalition could do better alone is not known: there are too many, and the search was given up.',
      persists: null,
    })
  const [strongest] = core.blocking
  if (strongest !== undefined && strongest.members.length < problem.groups)
    statements.push({
      code: 'blocking-coalition',
      severity: 'warning',
      groups: strongest.members.map((g) => preferences.groups[g]),
      message:
        `If ${list(strongest.members)}, ${percent(strongest.population)} of the population, decided over that part of the ` +
        `lottery alone and had nothing of the rest, ${strongest.members.length > 1 ? 'each of them' : 'it'} would have ` +
        `${more(strongest)}.`,
      persists: canEnumerate(problem)
        ? (other) => somebodyBlocks(other.aggregation.problem, other.optimum.utilities)
        : null,
    })
  if (blocks(core.everybody))
    statements.push({
      code: 'everybody-could-gain',
      severity: 'notice',
      groups: [],
      message: `Some policy gives every group ${more(core.everybody)}: something other than the utilities of the groups keeps the answer from it.`,
      persists: (other) => everybodyCanGain(other.aggregation.problem, other.optimum.utilities),
    })
  return statements
}

/** A utility below the anchor by this part of the group's range is no rounding. */
const BELOW = 1e-7

function belowAnchor(situation: Situation): Statement[] {
  const { group } = wordsOf(situation)
  const isBelow = ({ aggregation, optimum }: Situation, g: number) =>
    optimum.utilities[g] < -BELOW * rangeOf(aggregation.utilities[g].values)
  return Array.from(situation.optimum.utilities.keys())
    .filter((g) => isBelow(situation, g))
    .map((g) => ({
      code: 'below-anchor' as const,
      severity: 'warning' as const,
      groups: [situation.aggregation.preferences.groups[g]],
      message: `${group(g)} has less than its anchor: by its own zero it would be better off without the policy.`,
      persists: (other: Situation) => isBelow(other, g),
    }))
}

function belowFairShare(situation: Situation, { fairShares }: Found): Statement[] {
  const { group, percent } = wordsOf(situation)
  const { population } = situation.aggregation.problem
  return fairShares.flatMap(({ holds, utility, best }, g) =>
    holds
      ? []
      : [
          {
            code: 'below-fair-share' as const,
            severity: 'warning' as const,
            groups: [situation.aggregation.preferences.groups[g]],
            message: `${group(g)} is ${percent(population[g])} of the population and has ${percent(utility / best)} of the most that it could have.`,
            persists: ({ aggregation, optimum }: Situation) =>
              !fairSharesOf(aggregation.problem, optimum.utilities)[g].holds,
          },
        ],
  )
}

function dislikesTransfers(situation: Situation, { transfers }: Found): Statement[] {
  const { group } = wordsOf(situation)
  const [worst] = transfers.violations
  if (worst === undefined) return []
  const feasible = transfers.violations.some(({ amount }) => amount > 0)
  return [
    {
      code: 'transfers-disliked',
      severity: feasible ? 'warning' : 'notice',
      groups: [worst.from, worst.to].map((g) => situation.aggregation.preferences.groups[g]),
      message:
        `${group(worst.to)} has less than ${group(worst.from)}, and yet a little more counts less for each of its members ` +
        '(Pigou–Dalton is violated' +
        `${feasible ? ', and policies that make such a transfer exist' : ', though no policy makes such a transfer'}).`,
      persists: async ({ aggregation, optimum }) =>
        (await transfersOf(aggregation.problem, optimum)).violations.length > 0,
    },
  ]
}

function losesByGrowing(situation: Situation, { drops }: Found): Statement[] {
  const { group } = wordsOf(situation)
  const affected = Array.from(new Set(drops.map((drop) => drop.group)))
  return affected.map((g) => {
    const worst = drops
      .filter((drop) => drop.group === g)
      .reduce((a, b) => (b.before - b.after > a.before - a.after ? b : a))
    return {
      code: 'loses-by-growing' as const,
      severity: 'warning' as const,
      groups: [situation.aggregation.preferences.groups[g]],
      message: `${group(g)} would have less if there were ${worst.factor} times as many of it: ${short(worst.after)} instead of ${short(worst.before)}.`,
      persists: async ({ aggregation, rule, optimum }: Situation) =>
        (await dropsOf(aggregation.problem, rule, optimum.utilities, [g])).length > 0,
    }
  })
}

function outweighs(situation: Situation, { influence }: Found, seed: number): Statement[] {
  const { problem, preferences } = situation.aggregation
  const { group, percent } = wordsOf(situation)
  const { population, groups } = problem
  const sharesIn = (values: Float64Array) => {
    const sum = values.reduce((a, b) => a + b)
    return values.map((value) => (sum === 0 ? 0 : value / sum))
  }
  const shares = sharesIn(reachOf(problem, influence))
  if (shares.every((share) => share === 0)) return []
  const far = (share: number, part: number) =>
    share > REMARKABLE * part ? 1 : share < part / REMARKABLE ? -1 : 0
  return Array.from(shares.keys()).flatMap((g) => {
    const side = far(shares[g], population[g])
    if (side === 0) return []
    return [
      {
        code: side > 0 ? ('outsized-influence' as const) : ('little-influence' as const),
        severity: 'notice' as const,
        groups: [preferences.groups[g]],
        message: `${group(g)} is ${percent(population[g])} of the population and has ${percent(shares[g])} of the influence on the policy.`,
        persists:
          groups > INFLUENCE_GROUPS
            ? null
            : async (other: Situation) => {
                const own = other.aggregation.problem
                const reach = reachOf(own, await influenceOf(own, other.rule, seed))
                return far(sharesIn(reach)[g], own.population[g]) === side
              },
      },
    ]
  })
}

function overrules(situation: Situation, { judged, source, homes }: Found): Statement[] {
  const { group, percent } = wordsOf(situation)
  const most = (part: { preferences: number; overruled: number } | null) =>
    part !== null && 2 * part.overruled > part.preferences
  return judged.flatMap(({ all, annotators }, g): Statement[] => {
    const id = situation.aggregation.preferences.groups[g]
    const statements: Statement[] = []
    if (all !== null && most(all))
      statements.push({
        code: 'mostly-overruled',
        severity: 'warning',
        groups: [id],
        message: `The aggregated ranking is the other way round for ${percent(all.overruled / all.preferences)} of the preferences of ${group(g)}.`,
        persists: (other) => most(judgedIn(other, source)[g].all),
      })
    const outvoted = annotators?.filter(most).length ?? 0
    if (annotators !== null && outvoted > 0)
      statements.push({
        code: 'annotators-overruled',
        severity: 'info',
        groups: [id],
        message: `${outvoted} of ${annotators.length} annotators of ${group(g)} have more than half of their preferences overruled.`,
        persists: (other) => judgedIn(other, source, homes)[g].annotators?.some(most) ?? false,
      })
    return statements
  })
}

function undetermined({ optimum }: Situation): Statement[] {
  if (optimum.certificate.unique) return []
  return [
    {
      code: 'several-optima',
      severity: 'info',
      groups: [],
      message:
        'Other policies have the same welfare; the answer is the one nearest to the reference, which then decides between them.',
      persists: (other) => !other.optimum.certificate.unique,
    },
  ]
}

function indifferent(situation: Situation): Statement[] {
  const { group } = wordsOf(situation)
  return situation.aggregation.utilities.flatMap(({ indifferent }, g) =>
    indifferent
      ? [
          {
            code: 'indifferent-group' as const,
            severity: 'info' as const,
            groups: [situation.aggregation.preferences.groups[g]],
            message: `All items are the same to ${group(g)}: whatever is decided, it neither gains nor loses.`,
            persists: (other: Situation) => other.aggregation.utilities[g].indifferent,
          },
        ]
      : [],
  )
}

function rangeOf(values: Float64Array): number {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return high - low
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)))
}
