import type { FastifyPluginAsync } from 'fastify'
import { ref } from '../schemas/ref.ts'
import { VotingRuleList } from '../schemas/vote.ts'
import { VOTING_RULES } from '../src/engine/voting/catalogue.ts'

export const votingRulesRoute: FastifyPluginAsync = async (app) => {
  app.get(
    '/voting-rules',
    {
      schema: {
        operationId: 'listVotingRules',
        summary: 'The catalogue of voting rules',
        description: 'What each rule does, in one sentence; its invariances, axioms and source.',
        tags: ['reference'],
        response: {
          200: {
            description: 'The catalogue',
            content: { 'application/json': { schema: ref(VotingRuleList) } },
          },
        },
      },
    },
    async () => ({ rules: VOTING_RULES }),
  )
}
