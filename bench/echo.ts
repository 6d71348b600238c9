import Fastify from 'fastify'
import { AggregateRequest } from '../schemas/aggregate.ts'
import { components, ref } from '../schemas/ref.ts'

/** A bare Fastify route that validates the body of POST /aggregate with Fastify's own Ajv, and sends it back. */

const customOptions = {
  discriminator: true,
  strict: false,
  coerceTypes: false,
  removeAdditional: false,
} as const
const app = Fastify({ ajv: { customOptions } })
for (const schema of components.values()) app.addSchema(schema)
app.post('/aggregate', { schema: { body: ref(AggregateRequest) } }, async (request) => request.body)
app.get('/health/live', async () => ({ status: 'ok' }))
process.on('SIGTERM', () => app.close())
await app.listen({ host: process.env.HOST, port: Number(process.env.PORT) })
