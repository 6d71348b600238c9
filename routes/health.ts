import type { FastifyPluginAsync } from 'fastify'
import { Health } from '../schemas/health.ts'
import { ProblemDetails } from '../schemas/problem.ts'
import { ref } from '../schemas/ref.ts'

const healthy = { description: 'Yes', content: { 'application/json': { schema: ref(Health) } } }

export const healthRoutes: FastifyPluginAsync = async (app) => {
  app.get(
    '/health/live',
    {
      schema: {
        operationId: 'isLive',
        summary: 'Whether the process answers at all',
        description: 'Restart the process when this fails.',
        tags: ['operation'],
        response: { 200: healthy },
      },
    },
    async () => ({ status: 'ok' }),
  )
  app.get(
    '/health/ready',
    {
      schema: {
        operationId: 'isReady',
        summary: 'Whether the service takes requests',
        description: 'Send no requests while this fails: the service is shutting down.',
        tags: ['operation'],
        response: {
          200: healthy,
          503: {
            description: 'The service is shutting down',
            content: { 'application/problem+json': { schema: ref(ProblemDetails) } },
          },
        },
      },
    },
    async () => ({ status: 'ok' }),
  )
}
