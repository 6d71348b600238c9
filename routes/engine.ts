import type { FastifySchema } from 'fastify'
import Type, { type TSchema } from 'typebox'
import { JobDescription } from '../schemas/jobs.ts'
import { ProblemDetails } from '../schemas/problem.ts'
import { ref } from '../schemas/ref.ts'
import { problemDetails } from '../src/service/problems.ts'

/** A refusal, for the responses of an operation. */
export const problem = (description: string, example?: ProblemDetails) => ({
  description,
  content: { 'application/problem+json': { schema: ref(ProblemDetails), ...(example && { example }) } },
})

/** A job that has just been made. */
export const jobExample: JobDescription = {
  id: '019b7a2c-4f00-7a51-9c3e-5d2f8b6a1e07',
  operation: 'aggregate',
  status: 'queued',
  stage: null,
  fraction: null,
  attempts: 0,
  createdAt: '2026-01-01T12:00:00.000Z',
  startedAt: null,
  finishedAt: null,
  expiresAt: null,
  answer: null,
}

const headers = Type.Object({
  prefer: Type.Optional(
    Type.String({
      description: '`respond-async` has the answer come later: the request becomes a job (RFC 7240).',
      examples: ['respond-async'],
    }),
  ),
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
    headers,
    body: ref(body),
    response: {
      200: { description: 'The answer', content: { 'application/json': { schema: ref(response) } } },
      202: {
        description: 'The request is a job now, and Location has its path',
        content: { 'application/json': { schema: ref(JobDescription), example: jobExample } },
      },
      400: problem(
        'The request is not valid, or not JSON',
        problemDetails('invalid-request', '1 member of the request is not as it should be; see errors.', [
          { pointer: '/groups/0/population', detail: 'must be above 0, and is -1' },
        ]),
      ),
      413: problem(
        'The body is too large',
        problemDetails('body-too-large', 'The body is larger than 67108864 bytes.'),
      ),
      415: problem(
        'The body is of another type than application/json',
        problemDetails('unsupported-media-type', 'The body must be application/json, and is text/plain.'),
      ),
      422: problem(
        'There is no such answer, with the proof',
        problemDetails(
          'no-acceptable-policy',
          'nash needs a policy at which every group gains, and there is none. All items are the same to "west".',
          [],
          {
            function: 'nash',
            indifferentGroups: ['west'],
            certificate: { weights: { east: 0, west: 1 }, largestAggregatedUtility: 0 },
          },
        ),
      ),
      503: problem(
        'The queue is full, or the service is shutting down; see Retry-After',
        problemDetails('overloaded', 'All workers are busy and the queue is full.'),
      ),
      507: problem('There is no room for the job, and nothing was stored'),
    },
  }
}
