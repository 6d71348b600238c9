import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import type { AggregateRequest, OptimumResult } from '../../schemas/aggregate.ts'
import type { FitRequest, FitResponse } from '../../schemas/fit.ts'
import type { VoteRequest } from '../../schemas/vote.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import { fit } from '../../src/engine/fit.ts'
import { Problem } from '../../src/engine/problem.ts'
import { vote } from '../../src/engine/vote.ts'
import { distance } from '../helpers/problems.ts'

const FOLDER = new URL('../../../shared/data/', import.meta.url)
if (!existsSync(FOLDER)) {
  throw new Error('These tests compare fits with data sets in ../shared/data, and there is no such folder.')
}

type Source = {
  group: string
  annotator: string
  winner: string
  loser: string
  tie: boolean
  weight?: number
}
type Reference = { theta_mean0: Record<string, number>; loglik: number; converged: boolean }
type ReferenceFit = {
  group: string
  bt_half_ties: Reference
  davidson_ties?: Reference & { nu: number }
}

/** The comparisons of a data set as columns; its integer weights are counts. */
function read(name: string, pooled = false) {
  const lines = gunzipSync(readFileSync(new URL(`${name}.jsonl.gz`, FOLDER)))
    .toString()
    .trimEnd()
    .split('\n')
  const rows = lines.map((line) => JSON.parse(line) as Source)
  return {
    group: rows.map(({ group }) => (pooled ? '__pooled__' : group)),
    annotator: rows.map(({ annotator }) => annotator),
    winner: rows.map(({ winner }) => winner),
    loser: rows.map(({ loser }) => loser),
    tie: rows.map(({ tie }) => tie),
    count: rows.map(({ weight }) => weight ?? 1),
  }
}

function referenceFits(name: string): ReferenceFit[] {
  const oracle = JSON.parse(readFileSync(new URL(`${name}.oracle.json`, FOLDER), 'utf8'))
  return oracle.reference_fits.fits.filter((entry: Partial<ReferenceFit>) => entry.bt_half_ties?.converged)
}

/** How many groups have a reference fit, and whether all together have one. */
const DATA_SETS: Record<string, { groups: number; pooled: boolean }> = {
  mtbench_votes: { groups: 3, pooled: true },
  drugrisk: { groups: 4, pooled: true },
  breakfast: { groups: 6, pooled: true },
  eurobarometer55_science_sources: { groups: 8, pooled: true },
  convarg_convincingness: { groups: 32, pooled: false },
  cems: { groups: 2, pooled: true },
  nicabean: { groups: 6, pooled: true },
  kenya_practices: { groups: 2, pooled: true },
  sound_quality: { groups: 4, pooled: true },
  car_configurator: { groups: 3, pooled: true },
  bt_baseball: { groups: 1, pooled: false },
  bt_citations: { groups: 1, pooled: false },
  bt_springall: { groups: 1, pooled: false },
}

for (const [name, { groups, pooled }] of Object.entries(DATA_SETS)) {
  t.test(`rewards fitted to ${name} are those of the reference fits`, async (t) => {
    const expected = referenceFits(name)
    const together = expected.find(({ group }) => group === '__pooled__')
    t.equal(expected.length, groups + (pooled ? 1 : 0), 'every group has a reference fit')
    t.equal(together !== undefined, pooled)

    const answers = (await fit({ comparisons: read(name) } as FitRequest)).groups
    if (pooled) answers.push(...(await fit({ comparisons: read(name, true) } as FitRequest)).groups)
    t.same(answers.map(({ id }) => id).sort(), expected.map(({ group }) => group).sort())
    for (const { group, bt_half_ties } of expected) {
      const found = answers.find(({ id }) => id === group) as FitResponse['groups'][number]
      const items = Object.keys(bt_half_ties.theta_mean0)
      t.same(Object.keys(found.rewards).sort(), items.toSorted(), `${group}: items`)
      const far = distance(
        items.map((item) => found.rewards[item]),
        items.map((item) => bt_half_ties.theta_mean0[item]),
      )
      t.ok(far < 1e-8, `${group}: rewards within 1e-8, ${far}`)
      const off = Math.abs(found.fit.logLikelihood / bt_half_ties.loglik - 1)
      t.ok(off < 1e-9, `${group}: log-likelihood within 1e-9, ${off}`)
      t.equal(found.connectivity?.components.length, 1)
    }
  })
}

t.test(
  'the fit of the heap beside a welfare result is the reference fit of all groups together',
  async (t) => {
    for (const [name, { pooled }] of Object.entries(DATA_SETS)) {
      if (!pooled) continue
      const request = { comparisons: read(name), welfare: { function: 'utilitarian' } }
      const { pooled: heap } = (await aggregate(request as unknown as AggregateRequest)) as OptimumResult
      const reference = referenceFits(name).find(({ group }) => group === '__pooled__')
      const theta = reference?.bt_half_ties.theta_mean0 as Record<string, number>
      const ranking = heap?.bradleyTerry?.ranking ?? []
      t.equal(ranking.length, Object.keys(theta).length)
      t.ok(
        ranking.every(({ item, reward }) => Math.abs(reward - theta[item]) < 1e-8),
        name,
      )
    }
  },
)

t.test('what people want for breakfast goes round in a circle, which no pooled fit can tell', async (t) => {
  const request = { comparisons: read('breakfast'), margins: { pooling: 'pooled' } }
  const { condorcet, results, margins } = await vote(request as unknown as VoteRequest)
  t.equal(condorcet.winner, null)
  t.same(condorcet.smithSet, ['Buttered toast and jelly', 'Coffee cake', 'Danish pastry'])
  const beats = (a: string, b: string) => margins?.[a][b] as number
  const [{ shortest }] = condorcet.cycles
  t.ok(shortest.slice(1).every((b, k) => beats(shortest[k], b) > 0))
  const lottery = results.find(({ rule }) => rule === 'maximal-lotteries')
  t.same(lottery?.winners, condorcet.smithSet)
  const kemeny = results.find(({ rule }) => rule === 'kemeny')
  t.match(kemeny, { order: { length: 15 }, unique: true })
})

/** How many groups, all together among them, have a reference fit with ties by Davidson's model. */
const WITH_TIES: Record<string, number> = {
  mtbench_votes: 4,
  cems: 3,
  convarg_convincingness: 2,
  bt_springall: 1,
}

for (const [name, count] of Object.entries(WITH_TIES)) {
  t.test(`ties of ${name} are fitted as the reference fits them`, async (t) => {
    const expected = referenceFits(name).flatMap(({ group, davidson_ties }) =>
      davidson_ties?.converged === true ? [{ group, ...davidson_ties }] : [],
    )
    t.equal(expected.length, count)
    for (const { group, theta_mean0, nu, loglik } of expected) {
      const whole = group === '__pooled__'
      const { annotator, ...columns } = read(name, whole)
      // Other groups may have no finite estimate with ties of their own.
      const own = columns.group.flatMap((id, k) => (id === group ? [k] : []))
      const comparisons = Object.fromEntries(
        Object.entries(columns).map(([member, values]) => [member, own.map((k) => values[k])]),
      )
      const [found] = (await fit({ comparisons, model: { ties: 'davidson' } } as FitRequest)).groups
      const items = Object.keys(theta_mean0)
      const far = distance(
        items.map((item) => found.rewards[item]),
        items.map((item) => theta_mean0[item]),
      )
      t.ok(far < 1e-8, `${group}: rewards within 1e-8, ${far}`)
      t.ok(Math.abs(found.parameters.tie / nu - 1) < 1e-8, `${group}: ν ${found.parameters.tie}`)
      t.ok(Math.abs(found.fit.logLikelihood / loglik - 1) < 1e-8, `${group}: ${found.fit.logLikelihood}`)
    }
  })
}

t.test('universities have the abilities, ν and likelihood that were published of all students', async (t) => {
  const { annotator, ...comparisons } = read('cems', true)
  const request = { comparisons, model: { ties: 'davidson' } } as FitRequest
  const [{ rewards, parameters, fit: summary }] = (await fit(request)).groups
  t.equal(summary.logLikelihood.toFixed(3), '-3964.378')
  const published = publishedValues('cems', 0)
  for (const [name, value] of Object.entries(published)) {
    const found = name === '(undecided)' ? Math.log(parameters.tie) : rewards[name] - rewards.Stockholm
    t.ok(Math.abs(found - value) < 1e-8, `${name}: ${found}`)
  }
  t.equal(Object.keys(published).length, 6)
})

t.test('a response surface of flavours has the published coefficients', async (t) => {
  const { annotator, ...comparisons } = read('bt_springall')
  const table = JSON.parse(readFileSync(new URL('bt_springall.items.json', FOLDER), 'utf8')) as Record<
    string,
    Record<string, number>
  >
  const published = publishedValues('bt_springall', 0)
  const names = Object.keys(published).map((name) => name.replace('[..]', ''))
  const items = Object.entries(table).map(([id, values]) => ({
    id,
    features: names.map((name) => values[name]),
  }))
  const [{ rewardWeights }] = (await fit({ comparisons, items } as FitRequest)).groups
  // R stops some 3e-9 short.
  t.equal(names.length, 5)
  t.ok(distance(rewardWeights as number[], Object.values(published)) < 1e-8, `${rewardWeights}`)
})

function publishedValues(name: string, entry: number): Record<string, number> {
  return JSON.parse(readFileSync(new URL(`${name}.oracle.json`, FOLDER), 'utf8')).published[entry].values
}

/** Rankings as they were before they were broken into pairs: of the items of one annotator's, those that beat more come first. */
function readRankings(name: string) {
  const { group, annotator, winner, loser } = read(name)
  const wins = new Map<string, Map<string, number>>()
  winner.forEach((won, k) => {
    const key = JSON.stringify([group[k], annotator[k]])
    const own = wins.get(key) ?? new Map<string, number>()
    own.set(won, (own.get(won) ?? 0) + 1)
    own.set(loser[k], own.get(loser[k]) ?? 0)
    wins.set(key, own)
  })
  return Array.from(wins, ([key, own]) => {
    const order = [...own].sort(([, a], [, b]) => b - a)
    if (order.some(([, won], k) => won !== order.length - 1 - k)) throw new Error(`${key} is no ranking`)
    const [group, annotator] = JSON.parse(key) as string[]
    return { group, annotator, ranking: order.map(([item]) => item) }
  })
}

/** Group → item → the slope of the log-likelihood, from the definition of Plackett and Luce. */
function slopesOf(rankings: ReturnType<typeof readRankings>, groups: FitResponse['groups']) {
  const slopes = new Map(groups.map(({ id }) => [id, new Map<string, number>()]))
  for (const { group, ranking } of rankings) {
    const rewards = groups.find(({ id }) => id === group)?.rewards ?? {}
    const own = slopes.get(group) as Map<string, number>
    const add = (item: string, by: number) => own.set(item, (own.get(item) ?? 0) + by)
    for (let k = 0; k + 1 < ranking.length; k++) {
      const left = ranking.slice(k)
      const total = left.reduce((sum, item) => sum + Math.exp(rewards[item]), 0)
      add(ranking[k], 1)
      for (const item of left) add(item, -Math.exp(rewards[item]) / total)
    }
  }
  return [...slopes.values()].flatMap((own) => [...own.values()])
}

const RANKED: Record<string, { rankings: number; longest: number; groups: number }> = {
  breakfast: { rankings: 246, longest: 15, groups: 6 },
  car_configurator: { rankings: 434, longest: 6, groups: 3 },
}

for (const [name, { rankings: count, longest, groups: size }] of Object.entries(RANKED)) {
  t.test(`${name} is fitted as the rankings that it was`, async (t) => {
    const rankings = readRankings(name)
    t.equal(rankings.length, count)
    t.equal(Math.max(...rankings.map(({ ranking }) => ranking.length)), longest)
    const groups = (await fit({ rankings } as FitRequest)).groups
    t.equal(groups.length, size)
    const steepest = Math.max(...slopesOf(rankings, groups).map(Math.abs))
    t.ok(steepest < 1e-10, `the likelihood is flat there, ${steepest}`)

    const pairs = (await fit({ comparisons: read(name) } as FitRequest)).groups
    for (const { id, standardErrors, fit: summary } of groups) {
      t.equal(summary.comparisons, rankings.filter(({ group }) => group === id).length)
      const broken = pairs.find((group) => group.id === id)?.standardErrors ?? {}
      const wider = Object.entries(standardErrors ?? {}).filter(([item, error]) => error > broken[item])
      t.equal(
        wider.length,
        Object.keys(broken).length,
        `${id}: pairs that hang together look like more evidence`,
      )
    }
  })
}

async function refusal(request: unknown): Promise<Problem> {
  try {
    await fit(request as FitRequest)
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  throw new Error('there was an answer')
}

type Refused = { id: string; components: string[][]; undefeated: string[]; winless: string[] }

/** Strongly connected components of each group, as the data sets' own descriptions count them. */
const DISCONNECTED: Record<string, Record<string, number>> = {
  polis_vtaiwan_uberx: { group0: 11, group1: 7, ungrouped: 4 },
  forced_marriage: {
    judge01: 21,
    judge02: 24,
    judge03: 58,
    judge04: 61,
    judge05: 71,
    judge06: 2,
    judge07: 47,
    judge08: 60,
    judge09: 15,
    judge10: 6,
    judge11: 68,
    judge12: 17,
  },
}

for (const [name, components] of Object.entries(DISCONNECTED)) {
  t.test(`every group of ${name} is refused with its components, and a gaussian prior answers`, async (t) => {
    const comparisons = read(name)
    const problem = await refusal({ comparisons })
    t.equal(problem.kind, 'no-finite-estimate')
    const refused = problem.evidence.groups as Refused[]
    t.same(Object.fromEntries(refused.map(({ id, components }) => [id, components.length])), components)

    const itemsOf = (group: string) =>
      new Set(
        comparisons.group.flatMap((id, k) =>
          id === group ? [comparisons.winner[k], comparisons.loser[k]] : [],
        ),
      )
    for (const { id, components, undefeated, winless } of refused) {
      t.same(components.flat().sort(), [...itemsOf(id)].sort(), `${id}: components share out the items`)
      const alone = new Set(components.filter(({ length }) => length === 1).flat())
      t.ok(undefeated.every((item) => alone.has(item)) && winless.every((item) => alone.has(item)), id)
    }

    const prior = { kind: 'gaussian', standardDeviation: 2 } as const
    for (const group of (await fit({ comparisons, model: { prior } } as FitRequest)).groups) {
      t.ok(group.fit.converged, `${group.id} has an estimate`)
      t.ok(Object.values(group.rewards).every((reward) => Math.abs(reward) < 20))
      t.same(
        group.connectivity?.components.length,
        components[group.id],
        'and the same diagnosis comes with it',
      )
    }
  })
}

/** Group → comparisons, as the service counts them. */
function countsOf({ group, count }: { group: string[]; count: number[] }): Record<string, number> {
  const counts: Record<string, number> = {}
  group.forEach((id, k) => {
    counts[id] = (counts[id] ?? 0) + count[k]
  })
  return counts
}

for (const [name, ties] of [
  ['forced_marriage', 'half-win'],
  ['polis_vtaiwan_uberx', 'half-win'],
  ['polis_vtaiwan_uberx', 'davidson'],
] as const) {
  t.test(`${name} has an answer where groups are pooled, ties as ${ties}`, async (t) => {
    const { annotator, ...comparisons } = read(name)
    const items = new Set([...comparisons.winner, ...comparisons.loser])
    const answerAt = async (prior: object) =>
      (await fit({ comparisons, model: { ties, prior: { kind: 'pooled', ...prior } } } as FitRequest)).groups
    const groups = await answerAt({})
    const counts = countsOf(comparisons)
    for (const { id, rewards, pooling, standardErrors, fit: summary } of groups) {
      t.ok(summary.converged)
      t.equal(summary.comparisons, counts[id])
      t.equal(Object.keys(rewards).length, items.size, 'every item has a reward in every group')
      t.ok(Object.values(rewards).every((reward) => Math.abs(reward) < 10))
      t.ok(Object.values(standardErrors ?? {}).every((error) => error > 0 && error < 6))
      const shrinkage = pooling?.shrinkage as number
      t.ok(shrinkage > 0 && shrinkage < 1, `${id}: ${shrinkage}`)
    }
    // Neither τ nor σ could be better elsewhere, the other being where it is best.
    const { standardDeviation, populationDeviation, logMarginal } = groups[0].pooling as NonNullable<
      (typeof groups)[0]['pooling']
    >
    t.ok(populationDeviation !== null, 'all groups together have no finite estimate, so σ is estimated')
    for (const factor of [0.9, 1.1]) {
      const other = await answerAt({ standardDeviation: standardDeviation * factor })
      t.ok((other[0].pooling?.logMarginal as number) < (logMarginal as number), `τ times ${factor}`)
    }
  })
}

t.test(
  'judges whose essays hang together have an answer under Jeffreys’ prior, and the others are named',
  async (t) => {
    const { annotator, ...comparisons } = read('forced_marriage')
    const request = (keep: (group: string) => boolean) => {
      const rows = comparisons.group.flatMap((id, k) => (keep(id) ? [k] : []))
      const columns = Object.entries(comparisons).map(([member, values]) => [
        member,
        rows.map((k) => values[k]),
      ])
      return { comparisons: Object.fromEntries(columns), model: { prior: { kind: 'firth' } } } as FitRequest
    }
    const problem = await refusal(request(() => true))
    t.equal(problem.kind, 'no-finite-estimate')
    const apart = new Set((problem.evidence.groups as Refused[]).map(({ id }) => id))
    t.equal(apart.size, 8)
    const { groups } = await fit(request((id) => !apart.has(id)))
    t.equal(groups.length, 4)
    for (const { fit: summary, rewards } of groups) {
      t.ok(summary.converged)
      t.ok(Object.values(rewards).every((reward) => Math.abs(reward) < 20))
    }
  },
)
