import { randomUUID } from 'node:crypto'
import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import { aggregateRoute } from '../../routes/aggregate.ts'
import { compareRoute } from '../../routes/compare.ts'
import { fitRoute } from '../../routes/fit.ts'
import { healthRoutes } from '../../routes/health.ts'
import { metricsRoute } from '../../routes/metrics.ts'
import { openapiRoutes } from '../../routes/openapi.ts'
import { problemsRoute } from '../../routes/problems.ts'
import { questionsRoute } from '../../routes/questions.ts'
import { welfareFunctionsRoute } from '../../routes/welfare-functions.ts'
import { components } from '../../schemas/ref.ts'
import { RETRY_AFTER } from './compute.ts'
import type { Config } from './config.ts'
import { createLogger } from './logger.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { openapiOptions } from './openapi.ts'
import { type Pool, startPool } from './pool.ts'
import { problemOf, ServiceProblem, type ServiceProblemKind } from './problems.ts'

declare module 'fastify' {
  interface FastifyInstance {
    pool: Pool
    metrics: Metrics
    /** Makes every later request be refused with a 503, on the way to a close. */
    drain(): void
    draining: boolean
  }
  interface FastifyRequest {
    /** What the log line of the request tells besides the usual: sizes and durations, never preferences. */
    facts: Record<string, unknown>
  }
}

/** Assembles the service; nothing listens yet. */
export async function buildApp(config: Config): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: createLogger(config.logLevel),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: config.bodyLimit,
    genReqId: (request) => requestIdOf(request.headers['x-request-id']),
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: true,
    frameworkErrors(error, request, reply) {
      reply.header('X-Request-Id', request.id)
      sendProblem(error, request, reply)
    },
    clientErrorHandler(_error, socket) {
      const { details } = problemOf(new ServiceProblem('malformed-body', 'The HTTP message is malformed.'))
      const body = JSON.stringify(details)
      if (!socket.writable) return
      socket.end(
        `HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
      )
    },
  })
  const pool = startPool(config.workers, config.queueLimit)
  app.decorate('pool', pool)
  app.decorate('metrics', createMetrics(pool))
  app.decorate('draining', false)
  app.decorate('drain', () => {
    app.draining = true
  })
  app.decorateRequest('facts')
  app.addHook('onClose', () => pool.close())

  // Bodies go to the engine as bytes; it parses and checks them off the event loop.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => (value) => JSON.stringify(value))
  for (const schema of components.values()) app.addSchema(schema)

  app.addHook('onRequest', async (request, reply) => {
    request.facts = {}
    reply.header('X-Request-Id', request.id)
    if (app.draining && !request.url.startsWith('/health/live')) {
      reply.header('Connection', 'close')
      throw new ServiceProblem('shutting-down', 'The service is shutting down.')
    }
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown'
    const { method, facts } = request
    app.metrics.request(method, route, reply.statusCode, reply.elapsedTime / 1000)
    request.log.info({ method, route, status: reply.statusCode, ms: reply.elapsedTime, ...facts }, 'answered')
  })
  app.setErrorHandler(sendProblem)
  const routes: { path: RegExp; methods: string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    routes.push({ path: pathsOf(url), methods: [method].flat() })
  })
  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request)
    const methods = routes.flatMap((route) => (route.path.test(path) ? route.methods : []))
    if (methods.length === 0) throw new ServiceProblem('not-found', nothingAt(path))
    const allowed = [...new Set(methods)].sort().join(', ')
    reply.header('Allow', allowed)
    throw new ServiceProblem('method-not-allowed', `${path} takes ${allowed}, not ${request.method}.`)
  })

  await app.register(fastifySwagger, openapiOptions)
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    uiConfig: { tryItOutEnabled: true, docExpansion: 'list' },
  })
  for (const route of [
    aggregateRoute,
    compareRoute,
    fitRoute,
    questionsRoute,
    welfareFunctionsRoute,
    problemsRoute,
    healthRoutes,
    metricsRoute,
    openapiRoutes,
  ]) {
    await app.register(route)
  }
  return app
}

/** The client's request id where it is short and harmless in a log, else a new one. */
function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.:/+=@-]{1,128}$/.test(header) ? header : randomUUID()
}

/** The paths that a route takes: `:name` stands for one step of a path, `*` for anything. */
function pathsOf(url: string): RegExp {
  const pattern = url.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+').replaceAll('*', '.*')
  return new RegExp(`^${pattern}$`)
}

function pathOf({ url }: FastifyRequest): string {
  return url.split('?', 1)[0]
}

function nothingAt(path: string): string {
  return `There is nothing at ${path}. /docs lists the paths.`
}

/** What Fastify's own errors, and a connection that breaks off in the middle of a body, are called here. */
const FASTIFY_ERRORS: Record<string, ServiceProblemKind> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed-body',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed-body',
  FST_ERR_BAD_URL: 'not-found',
  FST_ERR_MAX_PARAM_LENGTH: 'not-found',
  ECONNRESET: 'cancelled',
}

function sendProblem(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) {
  const { server } = request
  const kind = FASTIFY_ERRORS[(error as FastifyError).code]
  const problem = problemOf(
    kind === undefined ? error : new ServiceProblem(kind, detailOf(kind, error, request)),
  )
  if (problem.kind === 'internal') request.log.error({ err: error }, 'the service failed')
  if (problem.details.status === 503) reply.header('Retry-After', String(RETRY_AFTER))
  request.facts = { ...request.facts, problem: problem.kind }
  server.metrics.refusal(problem.kind)
  reply.code(problem.details.status).type('application/problem+json').send(JSON.stringify(problem.details))
}

function detailOf(kind: ServiceProblemKind, error: Error, request: FastifyRequest): string {
  switch (kind) {
    case 'body-too-large':
      return `The body is larger than the ${request.server.initialConfig.bodyLimit} bytes that this service accepts.`
    case 'unsupported-media-type':
      return 'The body must be sent with the Content-Type application/json.'
    case 'not-found':
      return nothingAt(pathOf(request))
    case 'cancelled':
      return 'The client closed the connection.'
    default:
      return error.message
  }
}
