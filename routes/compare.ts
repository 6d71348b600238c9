import type { FastifyPluginAsync } from 'fastify'
import { CompareRequest, CompareResponse } from '../schemas/aggregate.ts'
import { compute } from '../src/service/compute.ts'
import { engineSchema } from './engine.ts'

export const compareRoute: FastifyPluginAsync = async (app) => {
  app.post(
    '/compare',
    {
      schema: engineSchema(
        {
          operationId: 'compare',
          summary: 'Compare welfare functions side by side',
          description:
            'The same body as /aggregate with a list of welfare functions: one fit, and for each function, in the same order, ' +
            'what /aggregate would answer.',
        },
        CompareRequest,
        CompareResponse,
      ),
    },
    (request, reply) => compute('compare', request, reply),
  )
}
