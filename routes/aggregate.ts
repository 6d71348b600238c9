import type { FastifyPluginAsync } from 'fastify'
import { AggregateRequest, AggregateResponse } from '../schemas/aggregate.ts'
import { compute } from '../src/service/compute.ts'
import { engineSchema } from './engine.ts'

export const aggregateRoute: FastifyPluginAsync = async (app) => {
  app.post(
    '/aggregate',
    {
      schema: engineSchema(
        {
          operationId: 'aggregate',
          summary: 'Combine groups under one welfare function',
          description:
            "Fits each group's rewards (or takes yours), and returns the group weights, policy and aggregated reward that are " +
            'optimal under the welfare function, with a certificate.',
        },
        AggregateRequest,
        AggregateResponse,
      ),
    },
    (request, reply) => compute('aggregate', request, reply),
  )
}
