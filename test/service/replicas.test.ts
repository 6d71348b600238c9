import t from 'tap'
import type { JobDescription } from '../../schemas/jobs.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { type Served, serve, slow } from '../helpers/app.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'

/** Comparisons of two groups by six annotators each, who decide by a toss. */
const random = seededRandom(3)
const comparisons = Array.from({ length: 240 }, (_, k) => {
  const [a, b] = [k % 5, (k % 5) + 1 + (k % 3)].map((i) => `i${i % 5}`)
  const [winner, loser] = random() < 0.5 ? [a, b] : [b, a]
  return { group: k % 2 === 0 ? 'east' : 'west', winner, loser, annotator: `person-${k % 12}` }
})

const asked = { 'content-type': 'application/json' }

function send(
  { port }: Served,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    ...(body === undefined
      ? { headers }
      : {
          headers: { ...asked, ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
  })
}

t.test('three replicas behind one PostgreSQL are one service', async (t) => {
  const DATABASE_URL = await (await startPostgres(t)).database()
  // All at once, on an empty database that each would make its tables in.
  const replicas = await Promise.all([1, 2, 3].map(() => serve(t, { DATABASE_URL })))
  const [one, two, three] = replicas
  const everywhere = <T>(ask: (replica: Served) => Promise<T>) => Promise.all(replicas.map(ask))

  const nash = { dataset: 'd', welfare: { function: 'nash' } }
  const aggregated = () =>
    everywhere(async (replica) => {
      const answer = await send(replica, 'POST', '/aggregate', nash)
      const { data, weights } = (await answer.json()) as {
        data: { fingerprint: string; comparisons: number }
        weights: Record<string, number>
      }
      // Where one begins the search at its last fit, and another anew, they differ by rounding.
      const rounded = Object.entries(weights).map(([id, weight]) => `${id} ${weight.toFixed(9)}`)
      return { fingerprint: data.fingerprint, comparisons: data.comparisons, weights: rounded }
    })

  t.equal((await send(one, 'POST', '/datasets', { id: 'd' })).status, 201)
  const batch = '/datasets/d/comparisons'
  const key = { 'idempotency-key': 'first' }
  const stored = await send(one, 'POST', batch, { comparisons }, key)
  t.equal(stored.status, 201)
  const again = await send(two, 'POST', batch, { comparisons }, key)
  t.equal(again.headers.get('idempotency-replayed'), 'true', 'a batch that another replica has stored')
  t.same(await again.json(), await stored.json())
  const first = await aggregated()
  t.same(first, [first[0], first[0], first[0]], 'the same answer from all')
  t.equal(first[0].comparisons, 240)

  // What is kept in memory is of the data as they were.
  const more = Array.from({ length: 30 }, () => ({
    group: 'east',
    winner: 'i3',
    loser: 'i0',
    annotator: 'late',
  }))
  t.equal((await send(two, 'POST', batch, { comparisons: more })).status, 201)
  const second = await aggregated()
  t.same(second, [second[0], second[0], second[0]], 'and after a batch')
  t.equal(second[0].comparisons, 270)
  t.not(second[0].fingerprint, first[0].fingerprint)
  t.not(second[0].weights.join(), first[0].weights.join())

  const weights = '/datasets/d/weights/w'
  t.equal((await send(one, 'PUT', weights, { welfare: { function: 'nash' } })).status, 201)
  const tagAt = async (replica: Served, known = '') =>
    (await send(replica, 'GET', weights, undefined, { 'if-none-match': known })).headers.get('etag') ?? ''
  const tag = await tagAt(one)
  t.same(await everywhere((replica) => tagAt(replica)), [tag, tag, tag])
  t.equal((await send(three, 'POST', batch, { comparisons: more })).status, 201)
  t.equal((await send(three, 'POST', `${weights}/refresh`, '')).status, 201)
  const next = await tagAt(three)
  t.not(next, tag)
  await everywhere((replica) =>
    until(
      () => tagAt(replica, tag),
      (found) => found === next,
    ),
  )
  for (const replica of replicas) {
    const poll = await send(replica, 'GET', weights, undefined, { 'if-none-match': next })
    t.equal(poll.status, 304)
    const old = await send(replica, 'GET', weights, undefined, { 'if-none-match': tag })
    t.match(await old.json(), { version: 2, latest: 2 })
  }

  // Jobs that one replica takes are done by whoever has a place, each once, and answered by all.
  const bodies = Array.from({ length: 9 }, (_, k) => slow(4 + k))
  const paths = await Promise.all(
    bodies.map(async (body) => {
      const accepted = await send(one, 'POST', '/aggregate', body, { prefer: 'respond-async' })
      t.equal(accepted.status, 202)
      return String(accepted.headers.get('location'))
    }),
  )
  for (const [k, path] of paths.entries()) {
    const job = await until(
      async () => (await send(replicas[k % 3], 'GET', path)).json() as Promise<JobDescription>,
      ({ status }) => status !== 'queued' && status !== 'running',
    )
    t.match(job, { status: 'succeeded', attempts: 1 })
  }
  const answerAt = async (replica: Served, path: string) =>
    (await send(replica, 'GET', `${path}/result`)).text()
  const wanted = await (await send(two, 'POST', '/aggregate', bodies[0])).text()
  t.same(await everywhere((replica) => answerAt(replica, paths[0])), [wanted, wanted, wanted])
  const doneBy = replicas.map(({ log }) => log.filter(({ msg }) => msg === 'job done').map(({ job }) => job))
  t.same(doneBy.flat().toSorted(), paths.map((path) => path.replace('/jobs/', '')).toSorted())
  t.ok(doneBy.filter(({ length }) => length > 0).length > 1, `done by ${doneBy.map(({ length }) => length)}`)

  // Whoever is forgotten by one is forgotten by all, counts in memory included.
  const before = await aggregated()
  t.equal(before[2].comparisons, 300)
  const person = { dataset: { id: 'd', annotators: ['person-4'] } }
  const known = await everywhere(async (replica) => (await send(replica, 'POST', '/vote', person)).status)
  t.same(known, [200, 200, 200])
  t.equal((await send(one, 'DELETE', '/datasets/d/annotators/person-4')).status, 200)
  const after = await aggregated()
  t.same(after, [after[0], after[0], after[0]])
  t.equal(after[0].comparisons, 280)
  for (const replica of replicas) {
    t.equal((await send(replica, 'POST', '/vote', person)).status, 400, 'there is nothing by them')
    const exported = await (await send(replica, 'GET', batch)).text()
    t.ok(exported.includes('person-5"') && !exported.includes('person-4"'))
  }
  for (const { child } of replicas) child.kill('SIGTERM')
  t.same(await everywhere(({ exit }) => exit), [0, 0, 0])
})
