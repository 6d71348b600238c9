import type { FastifyPluginAsync } from 'fastify'
import { ref } from '../schemas/ref.ts'
import { WelfareFunctionList } from '../schemas/welfare.ts'
import { WELFARE_FUNCTIONS } from '../src/engine/welfare/catalogue.ts'

export const welfareFunctionsRoute: FastifyPluginAsync = async (app) => {
  app.get(
    '/welfare-functions',
    {
      schema: {
        operationId: 'listWelfareFunctions',
        summary: 'The catalogue of welfare functions',
        description:
          'What each function does, in one sentence; its parameters, invariances, axioms and source.',
        tags: ['reference'],
        response: {
          200: {
            description: 'The catalogue',
            content: { 'application/json': { schema: ref(WelfareFunctionList) } },
          },
        },
      },
    },
    async () => ({ functions: WELFARE_FUNCTIONS }),
  )
}
