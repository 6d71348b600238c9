import type { FastifyPluginAsync } from 'fastify'
import { VoteRequest, VoteResponse } from '../schemas/vote.ts'
import { compute } from '../src/service/compute.ts'
import { engineSchema } from './engine.ts'

export const voteRoute: FastifyPluginAsync = async (app) => {
  app.post(
    '/vote',
    {
      schema: engineSchema(
        {
          operationId: 'vote',
          summary: 'Apply voting rules to the margins of all pairs',
          description:
            'By how much each item is preferred to each other, from counts or from fits, by group or pooled; whether majorities ' +
            'go round in circles; and who wins under each voting rule, with the evidence.',
        },
        VoteRequest,
        VoteResponse,
      ),
    },
    (request, reply) => compute('vote', request, reply),
  )
}
