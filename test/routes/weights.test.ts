import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { AggregateResponse, OptimumResult } from '../../schemas/aggregate.ts'
import { difference } from '../../src/engine/difference.ts'
import type { Database, Row, Statements } from '../../src/store/database.ts'
import { createWeightStore } from '../../src/store/weights.ts'
import { build, misfit, post, refuses, type Served, serve, slow } from '../helpers/app.ts'
import { startPostgres } from '../helpers/postgres.ts'

const ROWS = [
  { group: 'g', winner: 'a', loser: 'b', region: 'north' },
  { group: 'g', winner: 'b', loser: 'a', region: 'south', count: 2 },
  { group: 'h', winner: 'b', loser: 'a', region: 'north', count: 3, annotator: 'x' },
  { group: 'h', winner: 'a', loser: 'b', region: 'south', annotator: 'y' },
]
const MORE = [{ group: 'g', winner: 'a', loser: 'b', count: 5 }]
const COMPARISONS = '/datasets/d/comparisons'
const WEIGHTS = '/datasets/d/weights/w'
const CONFIGURATION = { welfare: { function: 'nash' }, policy: { temperature: 0.5 } }

/** An app whose dataset `d` has some comparisons. */
async function withDataset(t: Test, env: Record<string, string> = {}): Promise<FastifyInstance> {
  const app = await build(t, env)
  await post(app, '/datasets', { id: 'd', covariates: ['region'] })
  t.equal((await post(app, COMPARISONS, { comparisons: ROWS })).statusCode, 201)
  return app
}

const get = (app: FastifyInstance, url: string) => app.inject({ method: 'GET', url })
const remove = (app: FastifyInstance, url: string) => app.inject({ method: 'DELETE', url })
const put = (app: FastifyInstance, url: string, payload: unknown) =>
  app.inject({ method: 'PUT', url, payload: payload as object })
const refresh = (app: FastifyInstance) => post(app, `${WEIGHTS}/refresh`, '')
const poll = (app: FastifyInstance, etag: string) =>
  app.inject({ method: 'GET', url: WEIGHTS, headers: { 'if-none-match': etag } })
const tagOf = async (app: FastifyInstance) => String((await get(app, WEIGHTS)).headers.etag)

/** Asks again and again until an answer is as wanted. */
async function until<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  while (true) {
    const answer = await ask()
    if (wanted(answer)) return answer
    await new Promise((wake) => setTimeout(wake, 20))
  }
}

t.test('weights are published by versions, and polled for nothing', async (t) => {
  const app = await withDataset(t)
  const first = await put(app, WEIGHTS, CONFIGURATION)
  t.equal(first.statusCode, 201, first.body)
  t.equal(misfit('PublishedWeights', first.json()), null)
  const lastRefresh = { status: 'succeeded', problem: null }
  t.match(first.json(), { version: 1, latest: 1, pinned: null, refresh: null, lastRefresh })
  const { data, ...result } = (await post(app, '/aggregate', { dataset: 'd', ...CONFIGURATION })).json()
  t.same(first.json().result, { ...result, data }, 'what /aggregate answers')
  t.equal(first.json().fingerprint, data.fingerprint)

  const polled = await get(app, WEIGHTS)
  t.equal(polled.body, first.body)
  t.equal(polled.headers['content-type'], 'application/json')
  const tag = String(polled.headers.etag)
  t.match(tag, /^"1-[^"]+"$/, 'a strong tag')
  t.equal(polled.headers['cache-control'], 'private, no-cache')
  for (const etag of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
    const same = await poll(app, etag)
    t.equal(same.statusCode, 304, etag)
    t.equal(same.body, '')
    t.equal(same.headers.etag, tag)
    t.equal(same.headers['cache-control'], 'private, no-cache')
  }
  t.equal((await poll(app, '"other"')).statusCode, 200)
  const head = await app.inject({ method: 'HEAD', url: WEIGHTS, headers: { 'if-none-match': tag } })
  t.equal(head.statusCode, 304)
  const unchanged = await refresh(app)
  t.equal(unchanged.statusCode, 200, 'nothing new')
  t.equal(unchanged.body, first.body)
  const respelled = { policy: { temperature: 0.5 }, welfare: { function: 'nash' } }
  t.equal((await put(app, WEIGHTS, respelled)).statusCode, 200, 'the order of members is no matter')
  t.equal((await poll(app, tag)).statusCode, 304)

  await post(app, COMPARISONS, { comparisons: MORE })
  t.equal((await poll(app, tag)).statusCode, 304, 'new comparisons alone change nothing')
  const second = await refresh(app)
  t.equal(second.statusCode, 201, second.body)
  t.match((await poll(app, tag)).json(), { version: 2, latest: 2 })
  t.same((await get(app, `${WEIGHTS}?version=1`)).json().result, first.json().result)
  t.match((await get(app, `${WEIGHTS}?version=1`)).headers.etag, /^"1-/)
  const versions = (await get(app, `${WEIGHTS}/versions`)).json()
  t.equal(misfit('WeightsVersions', versions), null)
  t.match(versions, { versions: [{ version: 2 }, { version: 1, fingerprint: data.fingerprint }], next: null })
  const page = (await get(app, `${WEIGHTS}/versions?limit=1`)).json()
  t.match(page, { versions: [{ version: 2 }], next: 2 })
  t.same((await get(app, `${WEIGHTS}/versions?limit=1&before=2`)).json().versions, versions.versions.slice(1))
  const listed = (await get(app, '/datasets/d/weights')).json()
  t.equal(misfit('WeightsList', listed), null)
  t.match(listed, {
    weights: [{ name: 'w', latest: 2, pinned: null, refresh: null, lastRefresh }],
    next: null,
  })

  const rolled = await put(app, `${WEIGHTS}/pin`, { version: 1 })
  t.match(rolled.json(), { version: 1, latest: 2, pinned: 1, result: first.json().result })
  t.not(rolled.headers.etag, tag, 'pinned is another answer')
  await post(app, COMPARISONS, { comparisons: MORE })
  t.match((await refresh(app)).json(), { version: 1, latest: 3 }, 'pinned whatever comes')
  t.match((await remove(app, `${WEIGHTS}/pin`)).json(), { version: 3, pinned: null })
  t.equal((await remove(app, WEIGHTS)).statusCode, 204)
  const gone = { status: 404, kind: 'no-such-weights', says: /no weights "w"/ }
  refuses(t, await poll(app, tag), gone, 'gone')
  await put(app, WEIGHTS, CONFIGURATION)
  t.equal((await poll(app, tag)).statusCode, 200, 'version 1 of another publication has another tag')
})

t.test('a poll asks the database for nothing while nothing changes', async (t) => {
  let asked = 0
  const row: Row = { name: 'w', latest: 1, pinned: null, last_refresh: '{}', fingerprint: '', stamp: 's' }
  const statements = { run: async () => [row] } as unknown as Statements
  const tables = { key: 1, id: 'd', covariates: [] }
  const storeOn = (kind: Database['kind']) =>
    createWeightStore(
      {
        kind,
        snapshot: async (work: (statements: Statements) => Promise<unknown>) => {
          asked++
          await new Promise((wake) => setImmediate(wake))
          return work(statements)
        },
      } as unknown as Database,
      async () => tables,
      async (_id, work) => work(statements, tables),
    )
  const embedded = storeOn('embedded')
  const polls = await Promise.all(Array.from({ length: 100 }, () => embedded.find('d', 'w')))
  t.equal(new Set(polls).size, 1)
  for (let k = 0; k < 100; k++) await embedded.find('d', 'w')
  t.equal(asked, 1, 'a hundred at once and a hundred after them')
  t.equal(embedded.known('d', 'w'), polls[0], 'it is there at once')
  t.equal(embedded.known('d', 'v'), null)
  await embedded.pin('d', 'w', null)
  t.equal(embedded.known('d', 'w'), null, 'but not after a change')
  await embedded.find('d', 'w')
  t.equal(asked, 2, 'again after a change')
  const early = embedded.find('d', 'w')
  await embedded.pin('d', 'w', null)
  await Promise.all([early, embedded.find('d', 'w')])
  t.equal(asked, 3, 'what was asked before a change is not taken for what is after it')
  const shared = storeOn('postgresql')
  await Promise.all(Array.from({ length: 100 }, () => shared.find('d', 'w')))
  t.equal(asked, 4)
  t.not(shared.known('d', 'w'), null)
  await until(
    async () => shared.known('d', 'w'),
    (known) => known === null,
  )
  await shared.find('d', 'w')
  t.equal(asked, 5)
  t.pass('where others may change it, it is asked again in a while')
})

t.test('a refresh that fails leaves the last version in place, and says so', async (t) => {
  const app = await withDataset(t)
  const selection = { groupBy: 'region', annotators: ['x', 'y'] }
  const configuration = {
    dataset: selection,
    model: { prior: { kind: 'firth' } },
    welfare: { function: 'maximin' },
  }
  const published = await put(app, WEIGHTS, configuration)
  t.equal(published.statusCode, 201, published.body)
  t.same(Object.keys(published.json().result.weights), ['north', 'south'], 'by region')
  const before = await tagOf(app)
  for (const annotator of ['x', 'y']) await remove(app, `/datasets/d/annotators/${annotator}`)
  const nothing = { status: 400, kind: 'invalid-request', at: '/dataset', says: /no comparisons/ }
  refuses(t, await refresh(app), nothing, 'nothing is left to compute from')
  const served = await get(app, WEIGHTS)
  t.same(served.json().result, published.json().result, 'as before')
  t.match(served.json(), {
    version: 1,
    lastRefresh: { status: 'failed', problem: { status: 400, detail: /no comparisons/ } },
  })
  t.equal(misfit('PublishedWeights', served.json()), null)
  const failed = String(served.headers.etag)
  t.not(failed, before, 'who polls hears of it')
  await refresh(app)
  t.equal((await poll(app, failed)).statusCode, 304, 'once')
  refuses(t, await put(app, WEIGHTS, configuration), nothing, 'published anew')
  t.equal((await poll(app, failed)).statusCode, 304, 'which changes nothing')
  const judged = ROWS.slice(2).map((row) => ({ ...row, count: 1 }))
  await post(app, COMPARISONS, { comparisons: judged })
  t.match((await refresh(app)).json(), { version: 2, lastRefresh: { status: 'succeeded', problem: null } })
})

t.test('a failure is over where the data are again those of the latest version', async (t) => {
  const app = await withDataset(t)
  await put(app, WEIGHTS, CONFIGURATION)
  const seen = await app.store.state({
    dataset: 'd',
    filters: {},
    groupBy: 'group',
    positions: false,
    annotators: false,
    squares: false,
  })
  const { schedule } = await app.store.weights.find('d', 'w')
  const failure = { status: 'failed', at: new Date(0).toISOString(), problem: { detail: 'lightning' } }
  await app.store.weights.note('d', 'w', schedule, JSON.stringify(failure), seen)
  t.match((await get(app, WEIGHTS)).json(), { lastRefresh: failure })
  const refreshed = await refresh(app)
  t.equal(refreshed.statusCode, 200)
  t.match(refreshed.json(), { version: 1, lastRefresh: { status: 'succeeded', problem: null } })
})

t.test('what cannot be published is refused, and publishes nothing', async (t) => {
  const app = await build(t)
  await post(app, '/datasets', { id: 'd', covariates: ['region'] })
  await post(app, COMPARISONS, { comparisons: ROWS.slice(0, 1) })
  const welfare = { function: 'nash' }
  const invalid = (at: string, says: RegExp) => ({ status: 400, kind: 'invalid-request', at, says })
  const cases: [string, unknown, Parameters<typeof refuses>[2]][] = [
    ['no welfare', {}, invalid('/welfare', /is required/)],
    ['data', { welfare, comparisons: ROWS }, invalid('/comparisons', /not a member/)],
    ['another dataset', { welfare, dataset: { id: 'e' } }, invalid('/dataset/id', /not a member/)],
    ['a front', { welfare: { function: 'pareto-front' } }, invalid('/welfare/function', /no weights/)],
    ['a column', { welfare, dataset: { groupBy: 'x' } }, invalid('/dataset/groupBy', /no column/)],
    ['a time', { welfare, dataset: { asOf: 'now' } }, invalid('/dataset/asOf', /RFC 3339/)],
    ['a schedule', { welfare, refresh: { everySeconds: 0 } }, invalid('/refresh/everySeconds', /from 1 to/)],
    ['no schedule', { welfare, refresh: {} }, invalid('/refresh', /at least 1|fewer/)],
    [
      'half a comparison',
      { welfare, refresh: { afterComparisons: 0.5 } },
      invalid('/refresh/afterComparisons', /whole/),
    ],
    ['no estimate', { welfare }, { status: 422, kind: 'no-finite-estimate', says: /"g"/ }],
  ]
  for (const [name, body, refusal] of cases) refuses(t, await put(app, WEIGHTS, body), refusal, name)
  const unknown = { status: 404, kind: 'no-such-weights', says: /"w"/ }
  refuses(t, await get(app, WEIGHTS), unknown, 'nothing is published')
  refuses(t, await refresh(app), unknown, 'nothing to refresh')
  refuses(t, await put(app, `${WEIGHTS}/pin`, { version: 1 }), unknown, 'nothing to pin')
  refuses(t, await put(app, `${WEIGHTS}/pin`, {}), invalid('/version', /is required/), 'no version')
  refuses(t, await get(app, `${WEIGHTS}/versions`), unknown, 'no versions')
  refuses(t, await get(app, `${WEIGHTS}/difference?from=1&to=2`), unknown, 'nothing to compare')
  refuses(
    t,
    await get(app, `${WEIGHTS}/difference?from=1`),
    invalid('/to', /is required/),
    'half a difference',
  )
  refuses(t, await get(app, `${WEIGHTS}?version=0`), invalid('/version', /at least 1/), 'version 0')
  const elsewhere = await put(app, '/datasets/e/weights/w', { welfare })
  refuses(t, elsewhere, { status: 404, kind: 'no-such-dataset', says: /"e"/ }, 'no dataset')
  const release = await app.store.claim('d', 'weights w')
  const busy = { status: 409, kind: 'refresh-in-flight', says: /"w" are being computed/ }
  refuses(t, await put(app, WEIGHTS, { welfare }), busy, 'computed at the moment')
  await release?.()
})

t.test('what is optimal ex post, or in contexts, or linear in features, is published too', async (t) => {
  const app = await withDataset(t)
  const items = [
    { id: 'a', features: [1] },
    { id: 'b', features: [0] },
  ]
  const welfare = { function: 'nash' }
  const contexts = [
    { id: 'p', items: ['a', 'b'], weight: 1 },
    { id: 'q', items: ['b', 'a'], weight: 2 },
  ]
  const cases: [string, object, string[]][] = [
    ['ex-post', { welfare: { function: 'maximin' }, mode: 'ex-post' }, ['rewards', 'policy']],
    ['contexts', { welfare, policy: { temperature: 1, contexts } }, ['weights', 'rewards', 'policies']],
    ['features', { welfare, items, policy: { temperature: 1 } }, ['weights', 'rewards', 'rewardWeights']],
  ]
  for (const [name, configuration, members] of cases) {
    const path = `/datasets/d/weights/${name}`
    const published = await put(app, path, configuration)
    t.equal(published.statusCode, 201, `${name}: ${published.body.slice(0, 300)}`)
    t.equal(misfit('PublishedWeights', published.json()), null, name)
    for (const member of members) t.ok(Object.hasOwn(published.json().result, member), `${name}: ${member}`)
    t.equal((await get(app, path)).json().version, 1)
  }
  const names = (await get(app, '/datasets/d/weights?limit=2')).json()
  t.match(names, { weights: [{ name: 'contexts' }, { name: 'ex-post' }], next: 'ex-post' })
  t.match((await get(app, `/datasets/d/weights?after=${names.next}`)).json(), {
    weights: [{ name: 'features' }],
    next: null,
  })
})

t.test('the difference has what changed between two versions side by side', async (t) => {
  const app = await withDataset(t)
  const one = await put(app, WEIGHTS, CONFIGURATION)
  await post(app, COMPARISONS, { comparisons: [...MORE, { group: 'h', winner: 'a', loser: 'b', count: 9 }] })
  const other = await refresh(app)
  const found = (await get(app, `${WEIGHTS}/difference?from=1&to=2`)).json()
  t.equal(misfit('WeightsDifference', found), null)
  const [a, b] = [one.json().result, other.json().result] as OptimumResult[]
  t.match(found, {
    from: { version: 1, fingerprint: one.json().fingerprint },
    to: { version: 2, fingerprint: other.json().fingerprint },
    sameConfiguration: true,
    temperature: { from: a.temperature, to: b.temperature, change: b.temperature - a.temperature },
    welfare: { from: a.welfare, to: b.welfare },
  })
  const changes = (of: (result: OptimumResult) => Record<string, number | null>, ids: string[]) =>
    ids.map((id) => [of(a)[id], of(b)[id], (of(b)[id] as number) - (of(a)[id] as number)])
  const values = (list: { from: number; to: number; change: number }[]) =>
    list.map(({ from, to, change }) => [from, to, change])
  t.same(
    values(found.weights),
    changes(({ weights }) => weights, ['g', 'h']),
  )
  t.same(
    values(found.rewards),
    changes(({ rewards }) => rewards, ['a', 'b']),
  )
  t.same(
    values(found.policies[0].items),
    changes(({ policy }) => policy, ['a', 'b']),
  )
  const moved = Math.abs(a.policy.a - b.policy.a)
  t.ok(Math.abs(found.policies[0].moved - moved) < 1e-15)
  t.ok(moved > 0.01, 'something did move')
  t.same(found.ranks, [
    { item: 'a', from: 2, to: 1, change: -1 },
    { item: 'b', from: 1, to: 2, change: 1 },
  ])
  const same = (await get(app, `${WEIGHTS}/difference?from=2&to=2`)).json()
  t.match(same, { ranks: [], policies: [{ moved: 0 }], sameConfiguration: true })
  await put(app, WEIGHTS, { ...CONFIGURATION, seed: 7 })
  t.equal((await get(app, `${WEIGHTS}/difference?from=2&to=3`)).json().sameConfiguration, false)
})

t.test('what only one of two versions has is null in the other', async (t) => {
  const [one, two] = [
    {
      temperature: 0,
      welfare: 1,
      weights: { g: 1 },
      rewards: { a: 0.5, b: null },
      ranking: [{ item: 'a', rank: 1, reward: 0.5 }],
      policies: [
        { context: 'p', weight: 0.5, policy: { a: 1 }, rewards: {} },
        { context: 'q', weight: 0.5, policy: { a: 0.25, b: 0.75 }, rewards: {} },
      ],
    },
    {
      temperature: 0,
      welfare: 1,
      rewards: { b: 0.25, c: 0.125 },
      ranking: [
        { item: 'b', rank: 1, reward: 0.25 },
        { item: 'c', rank: 2, reward: 0.125 },
      ],
      policies: [
        { context: 'q', weight: 0.5, policy: { b: 0.5, c: 0.5 }, rewards: {} },
        { context: '__proto__', weight: 0.5, policy: { c: 1 }, rewards: {} },
      ],
    },
  ] as unknown as AggregateResponse[]
  t.same(difference(one, two), {
    temperature: { from: 0, to: 0, change: 0 },
    welfare: { from: 1, to: 1, change: 0 },
    weights: [{ group: 'g', from: 1, to: null, change: null }],
    rewards: [
      { item: 'b', from: null, to: 0.25, change: null },
      { item: 'c', from: null, to: 0.125, change: null },
      { item: 'a', from: 0.5, to: null, change: null },
    ],
    ranks: [
      { item: 'b', from: null, to: 1, change: null },
      { item: 'c', from: null, to: 2, change: null },
      { item: 'a', from: 1, to: null, change: null },
    ],
    policies: [
      {
        context: 'q',
        moved: 0.5,
        items: [
          { item: 'b', from: 0.75, to: 0.5, change: -0.25 },
          { item: 'c', from: null, to: 0.5, change: null },
          { item: 'a', from: 0.25, to: null, change: null },
        ],
      },
      { context: '__proto__', moved: null, items: [{ item: 'c', from: null, to: 1, change: null }] },
      { context: 'p', moved: null, items: [{ item: 'a', from: 1, to: null, change: null }] },
    ],
  })
})

t.test('a schedule refreshes by itself: by the clock, and by new comparisons', async (t) => {
  const app = await withDataset(t)
  const [clock, count] = ['/datasets/d/weights/clock', '/datasets/d/weights/count']
  const scheduled = await put(app, clock, { ...CONFIGURATION, refresh: { everySeconds: 1 } })
  t.match(scheduled.json(), { version: 1, refresh: { everySeconds: 1 } })
  await put(app, count, { ...CONFIGURATION, refresh: { afterComparisons: 2, everySeconds: 3600 } })
  await post(app, COMPARISONS, { comparisons: MORE })
  const read = async (path: string) => (await get(app, path)).json()
  t.match(
    await until(
      () => read(clock),
      ({ version }) => version === 2,
    ),
    { latest: 2 },
  )
  t.match(await read(count), { version: 1 }, 'one comparison is not enough')
  await post(app, COMPARISONS, { comparisons: MORE })
  await until(
    () => read(count),
    ({ version }) => version === 2,
  )
  const { fingerprint } = await until(
    () => read(clock),
    ({ version }) => version === 3,
  )
  t.equal((await read(count)).fingerprint, fingerprint)
  const loner = [{ group: 'lonely', winner: 'a', loser: 'c' }]
  const { batch } = (await post(app, COMPARISONS, { comparisons: loner })).json()
  const failing = await until(
    () => read(clock),
    ({ lastRefresh }) => lastRefresh.status === 'failed',
  )
  t.match(failing, { version: 3, lastRefresh: { problem: { type: '/problems/no-finite-estimate' } } })
  t.equal(misfit('PublishedWeights', failing), null)
  await remove(app, `/datasets/d/batches/${batch.id}`)
  await until(
    () => read(clock),
    ({ lastRefresh }) => lastRefresh.status === 'succeeded',
  )
  t.match(
    await until(
      () => read(count),
      ({ version }) => version === 3,
    ),
    { pinned: null },
    'an erasure is not left for later',
  )
  const off = await put(app, clock, CONFIGURATION)
  t.match(off.json(), { refresh: null })
})

const json = { 'content-type': 'application/json' }
const send = (service: Served, method: string, path: string, body?: unknown) =>
  fetch(`http://127.0.0.1:${service.port}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: json, body: JSON.stringify(body) }),
  })

t.test('a service killed while it refreshes has the last version as it was', async (t) => {
  const home = t.testdir()
  const first = await serve(t, { DATA_DIR: home })
  await send(first, 'POST', '/datasets', { id: 'd' })
  const row = (k: number, group: string) => ({ group, winner: `i${k}`, loser: `i${(k + 1) % 1500}` })
  const ring = Array.from({ length: 1500 }, (_, k) => ['g', 'h', 'k'].map((group) => row(k, group))).flat()
  t.equal((await send(first, 'POST', COMPARISONS, { comparisons: ring })).status, 201)
  const configuration = { welfare: { function: 'utilitarian' }, utility: { scale: 'win-probability' } }
  const published = await send(first, 'PUT', WEIGHTS, configuration)
  t.equal(published.status, 201)
  const text = await published.text()
  await send(first, 'POST', COMPARISONS, { comparisons: ring.slice(0, 700) })
  const refreshing = send(first, 'POST', `${WEIGHTS}/refresh`).catch(() => null)
  await until(
    async () => (await send(first, 'GET', '/metrics')).text(),
    (metrics) => /commonweal_task_progress\{[^}]*operation="aggregate"/.test(metrics),
  )
  first.child.kill('SIGKILL')
  t.equal(await refreshing, null, 'it was not answered')
  await first.exit

  const second = await serve(t, { DATA_DIR: home })
  const read = await send(second, 'GET', WEIGHTS)
  t.equal(await read.text(), text)
  t.equal(read.headers.get('etag'), published.headers.get('etag'), 'who polls notices nothing')
  t.match(await (await send(second, 'POST', `${WEIGHTS}/refresh`)).json(), { version: 2 })
  second.child.kill('SIGKILL')
})

t.test('a service killed at any moment has every version that it acknowledged, whole', async (t) => {
  const home = t.testdir()
  let service = await serve(t, { DATA_DIR: home })
  await send(service, 'POST', '/datasets', { id: 'd' })
  await send(service, 'POST', COMPARISONS, { comparisons: ROWS.map(({ region: _, ...row }) => row) })
  await send(service, 'PUT', WEIGHTS, CONFIGURATION)
  for (let round = 1; round <= 2; round++) {
    const { child, exit } = service
    let acknowledged = 0
    let killed = false
    const writing = (async () => {
      while (!killed) {
        await send(service, 'POST', COMPARISONS, { comparisons: MORE }).catch(() => null)
        const answer = await send(service, 'POST', `${WEIGHTS}/refresh`).catch(() => null)
        const text = await answer?.text().catch(() => '')
        if (answer?.status === 201 && text) acknowledged = JSON.parse(text).latest
      }
    })()
    await until(
      async () => acknowledged,
      (latest) => latest >= 10 * round,
    )
    child.kill('SIGKILL')
    killed = true
    await writing
    await exit
    service = await serve(t, { DATA_DIR: home })
    const { version, latest } = (await (await send(service, 'GET', WEIGHTS)).json()) as Record<string, number>
    t.ok(latest >= acknowledged && latest <= acknowledged + 1, `${latest}, ${acknowledged} acknowledged`)
    t.equal(version, latest)
    for (let k = 1; k <= latest; k++) {
      const old = await (await send(service, 'GET', `${WEIGHTS}?version=${k}`)).json()
      t.equal(misfit('PublishedWeights', old), null, `version ${k}`)
    }
  }
})

t.test('replicas on PostgreSQL serve the same, and refresh once', async (t) => {
  const server = await startPostgres(t)
  const DATABASE_URL = await server.database()
  const here = await withDataset(t, { DATABASE_URL })
  const there = await build(t, { DATABASE_URL })
  const first = await put(here, WEIGHTS, CONFIGURATION)
  t.equal(first.statusCode, 201, first.body)
  t.equal((await get(there, WEIGHTS)).body, first.body)
  const tag = await tagOf(here)
  t.equal(await tagOf(there), tag)
  await post(there, COMPARISONS, { comparisons: MORE })
  const both = await Promise.all([here, there, here, there].map(refresh))
  const statuses = both.map(({ statusCode }) => statusCode)
  t.equal(statuses.filter((status) => status === 201).length, 1, `one version of ${statuses}`)
  for (const answer of both.filter(({ statusCode }) => statusCode >= 300))
    refuses(t, answer, { status: 409, kind: 'refresh-in-flight', says: /"w"/ }, 'the others')
  for (const app of [here, there]) {
    const { version } = await until(
      async () => (await get(app, WEIGHTS)).json(),
      ({ version }) => version === 2,
    )
    t.equal(version, 2)
  }
  await put(there, `${WEIGHTS}/pin`, { version: 1 })
  await until(
    async () => (await get(here, WEIGHTS)).json(),
    ({ pinned }) => pinned === 1,
  )
  t.equal(await tagOf(here), await tagOf(there))
  await remove(here, `${WEIGHTS}/pin`)
  await put(here, WEIGHTS, { ...CONFIGURATION, refresh: { afterComparisons: 1, everySeconds: 1 } })
  for (let latest = 3; latest <= 5; latest++) {
    await post(here, COMPARISONS, { comparisons: MORE })
    await until(
      async () => (await get(there, WEIGHTS)).json(),
      ({ version }) => version >= latest,
    )
    const { versions } = (await get(here, `${WEIGHTS}/versions`)).json()
    t.equal(versions.length, latest, 'the schedules of two replicas make one version')
    t.equal(new Set(versions.map(({ fingerprint }: { fingerprint: string }) => fingerprint)).size, latest)
  }
  await remove(here, '/datasets/d')
  await until(
    async () => (await get(there, WEIGHTS)).statusCode,
    (status) => status === 404,
  )
})

t.test('a refresh that no worker has time for is refused, and is no failure of the data', async (t) => {
  const app = await withDataset(t, { WORKERS: '1', QUEUE_LIMIT: '0' })
  const ring = Array.from({ length: 600 }, (_, k) => ({
    group: 'g',
    winner: `i${k}`,
    loser: `i${(k + 1) % 600}`,
  }))
  await post(app, '/datasets', { id: 'e' })
  t.equal((await post(app, '/datasets/e/comparisons', { comparisons: ring })).statusCode, 201)
  const path = '/datasets/e/weights/w'
  t.equal((await put(app, path, { welfare: { function: 'utilitarian' } })).statusCode, 201)
  t.equal((await post(app, '/datasets/e/comparisons', { comparisons: ring.slice(1) })).statusCode, 201)
  const busy = post(app, '/aggregate', slow(20))
  await until(
    async () => app.pool.tasks().length,
    (tasks) => tasks === 1,
  )
  const refused = await post(app, `${path}/refresh`, '')
  refuses(t, refused, { status: 503, kind: 'overloaded', says: /queue is full/ }, 'no worker')
  t.ok(refused.headers['retry-after'])
  t.match((await get(app, path)).json(), { version: 1, lastRefresh: { status: 'succeeded' } })
  t.equal((await busy).statusCode, 200)
  t.match((await post(app, `${path}/refresh`, '')).json(), { version: 2 })
})
