import type { FastifyPluginAsync } from 'fastify'
import { FitRequest, FitResponse } from '../schemas/fit.ts'
import { compute } from '../src/service/compute.ts'
import { engineSchema } from './engine.ts'

export const fitRoute: FastifyPluginAsync = async (app) => {
  app.post(
    '/fit',
    {
      schema: engineSchema(
        {
          operationId: 'fit',
          summary: "Fit each group's rewards",
          description:
            "Each group's Bradley–Terry rewards with standard errors, how good the fit is, and how the items hang together.",
        },
        FitRequest,
        FitResponse,
      ),
    },
    (request, reply) => compute('fit', request, reply),
  )
}
