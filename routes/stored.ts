import type { FastifySchema } from 'fastify'
import type { TSchema } from 'typebox'
import { ref } from '../schemas/ref.ts'
import { problem } from './engine.ts'

/** A response in JSON. */
export const json = (description: string, schema: TSchema) => ({
  description,
  content: { 'application/json': { schema: ref(schema) } },
})

/** The refusal of what finds no room in the store. */
export const noRoom = { 507: problem('There is no room, and nothing was stored') }

/**
 * Makes the schemas of operations on what is stored.
 *
 * @param shared the refusals that all of them share, besides those of a store that does not answer
 */
export function operationsOn(tag: string, shared: Record<number, unknown>) {
  const common = {
    ...shared,
    503: problem('The store does not answer, or the service is shutting down; see Retry-After'),
  }
  return (
    operation: { operationId: string; summary: string; description: string },
    rest: Omit<FastifySchema, 'response'>,
    response: Record<number | string, unknown>,
  ): FastifySchema => ({ ...operation, tags: [tag], ...rest, response: { ...response, ...common } })
}
