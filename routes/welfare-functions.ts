import type { FastifyPluginAsync } from 'fastify'
import { ref } from '../schemas/ref.ts'
import { WelfareFunctionList } from '../schemas/welfare-functions.ts'
import { CATALOGUE } from '../src/engine/welfare/catalogue/catalogue.ts'

export const welfareFunctionsRoute: FastifyPluginAsync = async (app) => {
  app.get(
    '/welfare-functions',
    {
      schema: {
        operationId: 'listWelfareFunctions',
        summary: 'The catalogue of welfare functions',
        description:
          'What each function does, in one sentence; its parameters and source; what it is invariant to; the axioms that it ' +
          'satisfies strictly, weakly or not at all, with counterexamples to post to /aggregate.',
        tags: ['reference'],
        response: {
          200: {
            description: 'The catalogue',
            content: { 'application/json': { schema: ref(WelfareFunctionList) } },
          },
        },
      },
    },
    async () => CATALOGUE,
  )
}
