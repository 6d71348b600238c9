import type { FastifyReply, FastifyRequest } from 'fastify'
import { becomesJob, createJob } from './jobs.ts'
import type { Operation } from './validate.ts'

/** Seconds after which a client that found the queue full may try again. */
export const RETRY_AFTER = 2

/** Answers an engine request, or makes it a job: the one call that the routes of the engine make. */
export async function compute(operation: Operation, request: FastifyRequest, reply: FastifyReply) {
  if (becomesJob(request)) return createJob(operation, request, reply)
  const { pool, metrics, store } = request.server
  const abort = new AbortController()
  const onClose = () => {
    if (!reply.raw.writableFinished) abort.abort()
  }
  reply.raw.once('close', onClose)
  const body = (request.body ?? new Uint8Array(0)) as Uint8Array
  request.facts.bytes = body.byteLength
  const answer = await pool.answer(operation, body, abort.signal, store).finally(() => {
    reply.raw.off('close', onClose)
  })

  metrics.answer(operation, answer)
  Object.assign(request.facts, answer.sizes)
  for (const [stage, seconds] of Object.entries(answer.seconds)) request.facts[`${stage}Ms`] = seconds * 1000
  if (answer.kind !== null) request.facts.problem = answer.kind
  if (answer.fault !== null) request.log.error({ fault: answer.fault }, 'the engine failed')
  if (answer.status === 503) reply.header('Retry-After', String(RETRY_AFTER))
  reply.code(answer.status).type(answer.kind === null ? 'application/json' : 'application/problem+json')
  return reply.send(Buffer.from(answer.body.buffer, answer.body.byteOffset, answer.body.byteLength))
}
