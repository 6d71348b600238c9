import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import type { FitRequest, FitResponse } from '../../schemas/fit.ts'
import { fit } from '../../src/engine/fit.ts'
import { Problem } from '../../src/engine/problem.ts'
import { distance } from '../helpers/problems.ts'

const FOLDER = new URL('../../../shared/data/', import.meta.url)
if (!existsSync(FOLDER)) {
  throw new Error('These tests compare fits with data sets in ../shared/data, and there is no such folder.')
}

type Source = { group: string; winner: string; loser: string; tie: boolean; weight?: number }
type ReferenceFit = {
  group: string
  bt_half_ties: { theta_mean0: Record<string, number>; loglik: number; converged: boolean }
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
