import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type Served, serve, slow } from '../helpers/app.ts'
import { startPostgres } from '../helpers/postgres.ts'

// A disk that is full takes a small one. The tests run with two of them, in namespaces of their own, for which nobody has to
// be root: unshare makes whoever calls it the owner of new ones, who may mount there, and gives the user back to PostgreSQL,
// which does not run as root. A limit on the size of files (ulimit -f) would need no namespaces, but it ends in another error
// than a full disk, bounds files instead of the disk, and PostgreSQL takes it for a fault of its own. Where namespaces are
// forbidden, as in a container with the seccomp profile of Docker, allow them: --security-opt seccomp=unconfined.

const disks = process.env.SMALL_DISKS
if (disks === undefined) {
  const home = mkdtempSync(join(tmpdir(), 'commonweal-disks-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  for (const name of ['embedded', 'postgres']) mkdirSync(join(home, name))
  const script =
    'mount -t tmpfs -o size=64m tmpfs "$0/embedded" && mount -t tmpfs -o size=192m tmpfs "$0/postgres" && ' +
    'exec unshare --user --map-user=1000 --map-group=1000 "$@"'
  const within = ['--user', '--map-root-user', '--mount', 'sh', '-c', script, home]
  const env = { ...process.env, SMALL_DISKS: home }
  t.spawn('unshare', [...within, process.execPath, fileURLToPath(import.meta.url)], { env }, 'small disks')
}

/** A small file system, filled by a file of zeros. */
function diskAt(path: string) {
  const zeros = join(path, 'zeros')
  const free = () => {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  }
  return {
    path,
    /** Leaves room for so many bytes. */
    fill(room = 0) {
      try {
        while (free() > room) appendFileSync(zeros, Buffer.alloc(free() - room))
      } catch (error) {
        // Somebody else wrote meanwhile.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    },
    empty: () => rmSync(zeros, { force: true }),
  }
}
type Disk = ReturnType<typeof diskAt>

const JSON_TYPE = { 'content-type': 'application/json' }
const CSV_TYPE = { 'content-type': 'text/csv' }

type Answer = { status: number | undefined; headers: IncomingMessage['headers']; body: string }

/** Sends a request over a connection of its own, again where a refusal is heard only as its end. */
async function ask(
  { port }: Served,
  method: string,
  path: string,
  body = '',
  headers: Record<string, string> = {},
): Promise<Answer> {
  for (let tries = 0; ; tries++) {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false })
    request.on('error', () => {})
    request.end(body)
    try {
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      return { status: response.statusCode, headers: response.headers, body: await text(response) }
    } catch (error) {
      if (tries === 20) throw error
    }
  }
}

/** Text that no compression makes much shorter. */
const noise = (bytes: number) => randomBytes(bytes).toString('base64')

const ROWS = 1000
/** A thousand comparisons among 300 items, about 100 kB of them. */
function rows() {
  return Array.from({ length: ROWS }, (_, k) => {
    const [winner, loser] = [k % 300, (k + 1 + (k % 7)) % 300].map((item) => `item ${item}`)
    return { group: `g${k % 2}`, winner, loser, context: noise(60) }
  })
}
const asJson = () => {
  const [first, ...others] = rows()
  return JSON.stringify({
    comparisons: [{ ...first, context: 'a comma, and "quotes"', count: 3 }, ...others],
  })
}
const asCsv = () =>
  ['group,winner,loser,context', ...rows().map((row) => Object.values(row).join(',')), ''].join('\n')

const CONFIGURATION = JSON.stringify({
  model: { prior: { kind: 'gaussian', standardDeviation: 1 } },
  welfare: { function: 'utilitarian' },
})
const SOURCE = JSON.stringify({ dataset: 'd', ...JSON.parse(CONFIGURATION) })
const COMPARISONS = '/datasets/d/comparisons'

/** Each way to write something, which takes more room than what is left of a page. */
const WRITES: [name: string, send: (service: Served) => Promise<Answer>][] = [
  ['a batch', (service) => ask(service, 'POST', COMPARISONS, asJson(), JSON_TYPE)],
  ['a file', (service) => ask(service, 'POST', COMPARISONS, asCsv(), CSV_TYPE)],
  [
    'a dataset',
    (service) => {
      const body = { id: `other ${randomBytes(4).toString('hex')}`, description: noise(7000) }
      return ask(service, 'POST', '/datasets', JSON.stringify(body), JSON_TYPE)
    },
  ],
  ['weights', (service) => ask(service, 'PUT', '/datasets/d/weights/other', CONFIGURATION, JSON_TYPE)],
  [
    'a job',
    (service) => {
      const rewards = { east: Object.fromEntries(Array.from({ length: 300 }, (_, k) => [noise(90), k])) }
      const body = JSON.stringify({ rewards, welfare: { function: 'utilitarian' } })
      return ask(service, 'POST', '/aggregate', body, { ...JSON_TYPE, prefer: 'respond-async' })
    },
  ],
]

/** What a full disk must not do to a service, on either store. `disk` is that of the store. */
async function survives(t: Test, disk: Disk, env: Record<string, string>, room: number, says: RegExp) {
  let service = await serve(t, env)
  const startAgain = async () => {
    service = await serve(t, env)
  }
  const json = async (path: string) => JSON.parse((await ask(service, 'GET', path)).body)
  let accepted = 0

  /** Everything that was acknowledged can be read in every way. */
  async function reads(t: Test, when: string) {
    t.equal(
      (await json('/datasets/d')).comparisons,
      accepted,
      `${when}: every batch is there, and no half one`,
    )
    const { batches } = await json('/datasets/d/batches?limit=1000')
    t.equal(batches.length, accepted / ROWS, `${when}: the batches are listed`)
    const aggregated = await ask(service, 'POST', '/aggregate', SOURCE, JSON_TYPE)
    t.equal(aggregated.status, 200, `${when}: aggregate`)
    for (const format of ['ndjson', 'csv']) {
      const file = await ask(service, 'GET', `${COMPARISONS}?format=${format}`)
      t.equal(file.status, 200, `${when}: export as ${format}`)
      t.equal(file.body.trim().split('\n').length, accepted + (format === 'csv' ? 1 : 0))
    }
    const weights = await ask(service, 'GET', '/datasets/d/weights/w')
    t.match(JSON.parse(weights.body), { version: 1, lastRefresh: { status: 'succeeded' } }, `${when}: poll`)
    const polled = await ask(service, 'GET', '/datasets/d/weights/w', '', {
      'if-none-match': String(weights.headers.etag),
    })
    t.equal(polled.status, 304, `${when}: poll again`)
  }

  async function add(count: number) {
    for (let k = 0; k < count; k++) {
      const answer = await ask(service, 'POST', COMPARISONS, asJson(), JSON_TYPE)
      t.equal(answer.status, 201, answer.body)
      accepted += ROWS
    }
  }

  await ask(service, 'POST', '/datasets', '{"id":"d"}', JSON_TYPE)
  const exported = async () => {
    const files = ['ndjson', 'csv'].map((format) => ask(service, 'GET', `${COMPARISONS}?format=${format}`))
    return (await Promise.all(files)).map(({ body }) => body.split('\n').sort())
  }
  await add(3)
  t.equal((await ask(service, 'POST', COMPARISONS, asCsv(), CSV_TYPE)).status, 201)
  accepted += ROWS
  t.equal((await ask(service, 'PUT', '/datasets/d/weights/w', CONFIGURATION, JSON_TYPE)).status, 201)

  const before = await exported()

  // There is room for what is sent of a job, and none for what it answers.
  disk.fill(room)
  const started = await ask(service, 'POST', '/aggregate', slow(1), { ...JSON_TYPE, prefer: 'respond-async' })
  t.equal(started.status, 202, started.body)
  const job = String(started.headers.location)
  await service.logged('job done')

  disk.fill()
  const { datasets } = await json('/datasets')
  const refuse = async (t: Test) => {
    for (const [name, write] of WRITES) {
      const answer = await write(service)
      const problem = JSON.parse(answer.body)
      t.equal(answer.status, 507, `${name} is refused: ${answer.body}`)
      t.match(problem, { type: '/problems/out-of-space', status: 507 }, name)
      t.match(problem.detail, says, `${name}: what is full, and what to do`)
    }
  }
  await t.test('what finds no room is refused, again and again', async (t) => {
    await refuse(t)
    await refuse(t)
    t.same((await json('/datasets')).datasets, datasets, 'no other dataset was made')
    t.equal((await json('/datasets/d/weights')).weights.length, 1, 'nor other weights published')
    t.equal((await json('/jobs')).jobs.length, 1, 'nor another job put in line')
  })
  await t.test('what was there before can still be read', async (t) => {
    await reads(t, 'full')
    t.same(await exported(), before, 'files are what they are where there is room')
    t.equal((await json(job)).status, 'running', 'a job whose answer finds no room waits for it')
  })
  await t.test('the service can be killed, and start while the disk is full', async (t) => {
    service.child.kill('SIGKILL')
    await service.exit
    await startAgain()
    await reads(t, 'full, after a crash')
    await refuse(t)
  })
  await t.test('when there is room everything goes on', async (t) => {
    service.child.kill('SIGTERM')
    t.equal(await service.exit, 0, 'even an end in order is possible')
    await startAgain()
    disk.empty()
    for (const [name, write] of WRITES) {
      const answer = await write(service)
      t.match(String(answer.status), /^20[12]$/, `${name}: ${answer.body.slice(0, 300)}`)
    }
    accepted += 2 * ROWS
    await reads(t, 'with room')
    await ask(service, 'GET', `${job}/events`)
    const done = await json(job)
    t.equal(done.status, 'succeeded', 'the job that waited')
    t.equal((await ask(service, 'GET', done.answer.location)).status, 200)
    service.child.kill('SIGKILL')
    await service.exit
    await startAgain()
    await reads(t, 'with room, after a crash')
  })
}

/** What is left of uploads. */
const uploadsIn = (home: string) => readdirSync(join(home, 'uploads')).filter((name) => name !== 'spill')

if (disks !== undefined) {
  t.test('the embedded store', async (t) => {
    const disk = diskAt(join(disks, 'embedded'))
    const says = /^The disk of the service .*DATA_DIR.* is full, and nothing was stored: make room/
    const home = join(disk.path, 'data')
    await survives(t, disk, { DATA_DIR: home }, 96 * 1024, says)
    t.same(uploadsIn(home), [], 'no half upload is left')
    rmSync(home, { recursive: true })
  })

  t.test('PostgreSQL', async (t) => {
    const disk = diskAt(join(disks, 'postgres'))
    const server = await startPostgres(t, disk.path)
    const DATABASE_URL = await server.database()
    await survives(
      t,
      disk,
      { DATABASE_URL },
      128 * 1024,
      /^The disk of PostgreSQL is full, and nothing was stored: make room/,
    )

    await t.test('the disk for uploads may be full too', async (t) => {
      const temporary = diskAt(join(disks, 'embedded'))
      const service = await serve(t, { DATABASE_URL, TMPDIR: temporary.path })
      temporary.fill()
      const refused = await ask(service, 'POST', COMPARISONS, asCsv(), CSV_TYPE)
      t.equal(refused.status, 507)
      t.match(JSON.parse(refused.body).detail, /^The disk of the service .*TMPDIR.* is full/)
      t.equal((await ask(service, 'POST', COMPARISONS, asJson(), JSON_TYPE)).status, 201, 'JSON needs none')
      temporary.empty()
      t.equal((await ask(service, 'POST', COMPARISONS, asCsv(), CSV_TYPE)).status, 201)
    })
  })

  t.test('an embedded store that breaks for want of room is opened anew', async (t) => {
    const home = t.testdir()
    const file = join(home, 'commonweal.duckdb')
    // Without what the runner of tests has Node load, which ends a process whose file can grow no more.
    const service = await serve(t, { DATA_DIR: home }, ['env', '-u', 'NODE_OPTIONS', process.execPath])
    await ask(service, 'POST', '/datasets', '{"id":"d","covariates":["note"]}', JSON_TYPE)
    // Files go into the database's file as they are read; it becomes longer than the log will be.
    const lines = Array.from({ length: 150_000 }, () => `g,a,b,${noise(150)}`)
    const csv = `group,winner,loser,note\n${lines.join('\n')}\n`
    const loaded = await ask(service, 'POST', COMPARISONS, csv, CSV_TYPE)
    t.equal(loaded.status, 201, loaded.body)
    const size = statSync(file).size
    t.ok(size > 20e6, `${size} bytes`)
    // Its file can grow no more, as on a disk whose room somebody takes just when there is to be a checkpoint.
    const limit = (bytes: string) =>
      execFileSync('prlimit', ['--pid', String(service.child.pid), `--fsize=${bytes}:`])
    limit(String(size))
    let accepted = 150_000
    const broken = service.logged('the store is in trouble')
    let isBroken = false
    broken.then(() => {
      isBroken = true
    })
    const batch = JSON.stringify({
      comparisons: Array.from({ length: 5000 }, () => ({
        group: 'g',
        winner: 'a',
        loser: 'b',
        note: noise(180),
      })),
    })
    while (!isBroken) {
      const answer = await ask(service, 'POST', COMPARISONS, batch, JSON_TYPE)
      t.equal(answer.status, 201, answer.body)
      accepted += 5000
    }
    const counted = async ({ port }: Served) =>
      JSON.parse((await ask({ port } as Served, 'GET', '/datasets/d')).body)
    t.match(await broken, { err: { message: /checkpoint/ } })
    t.equal((await counted(service)).comparisons, accepted, 'nothing is lost')
    const more = await ask(service, 'POST', COMPARISONS, batch, JSON_TYPE)
    t.equal(more.status, 201, more.body)
    accepted += 5000
    limit('unlimited')
    service.child.kill('SIGTERM')
    t.equal(await service.exit, 0)
    t.ok(statSync(file).size > size, 'the log is brought into the file in the end')
    t.equal((await counted(await serve(t, { DATA_DIR: home }))).comparisons, accepted)
  })
}
