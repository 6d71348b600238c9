import type { FastifyPluginAsync } from 'fastify'
import Type from 'typebox'
import { ProblemDetails, ProblemPage } from '../schemas/problem.ts'
import { oneOf, ref } from '../schemas/ref.ts'
import { problemNames, problemPage, ServiceProblem } from '../src/service/problems.ts'

export const problemsRoute: FastifyPluginAsync = async (app) => {
  app.get<{ Params: { name: string } }>(
    '/problems/:name',
    {
      schema: {
        operationId: 'explainProblem',
        summary: 'What a kind of problem means',
        description: 'The page that the `type` of an error response names.',
        tags: ['reference'],
        params: Type.Object({ name: oneOf(problemNames(), { example: 'no-finite-estimate' }) }),
        response: {
          200: { description: 'The page', content: { 'application/json': { schema: ref(ProblemPage) } } },
          404: {
            description: 'There is no such kind',
            content: { 'application/problem+json': { schema: ref(ProblemDetails) } },
          },
        },
      },
    },
    async ({ params }) => {
      const page = problemPage(params.name)
      if (page !== null) return page
      throw new ServiceProblem(
        'not-found',
        `There is no kind of problem "${params.name}"; there are ${problemNames().join(', ')}.`,
      )
    },
  )
}
