import type { FastifyPluginAsync } from 'fastify'

export const openapiRoutes: FastifyPluginAsync = async (app) => {
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    reply.type('application/json')
    return reply.send(JSON.stringify(app.swagger()))
  })
  app.get('/openapi.yaml', { schema: { hide: true } }, async (_request, reply) => {
    reply.type('application/yaml')
    return reply.send(app.swagger({ yaml: true }))
  })
}
