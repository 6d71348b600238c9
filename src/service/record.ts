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
  let sent = false
  reply.raw.once('finish', () => {
    sent = true
    record(request, reply, reply.statusCode)
  })
  reply.raw.once('close', () => {
    if (sent) return
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
