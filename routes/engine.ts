import type { FastifySchema } from 'fastify'
import type { TSchema } from 'typebox'
import { ProblemDetails } from '../schemas/problem.ts'
import { ref } from '../schemas/ref.ts'

/** A refusal, for the responses of an operation. */
export const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: ref(ProblemDetails) } },
})

/** The schema of an operation of the engine: its own body and result, and the refusals that all of them share. */
export function engineSchema(
  operation: { operationId: string; summary: string; description: string },
  body: TSchema,
  response: TSchema,
): FastifySchema {
  return {
    ...operation,
    tags: ['engine'],
    body: ref(body),
    response: {
      200: { description: 'The answer', content: { 'application/json': { schema: ref(response) } } },
      400: problem('The request is not valid, or not JSON'),
      413: problem('The body is too large'),
      415: problem('The body is of another type than application/json'),
      422: problem('There is no such answer, with the proof'),
      503: problem('The queue is full, or the service is shutting down; see Retry-After'),
    },
  }
}
