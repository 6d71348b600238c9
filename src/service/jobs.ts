import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type JobDescription, JobsQuery } from '../../schemas/jobs.ts'
import type { Stage } from '../engine/aggregate.ts'
import type { Job, Run } from '../store/jobs.ts'
import { StoreProblem } from '../store/problem.ts'
import { refusal } from './operations.ts'
import { ServiceProblem, type ServiceProblemKind } from './problems.ts'
import { progressBoard, readProgress } from './progress.ts'
import { eventsOf } from './server-sent-events.ts'
import { type Operation, validateQuery } from './validate.ts'

type OfJob = { Params: { job: string } }

/** A job that took its process with it so often is begun no more. */
const MOST_ATTEMPTS = 3
/** Answers that say nothing of the request, so that a job waits for better ones. */
const PASSING = new Set<ServiceProblemKind | null>(['overloaded', 'store-unavailable'])
const RETRY_MS = 1000
/** How often the events of a job look at it; after so many looks without news, a heartbeat. */
const LOOK_MS = 200
const LOOKS = 75

/** How many jobs run at once: one worker is left to those who wait for their answer. */
export function jobSlots(workers: number): number {
  return Math.max(1, workers - 1)
}

/** Whether a request is to be answered later: because it says so (RFC 7240), or because it is large. */
export function becomesJob({ headers, body, server }: FastifyRequest): boolean {
  return prefersAsync(headers.prefer) || ((body as Uint8Array)?.byteLength ?? 0) > server.settings.jobAbove
}

function prefersAsync(prefer: string | string[] | undefined): boolean {
  return [prefer ?? []]
    .flat()
    .join(',')
    .split(',')
    .some((part) => /^\s*respond-async\s*(;|$)/i.test(part))
}

/** Makes a request a job. */
export async function createJob(operation: Operation, request: FastifyRequest, reply: FastifyReply) {
  const { jobs, draining } = request.server
  const body = (request.body ?? new Uint8Array(0)) as Uint8Array
  request.facts.bytes = body.byteLength
  // It might have begun to shut down while the body came.
  if (draining) throw new ServiceProblem('shutting-down', 'The service is shutting down.')
  const job = await jobs.create(operation, body)
  request.facts.job = job.id
  reply.code(202).header('Location', `/jobs/${job.id}`)
  if (prefersAsync(request.headers.prefer)) reply.header('Preference-Applied', 'respond-async')
  return described(job)
}

/** Does the jobs of an app, as its engine routes would have answered. */
export function doJobs({ pool, store, metrics, log }: FastifyInstance): Run {
  return (job, body, signal) => {
    const board = progressBoard()
    const operation = job.operation as Operation
    const since = performance.now()
    async function answer() {
      if (job.attempts > MOST_ATTEMPTS) {
        const detail = `The process that ran it ended, ${MOST_ATTEMPTS} times.`
        return refusal(new StoreProblem('job-abandoned', detail), null, {})
      }
      while (true) {
        // Workers take what they are given, and another attempt may be needed.
        const found = await pool.answer(operation, body.slice(), signal, store, board)
        if (signal.aborted || !PASSING.has(found.kind)) return found
        await pause(RETRY_MS, undefined, { signal }).catch(() => {})
      }
    }
    const answered = answer().then((found) => {
      const ms = performance.now() - since
      metrics.answer(operation, found)
      if (found.fault !== null) log.error({ job: job.id, fault: found.fault }, 'the engine failed')
      log.info({ job: job.id, operation, status: found.status, ms, ...found.sizes }, 'job done')
      return found
    })
    return { answer: answered, progress: () => readProgress(board) }
  }
}

/** A job, as it is told to clients. */
function described({ answerStatus, ...job }: Job): JobDescription {
  const kept = job.expiresAt !== null && Date.parse(job.expiresAt) > Date.now()
  return {
    ...job,
    operation: job.operation as Operation,
    stage: job.stage as Stage | null,
    answer:
      kept && answerStatus !== null ? { status: answerStatus, location: `/jobs/${job.id}/result` } : null,
  }
}

/** A page of jobs, newest first. */
export async function listJobs(request: FastifyRequest<{ Querystring: JobsQuery }>) {
  validateQuery(JobsQuery, request.query)
  const { status = null, after = null, limit = 100 } = request.query
  const found = await request.server.jobs.list(status, after, limit + 1)
  return {
    jobs: found.slice(0, limit).map(described),
    next: found.length > limit ? found[limit - 1].id : null,
  }
}

/** How far a job is. */
export async function describeJob({ server, params }: FastifyRequest<OfJob>) {
  return described(await server.jobs.find(params.job))
}

/** What the request would have been answered, had somebody waited. */
export async function answerOfJob({ server, params }: FastifyRequest<OfJob>, reply: FastifyReply) {
  const { status, body } = await server.jobs.answer(params.job)
  reply.code(status).type(status < 300 ? 'application/json' : 'application/problem+json')
  return reply.send(Buffer.from(body.buffer, body.byteOffset, body.byteLength))
}

/** Ends a job that is not over; of one that is, removes the answer. */
export async function cancelJob({ server, params }: FastifyRequest<OfJob>) {
  return described(await server.jobs.cancel(params.job))
}

/** Each change of a job as it happens, until it is over. */
export async function watchJob({ server, params, headers }: FastifyRequest<OfJob>, reply: FastifyReply) {
  const look = async () => described(await server.jobs.find(params.job))
  const first = await look()
  const last = headers['last-event-id']
  const events = eventsOf(
    first,
    typeof last === 'string' ? last : null,
    look,
    async () => {
      await pause(LOOK_MS)
      return !server.draining
    },
    LOOKS,
  )
  // Tells an EventSource, which would ask again for ever, that there is no more to come.
  if (events === null) return reply.code(204).send()
  return reply
    .type('text/event-stream')
    .header('Cache-Control', 'no-store')
    .header('X-Accel-Buffering', 'no')
    .send(Readable.from(events))
}
