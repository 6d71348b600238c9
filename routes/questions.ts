import type { FastifyPluginAsync } from 'fastify'
import { QuestionsRequest, QuestionsResponse } from '../schemas/questions.ts'
import { compute } from '../src/service/compute.ts'
import { engineSchema } from './engine.ts'

export const questionsRoute: FastifyPluginAsync = async (app) => {
  app.post(
    '/questions',
    {
      schema: engineSchema(
        {
          operationId: 'questions',
          summary: 'What to ask next',
          description:
            'The comparisons whose answers would tell most, given those so far: of the differences between all items, or with a ' +
            '`welfare` of which item wins.',
        },
        QuestionsRequest,
        QuestionsResponse,
      ),
    },
    (request, reply) => compute('questions', request, reply),
  )
}
