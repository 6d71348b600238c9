import type { FastifyReply, FastifyRequest } from 'fastify'
import { problemDetails, type ServiceProblemKind } from './problems.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What there is to tell of the request besides the usual: sizes and durations, never preferences. */
    facts: { problem?: ServiceProblemKind; [fact: string]: unknown }
  }
}

/** Counts and logs a request once its answer is sent, or once the client has closed the connection without it. */
export function recordWhenOver(request: FastifyRequest, reply: FastifyReply): void {
  // One listener, since every request pays for it; an answer that was sent has finished by then.
  reply.raw.once('close', () => {
    if (reply.raw.writableFinished) {
      record(request, reply, reply.statusCode)
      return
    }
    request.facts.problem = 'cancelled'
    record(request, reply, problemDetails('cancelled', '').status)
  })
}

function record(
  { method, facts, server, routeOptions, log }: FastifyRequest,
  reply: FastifyReply,
  status: number,
) {
  const route = routeOptions.url ?? 'unknown'
  server.metrics.request(method, route, status, reply.elapsedTime / 1000)
  if (facts.problem !== undefined) server.metrics.refusal(facts.problem)
  log.info({ method, route, status, ms: reply.elapsedTime, ...facts }, 'answered')
}
