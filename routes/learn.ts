import type { FastifyPluginAsync } from 'fastify'
import { LearnRequest, LearnResponse } from '../schemas/learn.ts'
import { compute } from '../src/service/compute.ts'
import { engineSchema } from './engine.ts'

export const learnRoute: FastifyPluginAsync = async (app) => {
  app.post(
    '/welfare-functions/learn',
    {
      schema: engineSchema(
        {
          operationId: 'learnWelfareFunction',
          summary: 'Which welfare function do choices follow?',
          description:
            'From choices between distributions of utilities over groups: the exponent of a power mean, group weights and the ' +
            'likelihood of every exponent, ready to be sent to /aggregate.',
        },
        LearnRequest,
        LearnResponse,
      ),
    },
    (request, reply) => compute('learn', request, reply),
  )
}
