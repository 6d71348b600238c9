import t from 'tap'
import type { AggregateRequest, OptimumResult } from '../../schemas/aggregate.ts'
import type { Model } from '../../schemas/model.ts'
import { aggregate, compare } from '../../src/engine/aggregate.ts'
import type { StoredSource } from '../../src/engine/comparisons/stored.ts'
import type { Fitted } from '../../src/engine/fitted.ts'
import { NO_MEMORY } from '../../src/engine/fitted.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { keepFits } from '../../src/service/fits.ts'
import { distance } from '../helpers/problems.ts'

type Row = {
  group: string
  annotator: string
  winner: string
  loser: string
  tie: boolean
  first: string
}

/** Comparisons of items whose rewards are drawn per group, with ties and with the item shown first preferred. */
function rowsOf(groups: readonly string[], items: readonly string[], count: number, seed: number): Row[] {
  const random = seededRandom(seed)
  const rewards = new Map(groups.map((group) => [group, items.map(() => 2 * random() - 1)]))
  return Array.from({ length: count }, (_, k) => {
    const group = groups[k % groups.length]
    const own = rewards.get(group) as number[]
    const i = Math.floor(random() * items.length)
    const j = (i + 1 + Math.floor(random() * (items.length - 1))) % items.length
    const wins = random() < 1 / (1 + Math.exp(own[j] - own[i] - 0.3))
    return {
      group,
      annotator: `annotator ${Math.floor(random() * 6)}`,
      winner: items[wins ? i : j],
      loser: items[wins ? j : i],
      tie: random() < 0.1,
      first: items[i],
    }
  })
}

const ITEMS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const GROUPS = ['east', 'north', 'west']
const rows = rowsOf(GROUPS, ITEMS, 900, 1)
const featured = [...ITEMS, 'new'].map((id, k) => ({ id, features: [Math.sin(k), Math.cos(2 * k), k / 4] }))

type Settings = Pick<AggregateRequest, 'model' | 'groups' | 'items'>
const DISCOVERED: Settings = { groups: { discover: { max: 3 } }, model: { prior: gaussian() } }
const MODELS: Record<string, Settings> = {
  plain: {},
  gaussian: { model: { prior: gaussian() } },
  'pseudo-item': { model: { prior: { kind: 'pseudo-item', strength: 0.5 } } },
  firth: { model: { prior: { kind: 'firth' } } },
  pooled: { model: { prior: { kind: 'pooled' } } },
  'ties and positions': { model: { ties: 'davidson', positionEffect: true } },
  reliability: { model: { prior: gaussian(), reliability: {} } },
  features: { items: featured, model: { prior: gaussian() } },
  discovered: DISCOVERED,
}

function gaussian(): NonNullable<Model['prior']> {
  return { kind: 'gaussian', standardDeviation: 2 }
}

function request(settings: Settings, comparisons: readonly Row[], welfare = 'nash'): AggregateRequest {
  const rows = settings === DISCOVERED ? comparisons.map(({ group, ...row }) => row) : comparisons
  return { ...settings, comparisons: rows, welfare: { function: welfare } } as unknown as AggregateRequest
}

/** An answer with what was fitted for it. */
async function remembered(asked: AggregateRequest, memory: { same?: Fitted; before?: Fitted } = {}) {
  let fitted: Fitted | null = null
  const keep = (found: Fitted) => {
    fitted = found
  }
  const quiet = () => {}
  const answer = await aggregate(asked, quiet, quiet, { ...NO_MEMORY, ...memory, keep })
  return { answer: answer as OptimumResult, fitted: fitted as Fitted | null }
}

for (const [name, settings] of Object.entries(MODELS)) {
  t.test(`what was fitted once answers for every welfare function, under ${name}`, async (t) => {
    const { fitted } = await remembered(request(settings, rows))
    // What is handed to another thread is a copy of the data, without functions.
    const same = structuredClone(fitted) as Fitted
    for (const welfare of ['nash', 'maximin', 'utilitarian', 'pareto-front']) {
      const asked = request(settings, rows, welfare)
      const { comparisons, ...rest } = asked
      const again = await remembered(rest as AggregateRequest, { same })
      t.same(again.answer, await aggregate(asked), welfare)
      t.equal(again.fitted, null, 'nothing is fitted')
    }
    const { welfare, ...rest } = request(settings, rows)
    const several = { ...rest, welfare: [{ function: 'nash' as const }, { function: 'maximin' as const }] }
    const kept = { ...NO_MEMORY, same }
    t.same(
      await compare({ ...several, comparisons: undefined }, undefined, undefined, kept),
      await compare(several),
    )
  })
}

const MORE_ITEMS = [...ITEMS, 'new']
const more = [...rows, ...rowsOf([...GROUPS, 'south'], MORE_ITEMS, 400, 2)]

for (const [name, settings] of Object.entries(MODELS)) {
  t.test(`a fit that begins at the last one ends where any other does, under ${name}`, async (t) => {
    const { fitted: before } = await remembered(request(settings, rows))
    const cold = (await aggregate(request(settings, more))) as OptimumResult
    for (const last of [before as Fitted, misled(before as Fitted)]) {
      const { answer } = await remembered(request(settings, more), { before: last })
      answer.groups.forEach((group, g) => {
        const other = cold.groups[g]
        t.equal(group.id, other.id)
        t.ok(
          distance(Object.values(group.rewards), Object.values(other.rewards)) < 1e-9,
          `rewards of ${group.id}`,
        )
        t.ok((group.fit?.gradientNorm ?? 1) <= 1e-10 && (group.fit?.errorEstimate ?? 1) <= 1e-10)
        t.ok(Math.abs(group.weight - other.weight) < 1e-8, `weight of ${group.id}`)
      })
      t.ok(distance(numbers(answer.rewards), numbers(cold.rewards)) < 1e-8)
    }
  })
}

function numbers(record: Record<string, number | null>): number[] {
  return Object.values(record).map((value) => value ?? Number.NaN)
}

/** Fits that have nothing to do with the data. */
function misled(fitted: Fitted): Fitted {
  return {
    ...fitted,
    rewards: fitted.rewards.map((group) => ({
      ...group,
      values: group.values.map((value, i) => 25 * Math.sin(9 * i) - value),
      weights: group.weights?.map((value) => 8 - value) ?? null,
      extras: { tie: 5, position: -9 } as Fitted['rewards'][number]['extras'],
    })),
  }
}

for (const name of ['plain', 'gaussian', 'pseudo-item', 'ties and positions', 'features']) {
  t.test(`a fit that begins at the last one takes fewer steps, under ${name}`, async (t) => {
    const settings = MODELS[name]
    const { fitted: before } = await remembered(request(settings, rows))
    const batch = [...rows, ...rowsOf(GROUPS, ITEMS, 3, 3)]
    const steps = (answer: OptimumResult) =>
      answer.groups.reduce((sum, { fit }) => sum + (fit?.iterations ?? Number.NaN), 0)
    const cold = (await aggregate(request(settings, batch))) as OptimumResult
    const { answer } = await remembered(request(settings, batch), { before: before as Fitted })
    t.ok(steps(answer) < steps(cold), `${steps(answer)} steps instead of ${steps(cold)}`)
  })
}

t.test('where there is no finite estimate, the last fit does not hide it', async (t) => {
  const { fitted: before } = await remembered(request({}, rows))
  const lost = [...rows, { ...rows[0], winner: 'a', loser: 'z', first: 'a', tie: false }]
  const kindOf = (settings: Settings, comparisons: readonly Row[]) =>
    remembered(request(settings, comparisons), { before: before as Fitted }).then(
      () => 'an answer',
      (error) => error.kind,
    )
  t.equal(await kindOf({}, lost), 'no-finite-estimate')
  const tieless = rows.map((row) => ({ ...row, tie: false }))
  const davidson: Settings = { model: { ties: 'davidson' } }
  t.equal(await kindOf(davidson, tieless), 'no-finite-estimate')
})

t.test('fits are kept as long as the data are the same, and tell where to begin afterwards', async (t) => {
  const { fitted } = await remembered(request({}, rows))
  const source = (fingerprint: string): StoredSource => ({
    dataset: 'd',
    groupBy: 'group',
    comparisons: rows.length,
    fingerprint,
  })
  let fingerprint = 'one'
  let counted = 0
  const store = {
    state: async () => ({ epoch: 0, upTo: 1, fingerprint }),
    counts: async () => {
      counted++
      return { source: source(fingerprint) }
    },
  } as unknown as Parameters<ReturnType<typeof keepFits>['recall']>[1]
  const fits = keepFits()
  const wanted = { counts: {} as never, fits: 'key' }
  t.match(await fits.recall(wanted, store), { same: null, before: null, source: { fingerprint: 'one' } })
  fits.keep(wanted, source('one'), fitted as Fitted)
  const again = await fits.recall(wanted, store)
  t.equal(again.same, fitted)
  t.equal(counted, 1, 'nothing is counted for fits that are there')
  fingerprint = 'two'
  const next = await fits.recall(wanted, store)
  t.match(next, { same: null, source: { fingerprint: 'two' } })
  t.equal(next.before, fitted)
  t.match(await fits.recall({ ...wanted, fits: 'another' }, store), { same: null, before: null })
  fits.keep({ ...wanted, fits: null }, source('two'), fitted as Fitted)
  t.match(await fits.recall({ ...wanted, fits: null }, store), { same: null, before: null })
})
