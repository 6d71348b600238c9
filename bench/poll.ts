import Fastify from 'fastify'

/** A bare Fastify route that answers 304 to whoever has the one thing that it serves. */

const TAG = '"1-0f7c2a94-5d7e-4c1b-9c55-3f0d6f7be9a1"'
const app = Fastify()
app.get('/datasets/:dataset/weights/:name', async (request, reply) => {
  reply.header('ETag', TAG).header('Cache-Control', 'private, no-cache')
  if (request.headers['if-none-match'] === TAG) return reply.code(304).send()
  return { version: 1 }
})
app.get('/health/live', async () => ({ status: 'ok' }))
process.on('SIGTERM', () => app.close())
await app.listen({ host: process.env.HOST, port: Number(process.env.PORT) })
