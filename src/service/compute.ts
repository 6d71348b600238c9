import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operation } from './validate.ts'

/** Seconds after which a client that found the queue full may try again. */
export const RETRY_AFTER = 2

/** Answers an engine request: the one call that the routes of the engine make. */
export async function compute(operation: Operation, request: FastifyRequest, reply: FastifyReply) {
  const { pool, metrics } = request.server
  const abort = new AbortController()
  const onClose = () => {
    if (!reply.raw.writableFinished) abort.abort()
  }
  reply.raw.once('close', onClose)
  const body = (request.body ?? new Uint8Array(0)) as Uint8Array
  const answer = await pool.answer(operation, body, abort.signal)
  reply.raw.off('close', onClose)

  metrics.answer(operation, answer)
  request.facts = {
    bytes: body.byteLength,
    ...answer.sizes,
    ...Object.fromEntries(
      Object.entries(answer.seconds).map(([stage, seconds]) => [`${stage}Ms`, seconds * 1000]),
    ),
  }
  if (answer.kind !== null) {
    request.facts.problem = answer.kind
    metrics.refusal(answer.kind)
  }
  if (answer.fault !== null) request.log.error({ fault: answer.fault }, 'the engine failed')
  if (answer.kind === 'overloaded') reply.header('Retry-After', String(RETRY_AFTER))
  reply.code(answer.status).type(answer.kind === null ? 'application/json' : 'application/problem+json')
  return reply.send(Buffer.from(answer.body.buffer, answer.body.byteOffset, answer.body.byteLength))
}
