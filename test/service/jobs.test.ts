import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { JobDescription } from '../../schemas/jobs.ts'
import type { Progress, Stage } from '../../src/engine/aggregate.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { answer } from '../../src/service/operations.ts'
import { eventsOf } from '../../src/service/server-sent-events.ts'
import type { Operation } from '../../src/service/validate.ts'
import type { Job, JobAnswer, JobStatus, Jobs, Run } from '../../src/store/jobs.ts'
import { openStoreAndJobs } from '../../src/store/open.ts'
import { build, misfit, post, refuses, type Served, serve, slow } from '../helpers/app.ts'
import { type PostgresServer, startPostgres } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (body: Uint8Array) => new TextDecoder().decode(body)

const over = ({ status }: { status: JobStatus }) => status !== 'queued' && status !== 'running'

/** Work that the test ends by hand. */
type Hand = {
  job: Job
  body: string
  signal: AbortSignal
  at: { stage: string; fraction: number }
  end(answer: JobAnswer): void
}

/** Takes jobs and leaves them to the test. */
function hands() {
  const taken: Hand[] = []
  const run: Run = (job, body, signal) => {
    const { promise, resolve } = Promise.withResolvers<JobAnswer>()
    const at = { stage: 'read', fraction: 0 }
    taken.push({ job, body: text(body), signal, at, end: resolve })
    signal.addEventListener('abort', () => resolve({ status: 499, body: bytes('stopped') }))
    return { answer: promise, progress: () => at }
  }
  return {
    run,
    taken,
    next: async (count: number) =>
      (
        await until(
          async () => taken,
          ({ length }) => length >= count,
        )
      )[count - 1],
  }
}

const kindOf = (refused: Promise<unknown>): Promise<string | null> =>
  refused.then(
    () => null,
    (error) => error.kind,
  )

type Open = (options?: {
  jobLimit?: number
  jobRetention?: number
  slots?: number
}) => Promise<Jobs & { shut(): Promise<void> }>

/** One suite for both stores: `open` opens the same one again and again. */
function suite(t: Test, place: () => Promise<{ dataDirectory: string | null; databaseUrl: string | null }>) {
  async function opener(t: Test): Promise<Open> {
    const where = await place()
    return async ({ jobLimit = 100, jobRetention = 3600, slots = 1 } = {}) => {
      const config = { ...where, uploadLimit: 1e6, storeMemory: 128 * 1024 ** 2, jobLimit, jobRetention }
      const { store, jobs } = await openStoreAndJobs(config, slots, (error) => t.comment(error.message))
      let open = true
      const shut = async () => {
        if (!open) return
        open = false
        await jobs.close()
        await store.close()
      }
      t.teardown(shut)
      return { ...jobs, shut }
    }
  }

  t.test('a job waits, runs, tells how far it is, and keeps its answer', async (t) => {
    const jobs = await (await opener(t))()
    const { run, next } = hands()
    const made = await jobs.create('fit', bytes('{"é":1}'))
    t.match(made, { operation: 'fit', status: 'queued', stage: null, attempts: 0, expiresAt: null })
    t.equal(await kindOf(jobs.answer(made.id)), 'job-not-finished')
    await jobs.start(run)
    const hand = await next(1)
    t.equal(hand.body, '{"é":1}', 'what was sent, byte for byte')
    hand.at.stage = 'solve'
    hand.at.fraction = 0.25
    const seen = await until(
      () => jobs.find(made.id),
      ({ fraction }) => fraction === 0.25,
    )
    t.match(seen, { status: 'running', stage: 'solve', attempts: 1, finishedAt: null })
    t.equal(await kindOf(jobs.answer(made.id)), 'job-not-finished')
    hand.end({ status: 200, body: bytes('{"ok":true}') })
    const done = await until(() => jobs.find(made.id), over)
    t.match(done, { status: 'succeeded', stage: null, fraction: null, answerStatus: 200 })
    t.ok(String(done.finishedAt) >= String(done.startedAt) && String(done.startedAt) >= done.createdAt)
    t.equal(Date.parse(String(done.expiresAt)) - Date.parse(String(done.finishedAt)), 3_600_000)
    const { status, body } = await jobs.answer(made.id)
    t.same([status, text(body)], [200, '{"ok":true}'])
  })

  t.test('a refusal is a failed job whose answer is the problem', async (t) => {
    const jobs = await (await opener(t))()
    const { run, next } = hands()
    await jobs.start(run)
    const { id } = await jobs.create('fit', bytes('x'))
    ;(await next(1)).end({ status: 422, body: bytes('no') })
    t.match(await until(() => jobs.find(id), over), { status: 'failed', answerStatus: 422 })
    t.equal((await jobs.answer(id)).status, 422)
  })

  t.test('a job that waits or runs can be cancelled, and then nothing of it is left', async (t) => {
    const jobs = await (await opener(t))()
    const { run, next, taken } = hands()
    const [first, second, third] = [
      await jobs.create('fit', bytes('1')),
      await jobs.create('fit', bytes('2')),
      await jobs.create('fit', bytes('3')),
    ]
    await jobs.cancel(second.id)
    await jobs.start(run)
    const hand = await next(1)
    t.equal((await jobs.cancel(hand.job.id)).status, 'cancelled')
    t.ok(hand.signal.aborted, 'running work is stopped before the answer')
    ;(await next(2)).end({ status: 200, body: bytes('{}') })
    await until(() => jobs.find(third.id), over)
    t.same(
      taken.map(({ body }) => body),
      ['1', '3'],
      'in the order in which they came, without the one that was cancelled',
    )
    t.match(await jobs.find(first.id), { status: 'cancelled', answerStatus: null, expiresAt: null })
    t.equal(await kindOf(jobs.answer(first.id)), 'job-answer-gone')
    t.same(await jobs.counts(), { queued: 0, running: 0, succeeded: 1, failed: 0, cancelled: 2 })
    t.equal(await kindOf(jobs.cancel('none')), 'no-such-job')
    await jobs.cancel(third.id)
    t.equal(
      await kindOf(jobs.answer(third.id)),
      'job-answer-gone',
      'cancelling what is over removes its answer',
    )
    t.equal((await jobs.find(third.id)).status, 'succeeded')
  })

  t.test('an answer is kept until it expires', async (t) => {
    const jobs = await (await opener(t))({ jobRetention: 0 })
    const { run, next } = hands()
    await jobs.start(run)
    const { id } = await jobs.create('fit', bytes('x'))
    ;(await next(1)).end({ status: 200, body: bytes('{}') })
    await until(() => jobs.find(id), over)
    t.equal(await kindOf(jobs.answer(id)), 'job-answer-gone')
  })

  t.test('there are no more jobs in line than allowed', async (t) => {
    const jobs = await (await opener(t))({ jobLimit: 3 })
    const made = await Promise.allSettled(Array.from({ length: 8 }, () => jobs.create('fit', bytes('x'))))
    t.equal(made.filter(({ status }) => status === 'fulfilled').length, 3)
    for (const one of made) if (one.status === 'rejected') t.equal(one.reason.kind, 'too-many-jobs')
    const [{ id }] = await jobs.list(null, null, 1)
    await jobs.cancel(id)
    t.equal((await jobs.create('fit', bytes('x'))).status, 'queued')
  })

  t.test('jobs are listed newest first, page by page and by status', async (t) => {
    const jobs = await (await opener(t))()
    const ids: string[] = []
    for (let k = 0; k < 5; k++) {
      ids.push((await jobs.create('fit', bytes('x'))).id)
      await pause(2)
    }
    await jobs.cancel(ids[2])
    const idsOf = (found: Job[]) => found.map(({ id }) => id)
    t.same(idsOf(await jobs.list(null, null, 3)), [ids[4], ids[3], ids[2]])
    t.same(idsOf(await jobs.list(null, ids[2], 3)), [ids[1], ids[0]])
    t.same(idsOf(await jobs.list('cancelled', null, 3)), [ids[2]])
  })

  t.test('several run at once, but no more than there are places', async (t) => {
    const jobs = await (await opener(t))({ slots: 2 })
    const { run, next, taken } = hands()
    await jobs.start(run)
    for (let k = 0; k < 3; k++) await jobs.create('fit', bytes(String(k)))
    const hand = await next(2)
    await until(
      () => jobs.counts(),
      ({ running }) => running === 2,
    )
    t.equal(taken.length, 2)
    hand.end({ status: 200, body: bytes('{}') })
    await next(3)
    t.same((await jobs.counts()).queued, 0)
  })

  t.test('what runs when the process ends is done after it, and what waits too', async (t) => {
    const open = await opener(t)
    const jobs = await open()
    const before = hands()
    await jobs.start(before.run)
    const [first, second] = [await jobs.create('fit', bytes('1')), await jobs.create('fit', bytes('2'))]
    const hand = await before.next(1)
    await jobs.shut()
    t.ok(hand.signal.aborted)
    t.equal(before.taken.length, 1, 'nothing else is begun on the way out')

    const again = await open()
    const after = hands()
    t.match(await again.find(first.id), { status: 'queued', attempts: 0 }, 'an orderly end is no attempt')
    await again.start(after.run)
    for (const count of [1, 2]) (await after.next(count)).end({ status: 200, body: bytes('{}') })
    for (const { id } of [first, second])
      t.match(await until(() => again.find(id), over), { status: 'succeeded', attempts: 1 })
  })
}

t.test('embedded', (t) => {
  suite(t, async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), 'commonweal-jobs-'))
    t.teardown(() => rmSync(dataDirectory, { recursive: true, force: true }))
    return { dataDirectory, databaseUrl: null }
  })
  t.end()
})

t.test('PostgreSQL', async (t) => {
  const server = await startPostgres(t)
  suite(t, async () => ({ dataDirectory: null, databaseUrl: await server.database() }))
  replicas(t, server)
})

/** A request that keeps a worker busy for about a second a group, and is quickly read. */
function long(groups: number): string {
  const row = Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`i${i}`, ((i * 7919) % 1000) / 500]))
  const rewards = Object.fromEntries(Array.from({ length: groups }, (_, g) => [`g${g}`, row]))
  return JSON.stringify({
    rewards,
    utility: { scale: 'win-probability' },
    welfare: { function: 'utilitarian' },
  })
}

// Over HTTP.

const large = slow(3)
const quick = { rewards: { east: { a: 1, b: 0 }, west: { a: 0, b: 1 } }, welfare: { function: 'nash' } }
const asking = { 'content-type': 'application/json' }
const asked = { ...asking, prefer: 'respond-async' }

const get = (app: FastifyInstance, url: string, headers: Record<string, string> = {}) =>
  app.inject({ method: 'GET', url, headers })
const jobAt = async (app: FastifyInstance, url: string): Promise<JobDescription> =>
  (await get(app, url)).json()

t.test('a request that prefers to be answered later is answered the same, later', async (t) => {
  const app = await build(t)
  for (const [path, body] of [
    ['/aggregate', quick],
    ['/aggregate', JSON.parse(large)],
    ['/fit', { comparisons: [{ group: 'g', winner: 'a', loser: 'b' }] }],
    ['/aggregate', { nonsense: 1 }],
    ['/compare', '{"cut off'],
  ] as const) {
    const wanted = await post(app, path, body)
    const accepted = await post(app, path, body, {
      ...asked,
      prefer: 'handling=lenient, Respond-Async; wait=1',
    })
    t.equal(accepted.statusCode, 202)
    t.equal(accepted.headers['preference-applied'], 'respond-async')
    t.equal(misfit('Job', accepted.json()), null)
    const location = String(accepted.headers.location)
    t.equal(location, `/jobs/${accepted.json().id}`)
    const job = await until(() => jobAt(app, location), over)
    t.equal(misfit('Job', job), null)
    t.equal(job.status, wanted.statusCode === 200 ? 'succeeded' : 'failed')
    t.same(job.answer, { status: wanted.statusCode, location: `${location}/result` })
    const answer = await get(app, `${location}/result`)
    t.equal(answer.statusCode, wanted.statusCode)
    t.equal(answer.headers['content-type'], wanted.headers['content-type'])
    t.equal(answer.body, wanted.body, `${path}: the same bytes`)
  }
  const list = (await get(app, '/jobs?limit=2&status=failed')).json()
  t.equal(misfit('JobList', list), null)
  t.equal(list.jobs.length, 2)
  const rest = (await get(app, `/jobs?after=${list.next}&status=failed`)).json()
  t.match(rest, { jobs: [{ status: 'failed', operation: 'fit' }], next: null })
  const metrics = (await get(app, '/metrics')).body
  t.ok(metrics.includes('commonweal_jobs{status="succeeded"} 2'))
  t.ok(metrics.includes('commonweal_jobs{status="failed"} 3'))
})

t.test('a large body becomes a job without being asked, where the operator says so', async (t) => {
  const app = await build(t, { JOB_ABOVE: '200' })
  t.equal((await post(app, '/aggregate', quick)).statusCode, 200)
  const accepted = await post(app, '/aggregate', `${JSON.stringify(quick)}${' '.repeat(200)}`)
  t.equal(accepted.statusCode, 202)
  t.notOk('preference-applied' in accepted.headers)
})

t.test('a running job is stopped with its thread', async (t) => {
  const app = await build(t)
  const accepted = await post(app, '/aggregate', long(30), asked)
  const location = String(accepted.headers.location)
  await until(
    () => jobAt(app, location),
    ({ fraction }) => fraction !== null,
  )
  t.equal(app.pool.tasks().length, 1)
  const cancelled = await app.inject({ method: 'DELETE', url: location })
  t.match(cancelled.json(), { status: 'cancelled', answer: null, expiresAt: null })
  // The work would take minutes: that its place is free so soon is the proof.
  await until(
    async () => app.pool.tasks(),
    ({ length }) => length === 0,
  )
  refuses(
    t,
    await get(app, `${location}/result`),
    { status: 410, kind: 'job-answer-gone', says: /cancelled/ },
    'its answer',
  )
  t.equal((await post(app, '/aggregate', quick)).statusCode, 200)
})

t.test('events tell each change, and end with the job', async (t) => {
  const app = await build(t)
  const accepted = await post(app, '/aggregate', slow(20), asked)
  const location = String(accepted.headers.location)
  const stream = await get(app, `${location}/events`)
  t.equal(stream.headers['content-type'], 'text/event-stream')
  const events = stream.body
    .trim()
    .split('\n\n')
    .map((event) => Object.fromEntries(event.split('\n').map((line) => line.split(/: (.*)/s, 2))))
  t.same(events[0], { retry: '2000' })
  const told = events.slice(1).filter((event) => 'id' in event)
  t.same(
    told.map(({ event }) => event),
    [...told.slice(1).map(() => 'progress'), 'end'],
  )
  t.equal(new Set(told.map(({ id }) => id)).size, told.length, 'each has an id of its own')
  for (const { data } of told) t.equal(misfit('Job', JSON.parse(data)), null)
  const fractions = told
    .map(({ data }) => JSON.parse(data) as JobDescription)
    .filter(({ stage }) => stage === 'solve')
    .map(({ fraction }) => Number(fraction))
  t.same(
    fractions,
    fractions.toSorted((a, b) => a - b),
    'it only goes on',
  )
  t.equal(JSON.parse(told.at(-1)?.data ?? '').status, 'succeeded')

  const last = String(told.at(-1)?.id)
  t.equal(
    (await get(app, `${location}/events`, { 'last-event-id': last })).statusCode,
    204,
    'nothing after the end',
  )
  const resumed = await get(app, `${location}/events`, { 'last-event-id': String(told[0].id) })
  t.match(
    resumed.body,
    /^retry: 2000\n\nid: succeeded-1\nevent: end\n/,
    'who comes back is told what has changed',
  )
})

t.test('a stream without news has heartbeats, and one that breaks off goes on where it was', async (t) => {
  const job = {
    id: 'x',
    operation: 'fit',
    status: 'running',
    stage: 'fit',
    fraction: 0.5,
    attempts: 1,
    createdAt: '',
    startedAt: '',
    finishedAt: null,
    expiresAt: null,
    answer: null,
  } satisfies JobDescription
  const states: JobDescription[] = [...Array.from({ length: 6 }, () => job), { ...job, fraction: 0.75 }]
  const collect = async (lastId: string | null, looks: JobDescription[]) => {
    const left = [...looks]
    const found: string[] = []
    const look = async () => left.shift() as JobDescription
    for await (const event of eventsOf(job, lastId, look, async () => left.length > 0, 3) ?? [])
      found.push(event)
    return found
  }
  const all = await collect(null, states)
  t.same(
    all.map((event) => event.split('\n')[0]),
    ['retry: 2000', 'id: running-1-fit-0.5', ': still here', ': still here', 'id: running-1-fit-0.75'],
  )
  const resumed = await collect('running-1-fit-0.5', states.slice(-1))
  t.same(
    resumed.map((event) => event.split('\n')[0]),
    ['retry: 2000', 'id: running-1-fit-0.75'],
  )
})

t.test('what cannot be is refused', async (t) => {
  const app = await build(t, { JOB_LIMIT: '2' })
  for (const url of ['/jobs/none', '/jobs/none/result', '/jobs/none/events'])
    refuses(t, await get(app, url), { status: 404, kind: 'no-such-job', says: /"none"/ }, url)
  refuses(
    t,
    await app.inject({ method: 'DELETE', url: '/jobs/none' }),
    { status: 404, kind: 'no-such-job', says: /"none"/ },
    'DELETE',
  )
  refuses(
    t,
    await get(app, '/jobs?status=done'),
    { status: 400, kind: 'invalid-request', at: '/status', says: /must be one of queued/ },
    'status',
  )
  refuses(
    t,
    await get(app, '/jobs?limit=0'),
    { status: 400, kind: 'invalid-request', at: '/limit', says: /from 1 to 1000/ },
    'limit',
  )
  const waiting = await post(app, '/aggregate', long(30), asked)
  await post(app, '/aggregate', long(30), asked)
  const refused = await post(app, '/aggregate', quick, asked)
  refuses(t, refused, { status: 503, kind: 'too-many-jobs', says: /2 jobs/ }, 'too many')
  t.match(refused.headers['retry-after'], /^\d+$/)
  const result = await get(app, `${waiting.headers.location}/result`)
  refuses(t, result, { status: 409, kind: 'job-not-finished', says: /queued|running/ }, 'too early')
  t.match(
    (await post(app, '/aggregate', 'x'.repeat(10), { 'content-type': 'text/plain', prefer: 'respond-async' }))
      .statusCode,
    415,
  )
})

/** Requests to every operation, each of some size: what it is called, and which stages it counts in. */
function sizable(): [path: Operation, stages: Stage[], request: object][] {
  const random = seededRandom(5)
  const pick = (count: number) => Math.floor(random() * count)
  const comparisons = Array.from({ length: 900 }, () => {
    const winner = pick(9)
    const loser = (winner + 1 + pick(8)) % 9
    return { group: `g${pick(4)}`, winner: `i${winner}`, loser: `i${loser}`, annotator: `a${pick(20)}` }
  })
  const columns = Object.fromEntries(
    (['group', 'winner', 'loser'] as const).map((member) => [member, comparisons.map((row) => row[member])]),
  )
  const rewards = Object.fromEntries(
    Array.from({ length: 5 }, (_, g) => [
      `g${g}`,
      Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`i${i}`, random()])),
    ]),
  )
  const pooled = { prior: { kind: 'pooled' } }
  // With an item that no group ever prefers the population's deviation is estimated too.
  const neverWinning = comparisons.slice(0, 40).map((row) => ({ ...row, loser: 'i9' }))
  const choices = Array.from({ length: 60 }, () => {
    const [x, y] = [0, 1].map(() => ({ a: 0.1 + random(), b: 0.1 + random() }))
    const better = (u: typeof x) => Math.log(u.a) + 2 * Math.log(u.b) + random() / 4
    return better(x) > better(y) ? { preferred: x, rejected: y } : { preferred: y, rejected: x }
  })
  const nash = { welfare: { function: 'nash' } }
  const all: Stage[] = ['read', 'fit', 'solve']
  return [
    ['aggregate', all, { comparisons, ...nash }],
    ['aggregate', all, { comparisons: columns, ...nash }],
    ['aggregate', ['fit'], { comparisons, model: pooled, ...nash }],
    ['aggregate', ['solve'], { rewards, welfare: { function: 'pareto-front' } }],
    ['compare', all, { comparisons, welfare: [{ function: 'nash' }, { function: 'maximin' }] }],
    ['fit', ['read', 'fit'], { comparisons }],
    ['fit', ['fit'], { comparisons, model: pooled }],
    ['fit', ['fit'], { comparisons: [...comparisons, ...neverWinning], model: pooled }],
    ['questions', all, { comparisons, count: 12 }],
    ['questions', all, { comparisons, count: 12, ...nash }],
    ['audit', all, { comparisons, ...nash }],
    ['audit', ['solve'], { rewards, welfare: { function: 'maximin' } }],
    ['vote', ['read', 'solve'], { comparisons }],
    ['vote', all, { comparisons, margins: { from: 'fits' } }],
    ['learn', ['fit'], { choices }],
  ]
}

t.test('every operation counts how far it is, and never goes back', async (t) => {
  for (const [k, [operation, counting, request]] of sizable().entries()) {
    const name = `${k}, ${operation}`
    const reports: Progress[] = []
    const body = new TextEncoder().encode(JSON.stringify(request))
    const answered = await answer(operation, body, null, (progress) => reports.push(progress))
    t.match(answered, { status: 200 }, name)
    const stages: Stage[] = ['read', 'fit', 'solve']
    const places = reports.map(({ stage, fraction }) => stages.indexOf(stage) + Math.min(fraction, 1 - 1e-9))
    t.same(
      places,
      places.toSorted((a, b) => a - b),
      `${name}: only on`,
    )
    t.ok(
      reports.every(({ fraction }) => fraction >= 0 && fraction <= 1),
      `${name}: from 0 to 1`,
    )
    for (const stage of counting) {
      const fractions = reports.filter((report) => report.stage === stage).map(({ fraction }) => fraction)
      t.ok(new Set(fractions).size > 2, `${name}: ${stage} counts: ${[...new Set(fractions)].slice(0, 9)}`)
    }
  }
})

// As processes.

const fetched = async (served: Served, path: string, init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${served.port}${path}`, init)
const told = async (served: Served, path: string) =>
  (await fetched(served, path)).json() as Promise<JobDescription>
const submit = async (served: Served, body: string) =>
  String(
    (await fetched(served, '/aggregate', { method: 'POST', headers: asked, body })).headers.get('location'),
  )

t.test(
  'a process that is killed does what it was doing after the next start, up to three times',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'commonweal-jobs-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const short = JSON.stringify(quick)
    let path = ''
    let waiting = ''
    for (let attempt = 1; attempt <= 3; attempt++) {
      const served = await serve(t, { DATA_DIR: folder })
      if (attempt === 1) {
        path = await submit(served, long(30))
        waiting = await submit(served, short)
      }
      await until(
        () => told(served, path),
        ({ status, attempts }) => status === 'running' && attempts === attempt,
      )
      served.child.kill('SIGKILL')
      await served.exit
    }
    const served = await serve(t, { DATA_DIR: folder })
    t.match(await until(() => told(served, path), over), {
      status: 'failed',
      attempts: 4,
      answer: { status: 500 },
    })
    t.match(await (await fetched(served, `${path}/result`)).json(), { type: '/problems/job-abandoned' })
    t.match(await until(() => told(served, waiting), over), { status: 'succeeded', attempts: 1 })
    served.child.kill('SIGTERM')
    t.equal(await served.exit, 0)
  },
)

function replicas(t: Test, server: PostgresServer) {
  t.test('who has lost a job to another stops, and what it answers is void', async (t) => {
    const limits = { uploadLimit: 1e6, storeMemory: 128 * 1024 ** 2, jobLimit: 100, jobRetention: 3600 }
    const config = { dataDirectory: null, databaseUrl: await server.database(), ...limits }
    const { store, jobs } = await openStoreAndJobs(config, 1, () => {})
    t.teardown(async () => {
      await jobs.close()
      await store.close()
    })
    const { run, next } = hands()
    await jobs.start(run)
    const { id } = await jobs.create('fit', bytes('x'))
    const hand = await next(1)
    const client = new pg.Client(config.databaseUrl)
    await client.connect()
    await client.query('UPDATE commonweal.jobs SET attempts = 2 WHERE id = $1', [id])
    await client.end()
    await until(
      async () => hand.signal.aborted,
      (aborted) => aborted,
    )
    // The next job is begun when the first is put aside.
    await jobs.create('fit', bytes('y'))
    await next(2)
    t.match(await jobs.find(id), { status: 'running', attempts: 2, answerStatus: null })
  })

  t.test('replicas tell each other what is cancelled, and notice where the news is lost', async (t) => {
    const limits = { uploadLimit: 1e6, storeMemory: 128 * 1024 ** 2, jobLimit: 100, jobRetention: 3600 }
    const config = { dataDirectory: null, databaseUrl: await server.database(), ...limits }
    const [here, there] = await Promise.all([1, 2].map(() => openStoreAndJobs(config, 1, () => {})))
    const client = new pg.Client(config.databaseUrl)
    await client.connect()
    t.teardown(async () => {
      await client.end()
      for (const { jobs, store } of [here, there]) {
        await jobs.close()
        await store.close()
      }
    })
    const { run, next } = hands()
    await here.jobs.start(run)
    let made = 0
    const begun = async () => {
      await there.jobs.create('fit', bytes('x'))
      return next(++made)
    }
    const stopped = ({ signal }: Hand) =>
      until(
        async () => signal.aborted,
        (aborted) => aborted,
      )

    await client.query('LISTEN commonweal_cancelled')
    const first = await begun()
    const told = once(client, 'notification')
    await there.jobs.cancel(first.job.id)
    t.match(await told, [{ payload: first.job.id }])
    await stopped(first)

    const tell = (id: string) => client.query("SELECT pg_notify('commonweal_cancelled', $1)", [id])
    const second = await begun()
    await tell('another job')
    await tell(second.job.id)
    await stopped(second)
    t.match(await there.jobs.find(second.job.id), { status: 'running' }, 'the news alone had it stop')

    const third = await begun()
    await client.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity ' +
        "WHERE pid <> pg_backend_pid() AND query ~ 'LISTEN|pg_listening_channels'",
    )
    await there.jobs.cancel(third.job.id)
    await stopped(third)

    const fourth = await begun()
    while (!fourth.signal.aborted) {
      await tell(fourth.job.id)
      await pause(20)
    }
    t.match(await there.jobs.find(fourth.job.id), { status: 'running' }, 'the news come again')
  })

  t.test('a database that goes away for a while costs no job its answer', async (t) => {
    const limits = { uploadLimit: 1e6, storeMemory: 128 * 1024 ** 2, jobLimit: 100, jobRetention: 3600 }
    const config = { dataDirectory: null, databaseUrl: await server.database(), ...limits }
    const { store, jobs } = await openStoreAndJobs(config, 1, () => {})
    t.teardown(async () => {
      await jobs.close()
      await store.close()
    })
    const { run, next, taken } = hands()
    await jobs.start(run)
    const { id } = await jobs.create('fit', bytes('x'))
    await next(1)
    const restarted = server.restart()
    const looked = async () => {
      // Where it is away for long, the job is begun again.
      for (const hand of taken) hand.end({ status: 200, body: bytes('{"kept":true}') })
      return jobs.find(id).catch(() => ({ status: 'running' as const }))
    }
    t.match(await until(looked, over), { status: 'succeeded', answerStatus: 200 })
    await restarted
    t.equal(text((await jobs.answer(id)).body), '{"kept":true}')
  })

  t.test(
    'three replicas take each other’s jobs, see each other’s progress, and outlive each other',
    async (t) => {
      const url = await server.database()
      const three = await Promise.all([1, 2, 3].map(() => serve(t, { DATABASE_URL: url })))
      const running = (served: Served, path: string) =>
        until(
          () => told(served, path),
          ({ fraction, status }) => fraction !== null || over({ status }),
        )

      // Long jobs, one a replica: all three are sent to the first.
      const endless = long(30)
      const paths = [
        await submit(three[0], endless),
        await submit(three[0], endless),
        await submit(three[0], endless),
      ]
      await Promise.all(paths.map((path, k) => running(three[k], path)))
      const runs = async (served: Served) =>
        (await (await fetched(served, '/metrics')).text()).includes('commonweal_task_progress{')
      for (const served of three) t.ok(await runs(served), 'each replica runs one')

      // Cancelled from each replica, wherever it runs: at least two of the three are not where they are cancelled.
      for (const [k, path] of paths.entries()) {
        const answer = await fetched(three[k], path, { method: 'DELETE' })
        t.match(await answer.json(), { status: 'cancelled' })
      }
      await Promise.all(
        three.map((served) =>
          until(
            () => runs(served),
            (busy) => !busy,
          ),
        ),
      )

      // The one that runs a job is killed: another one takes it over. It is the first that is busy.
      const taken = await submit(three[1], long(6))
      await running(three[0], taken)
      const busy = await Promise.all(three.map(runs))
      t.equal(busy.filter(Boolean).length, 1, 'one replica has it')
      const dead = three[busy.indexOf(true)]
      dead.child.kill('SIGKILL')
      await dead.exit
      const [next, other] = three.filter((served) => served !== dead)
      await until(
        () => told(other, taken),
        ({ attempts, fraction }) => attempts === 2 && fraction !== null,
      )

      // The one that has it now is told to stop: it puts the job back, and the last one does it.
      const holder = (await runs(next)) ? next : other
      const last = holder === next ? other : next
      holder.child.kill('SIGTERM')
      t.equal(await holder.exit, 0)
      const done = await until(() => told(last, taken), over)
      t.match(done, { status: 'succeeded', attempts: 2 }, 'an orderly end is no attempt')
      const answer = await fetched(last, `${taken}/result`)
      t.equal(answer.status, 200)
      const wanted = await fetched(last, '/aggregate', { method: 'POST', headers: asking, body: long(6) })
      t.equal(await answer.text(), await wanted.text(), 'as whoever waits would have been answered')
      last.child.kill('SIGTERM')
      t.equal(await last.exit, 0)
    },
  )
}
