import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { Database, Row, Statements } from './database.ts'
import { StoreProblem } from './problem.ts'
import { withoutIndexes } from './schema.ts'
import { Turns } from './turns.ts'

export const JOB_STATUSES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const
export type JobStatus = (typeof JOB_STATUSES)[number]

/** What is known of a job besides what was sent and what it answers. Times are RFC 3339. */
export type Job = {
  id: string
  operation: string
  status: JobStatus
  /** What it is doing, and the part of that which is done, from 0 to 1; null before it runs and when it is over. */
  stage: string | null
  fraction: number | null
  /** How often it was begun: more than once where a process that ran it went away. */
  attempts: number
  createdAt: string
  startedAt: string | null
  finishedAt: string | null
  /** Until when its answer is kept; null where there is none to keep. */
  expiresAt: string | null
  /** The HTTP status of its answer. */
  answerStatus: number | null
}

/** What a job answers. */
export type JobAnswer = { status: number; body: Uint8Array<ArrayBuffer> }

/** Work that has begun, and how far it is at any time. */
export type Work = { answer: Promise<JobAnswer>; progress(): { stage: string; fraction: number } }

/** Does a job; `signal` has it stop at once, and what it answers then is of no interest. */
export type Run = (job: Job, body: Uint8Array<ArrayBuffer>, signal: AbortSignal) => Work

/** Jobs: work that outlives the request that asked for it. All methods reject with a {@link StoreProblem}. */
export type Jobs = {
  /** Puts a job in line; durable when it resolves. */
  create(operation: string, body: Uint8Array): Promise<Job>
  find(id: string): Promise<Job>
  /** Newest first, from the one after `after`; of one status, or of all. */
  list(status: JobStatus | null, after: string | null, limit: number): Promise<Job[]>
  /** What it answered. */
  answer(id: string): Promise<JobAnswer>
  /** Ends a job that is not over, wherever it runs; of one that is over, it removes the answer. */
  cancel(id: string): Promise<Job>
  /** How many there are of each status. */
  counts(): Promise<Record<JobStatus, number>>
  /** Begins to do what is in line. */
  start(run: Run): Promise<void>
  /** Stops what runs here and puts it back in line, for another process or the next start. */
  close(): Promise<void>
}

/** The line in which jobs wait. */
export type JobQueue = {
  /** Whether other processes take jobs from it too, so that what happens to a job may happen elsewhere. */
  shared: boolean
  /** Puts a job in line, within the transaction that makes it. */
  add(id: string, statements: Statements): Promise<void>
  /** Is told that the transaction is done. */
  added(id: string): void
  /** Tells all processes, as soon as the transaction is done, that a job was cancelled. */
  tellCancelled(id: string, statements: Statements): Promise<void>
  /**
   * Begins to hand out jobs, several at once: each to one process at a time, and again where the process died or
   * `perform` rejects.
   *
   * @param cancelled is told of jobs that were cancelled, in whatever process; now and then it is not
   */
  start(perform: (id: string) => Promise<void>, cancelled: (id: string) => void): Promise<void>
  /** Hands out no more. */
  stop(): Promise<void>
  /** Resolves when all that was handed out has been given back. */
  close(): Promise<void>
}

/** How many jobs there may be in line and running, and for how many seconds answers are kept. */
export type JobLimits = { jobLimit: number; jobRetention: number }

/**
 * So often progress is written, or, where there is none, it is looked whether the job is this process's still: the news
 * that it was cancelled may be lost with a connection.
 */
const LOOK_MS = 250
const RETRY_MS = 1000
const SWEEP_MS = 60_000

/**
 * Jobs, written once over either database. `jobs` tells what there is, `job_contents` what was sent (until it is over)
 * and answered (until it expires). Whoever runs a job holds its attempt: what an earlier attempt still writes is void.
 */
export async function createJobs(
  database: Database,
  queue: JobQueue,
  { jobLimit, jobRetention }: JobLimits,
): Promise<Jobs> {
  const turns = new Turns<string>()
  /** The jobs that run here. */
  const running = new Map<string, AbortController>()
  let closing = false

  /** Writers of one job take turns; between processes, the database sees to it. */
  const writing = <T>(id: string, work: (statements: Statements) => Promise<T>) =>
    turns.take(id, () => database.transaction(work))

  await writing('', async (statements) => {
    await statements.lock(JOBS_LOCK)
    const schema = database.kind === 'embedded' ? withoutIndexes(SCHEMA) : SCHEMA
    for (const sql of schema) await statements.run(sql)
  })

  async function find(id: string): Promise<Job> {
    const [row] = await database.snapshot((statements) =>
      statements.run(`SELECT ${COLUMNS} FROM jobs WHERE id = $1::text`, [id]),
    )
    if (row === undefined) throw new StoreProblem('no-such-job', `There is no job "${id}".`)
    return jobOf(row)
  }

  /** Begins an attempt; null where the job is over. */
  const begin = (id: string) =>
    writing(id, async (statements) => {
      const [row] = await statements.run(
        "UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = $2::text, stage = NULL, " +
          `fraction = NULL WHERE id = $1::text AND status IN ('queued', 'running') RETURNING ${COLUMNS}`,
        [id, now()],
      )
      if (row === undefined) return null
      const [{ content }] = await statements.run(
        "SELECT content FROM job_contents WHERE job = $1::text AND kind = 'body'",
        [id],
      )
      return { job: jobOf(row), body: await unpacked(String(content)) }
    })

  const finish = async ({ id, attempts }: Job, { status, body }: JobAnswer) => {
    const content = await packed(body)
    const time = Date.now()
    await writing(id, async (statements) => {
      const rows = await statements.run(
        'UPDATE jobs SET status = $3::text, stage = NULL, fraction = NULL, finished_at = $4::text, ' +
          'expires_at = $5::text, answer_status = $6::int ' +
          "WHERE id = $1::text AND attempts = $2::int AND status = 'running' RETURNING id",
        [
          id,
          attempts,
          status < 300 ? 'succeeded' : 'failed',
          rfc3339(time),
          rfc3339(time + 1000 * jobRetention),
          status,
        ],
      )
      if (rows.length === 0) return
      await statements.run('DELETE FROM job_contents WHERE job = $1::text', [id])
      await statements.run("INSERT INTO job_contents VALUES ($1::text, 'answer', $2::text)", [id, content])
    })
  }

  /** Puts an attempt back, as if it had not been made. */
  const putBack = ({ id, attempts }: Job) =>
    writing(id, (statements) =>
      statements.run(
        "UPDATE jobs SET status = 'queued', attempts = attempts - 1, started_at = NULL, stage = NULL, fraction = NULL " +
          "WHERE id = $1::text AND attempts = $2::int AND status = 'running'",
        [id, attempts],
      ),
    )

  /** Tells others how far a job is, and stops it where it is no longer this attempt's. */
  async function watch({ id, attempts }: Job, work: Work, stop: AbortController): Promise<void> {
    let told = ''
    const mine = "WHERE id = $1::text AND attempts = $2::int AND status = 'running'"
    while (!stop.signal.aborted) {
      const { stage, fraction } = work.progress()
      const what = `${stage} ${fraction}`
      let found: Row[] | null = null
      try {
        if (what !== told) {
          const sql = `UPDATE jobs SET stage = $3::text, fraction = $4::float8 ${mine} RETURNING id`
          found = await writing(id, (statements) => statements.run(sql, [id, attempts, stage, fraction]))
          told = what
        } else if (queue.shared) {
          const sql = `SELECT id FROM jobs ${mine}`
          found = await database.snapshot((statements) => statements.run(sql, [id, attempts]))
        }
      } catch {
        // A database that does not answer for a while keeps nobody from working on.
      }
      if (found?.length === 0) stop.abort()
      await pause(LOOK_MS, undefined, { signal: stop.signal }).catch(() => {})
    }
  }

  /** Keeps an answer, however long the database has no room for it or does not answer. */
  async function keep(job: Job, answer: JobAnswer, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        return await finish(job, answer)
      } catch (error) {
        if (!(error instanceof StoreProblem)) throw error
        await pause(RETRY_MS, undefined, { signal }).catch(() => {})
      }
    }
  }

  async function perform(id: string, run: Run): Promise<void> {
    const begun = closing ? null : await begin(id)
    if (begun !== null) {
      const { job, body } = begun
      const stop = new AbortController()
      running.set(id, stop)
      if (closing) stop.abort()
      const work = run(job, body, stop.signal)
      const watching = watch(job, work, stop)
      try {
        await keep(job, await work.answer, stop.signal)
      } finally {
        stop.abort()
        running.delete(id)
        await watching
      }
      if (closing) await putBack(job)
    }
    if (closing) throw new Error("The process ends; the job is somebody else's to do.")
  }

  /** Removes what has expired, and the last trace of it as long again after. */
  async function sweep(): Promise<void> {
    await writing('', async (statements) => {
      await statements.run(
        'DELETE FROM job_contents WHERE job IN (SELECT id FROM jobs WHERE expires_at <= $1::text)',
        [now()],
      )
      await statements.run('DELETE FROM jobs WHERE finished_at <= $1::text', [
        rfc3339(Date.now() - 2000 * jobRetention),
      ])
    })
  }
  const sweeping = setInterval(() => sweep().catch(() => {}), SWEEP_MS)
  sweeping.unref()

  return {
    async create(operation, body) {
      const id = newId()
      const content = await packed(body)
      await writing('', async (statements) => {
        await statements.run("INSERT INTO job_contents VALUES ($1::text, 'body', $2::text)", [id, content])
        await statements.lock(JOBS_LOCK)
        const [{ open }] = await statements.run(
          "SELECT CAST(count(*) AS int) AS open FROM jobs WHERE status IN ('queued', 'running')",
        )
        if (Number(open) >= jobLimit)
          throw new StoreProblem('too-many-jobs', `There are ${open} jobs that wait or run.`)
        await statements.run(
          'INSERT INTO jobs (id, operation, status, attempts, created_at) ' +
            "VALUES ($1::text, $2::text, 'queued', 0, $3::text)",
          [id, operation, now()],
        )
        await queue.add(id, statements)
      })
      queue.added(id)
      return find(id)
    },
    find,
    async list(status, after, limit) {
      const rows = await database.snapshot((statements) =>
        statements.run(
          `SELECT ${COLUMNS} FROM jobs WHERE ($1::text IS NULL OR status = $1::text) ` +
            'AND ($2::text IS NULL OR id < $2::text) ORDER BY id DESC LIMIT $3::int',
          [status, after, limit],
        ),
      )
      return rows.map(jobOf)
    },
    async answer(id) {
      const job = await find(id)
      if (job.status === 'queued' || job.status === 'running')
        throw new StoreProblem('job-not-finished', `The job is ${job.status}.`)
      if (job.status === 'cancelled') throw new StoreProblem('job-answer-gone', 'The job was cancelled.')
      const [row] = await database.snapshot((statements) =>
        statements.run("SELECT content FROM job_contents WHERE job = $1::text AND kind = 'answer'", [id]),
      )
      if (row === undefined || String(job.expiresAt) <= now())
        throw new StoreProblem('job-answer-gone', `The answer was kept until ${job.expiresAt}.`)
      return { status: Number(job.answerStatus), body: await unpacked(String(row.content)) }
    },
    async cancel(id) {
      await writing(id, async (statements) => {
        const ended = await statements.run(
          "UPDATE jobs SET status = 'cancelled', stage = NULL, fraction = NULL, finished_at = $2::text " +
            "WHERE id = $1::text AND status IN ('queued', 'running') RETURNING id",
          [id, now()],
        )
        if (ended.length > 0) await queue.tellCancelled(id, statements)
        else
          await statements.run(
            'UPDATE jobs SET expires_at = $2::text WHERE id = $1::text AND expires_at > $2::text',
            [id, now()],
          )
        await statements.run('DELETE FROM job_contents WHERE job = $1::text', [id])
      })
      running.get(id)?.abort()
      return find(id)
    },
    async counts() {
      const rows = await database.snapshot((statements) =>
        statements.run('SELECT status, CAST(count(*) AS int) AS jobs FROM jobs GROUP BY status'),
      )
      const counts = Object.fromEntries(JOB_STATUSES.map((status) => [status, 0])) as Record<
        JobStatus,
        number
      >
      for (const { status, jobs } of rows) counts[status as JobStatus] = Number(jobs)
      return counts
    },
    async start(run) {
      await queue.start(
        (id) => perform(id, run),
        (id) => running.get(id)?.abort(),
      )
    },
    async close() {
      closing = true
      clearInterval(sweeping)
      await queue.stop()
      for (const abort of running.values()) abort.abort()
      await queue.close()
    },
  }
}

/** The name under which replicas take turns to make jobs; datasets have keys from 1. */
const JOBS_LOCK = -1

const SCHEMA = [
  'CREATE TABLE IF NOT EXISTS jobs (id TEXT COLLATE "C" NOT NULL, operation TEXT NOT NULL, status TEXT NOT NULL, ' +
    'stage TEXT, fraction FLOAT8, attempts INT NOT NULL, created_at TEXT COLLATE "C" NOT NULL, started_at TEXT, ' +
    'finished_at TEXT COLLATE "C", expires_at TEXT COLLATE "C", answer_status INT)',
  'CREATE UNIQUE INDEX IF NOT EXISTS jobs_by_id ON jobs (id)',
  'CREATE TABLE IF NOT EXISTS job_contents (job TEXT NOT NULL, kind TEXT NOT NULL, content TEXT NOT NULL)',
  'CREATE INDEX IF NOT EXISTS job_contents_by_job ON job_contents (job)',
]

const COLUMNS =
  'id, operation, status, stage, fraction, attempts, created_at, started_at, finished_at, expires_at, answer_status'

function jobOf(row: Row): Job {
  return {
    id: String(row.id),
    operation: String(row.operation),
    status: row.status as JobStatus,
    stage: row.stage as string | null,
    fraction: row.fraction as number | null,
    attempts: Number(row.attempts),
    createdAt: String(row.created_at),
    startedAt: row.started_at as string | null,
    finishedAt: row.finished_at as string | null,
    expiresAt: row.expires_at as string | null,
    answerStatus: row.answer_status as number | null,
  }
}

const rfc3339 = (time: number) => new Date(time).toISOString()
const now = () => rfc3339(Date.now())

/** A UUID whose order is that of time (version 7 of RFC 9562). */
function newId(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  const random = randomBytes(10)
  random[0] = (random[0] & 0x0f) | 0x70
  random[2] = (random[2] & 0x3f) | 0x80
  const hex = random.toString('hex')
  return [time.slice(0, 8), time.slice(8), hex.slice(0, 4), hex.slice(4, 8), hex.slice(8)].join('-')
}

const zip = promisify(gzip)
const unzip = promisify(gunzip)

/** Bytes as both databases take them in a text, a good deal shorter: bodies are JSON, and JSON repeats itself. */
async function packed(bytes: Uint8Array): Promise<string> {
  return (await zip(bytes, { level: 1 })).toString('base64')
}

async function unpacked(content: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await unzip(Buffer.from(content, 'base64')))
}
