import type { FastifyPluginAsync } from 'fastify'
import Type from 'typebox'

export const metricsRoute: FastifyPluginAsync = async (app) => {
  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'readMetrics',
        summary: 'Metrics for Prometheus',
        description: 'Durations of requests, fits and solves, the depth of the queue, and refusals by kind.',
        tags: ['operation'],
        response: {
          200: {
            description: 'Prometheus text format',
            content: { 'text/plain': { schema: Type.String() } },
          },
        },
      },
    },
    async (_request, reply) => {
      reply.type(app.metrics.registry.contentType)
      return reply.send(await app.metrics.registry.metrics())
    },
  )
}
