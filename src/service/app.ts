import { randomUUID } from 'node:crypto'
import fastifySwagger from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import { aggregateRoute } from '../../routes/aggregate.ts'
import { auditRoute } from '../../routes/audit.ts'
import { compareRoute } from '../../routes/compare.ts'
import { datasetsRoutes } from '../../routes/datasets.ts'
import { fitRoute } from '../../routes/fit.ts'
import { healthRoutes } from '../../routes/health.ts'
import { jobsRoutes } from '../../routes/jobs.ts'
import { learnRoute } from '../../routes/learn.ts'
import { metricsRoute } from '../../routes/metrics.ts'
import { openapiRoutes } from '../../routes/openapi.ts'
import { problemsRoute } from '../../routes/problems.ts'
import { questionsRoute } from '../../routes/questions.ts'
import { voteRoute } from '../../routes/vote.ts'
import { votingRulesRoute } from '../../routes/voting-rules.ts'
import { weightsRoutes } from '../../routes/weights.ts'
import { welfareFunctionsRoute } from '../../routes/welfare-functions.ts'
import { components } from '../../schemas/ref.ts'
import type { Jobs } from '../store/jobs.ts'
import { openStoreAndJobs } from '../store/open.ts'
import type { Store } from '../store/store.ts'
import type { Config } from './config.ts'
import { docsPage } from './docs-page.ts'
import { doJobs, jobSlots } from './jobs.ts'
import { createLogger } from './logger.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { openapiOptions } from './openapi.ts'
import { type Pool, startPool } from './pool.ts'
import { ServiceProblem } from './problems.ts'
import { recordWhenOver } from './record.ts'
import { nothingAt, pathOf, refuse, refuseMessage } from './refuse.ts'
import { startSchedule } from './schedule.ts'
import { watchAnswer, watchBody } from './standing-still.ts'

declare module 'fastify' {
  interface FastifyInstance {
    pool: Pool
    metrics: Metrics
    store: Store
    jobs: Jobs
    /** What the operator set. */
    settings: Config
    /** Makes every later request be refused with a 503, on the way to a close. */
    drain(): void
    draining: boolean
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
      request.facts = {}
      recordWhenOver(request, reply)
      watchBody(request, reply)
      refuse(error, request, reply)
    },
    clientErrorHandler(error, socket) {
      refuseMessage(app, error, socket)
    },
  })
  // Before the threads, which would have to be ended where there is no store.
  const { store, jobs } = await openStoreAndJobs(config, jobSlots(config.workers), (error) =>
    app.log.warn({ err: error }, 'the store is in trouble, and goes on'),
  )
  const pool = startPool(config.workers, config.queueLimit)
  app.decorate('store', store)
  app.decorate('jobs', jobs)
  app.decorate('settings', config)
  app.decorate('pool', pool)
  app.decorate('metrics', createMetrics(pool, jobs))
  app.decorate('draining', false)
  app.decorate('drain', () => {
    app.draining = true
  })
  app.decorateRequest('facts')
  // Jobs stop before the server waits for its connections, some of which may watch one.
  let jobsClosed = Promise.resolve()
  app.addHook('preClose', async () => {
    app.drain()
    jobsClosed = jobs.close()
    // It is awaited below.
    jobsClosed.catch(() => {})
  })
  const stopSchedule = startSchedule({ store, pool }, app.log)
  app.addHook('onClose', async () => {
    await jobsClosed
    await stopSchedule()
    await pool.close()
    await store.close()
  })

  // Bodies go to the engine as bytes; it parses and checks them off the event loop.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async ({ headers }: FastifyRequest, body: Buffer) => {
      const encoding = headers['content-encoding'] ?? 'identity'
      if (encoding === 'identity') return body
      const detail = `The body must come without a Content-Encoding, and has ${encoding}.`
      throw new ServiceProblem('unsupported-media-type', detail)
    },
  )
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => (value) => JSON.stringify(value))
  for (const schema of components.values()) app.addSchema(schema)

  // Hooks call back instead of returning promises, which would cost a poll of weights a tenth of its time.
  app.addHook('onRequest', (request, reply, done) => {
    request.facts = {}
    recordWhenOver(request, reply)
    watchBody(request, reply)
    reply.header('X-Request-Id', request.id)
    if (app.draining && request.routeOptions.url !== '/health/live') {
      done(new ServiceProblem('shutting-down', 'The service is shutting down.'))
      return
    }
    // Before the body, which is of no use where there is nothing to take it.
    done(request.is404 ? refusalOfPath(request, reply) : undefined)
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    if (app.draining) reply.header('Connection', 'close')
    watchAnswer(request, reply, payload)
    done()
  })
  app.setErrorHandler(refuse)
  const routes: { path: RegExp; methods: string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    routes.push({ path: pathsOf(url), methods: [method].flat() })
  })
  app.setNotFoundHandler((request, reply) => {
    throw refusalOfPath(request, reply)
  })
  function refusalOfPath(request: FastifyRequest, reply: FastifyReply): ServiceProblem {
    const path = pathOf(request)
    const methods = routes.flatMap((route) => (route.path.test(path) ? route.methods : []))
    if (methods.length === 0 || methods.includes(request.method))
      return new ServiceProblem('not-found', nothingAt(path))
    const allowed = [...new Set(methods)].sort().join(', ')
    reply.header('Allow', allowed)
    return new ServiceProblem('method-not-allowed', `${path} takes ${allowed}, not ${request.method}.`)
  }

  await app.register(fastifySwagger, openapiOptions)
  await app.register(fastifySwaggerUi, docsPage)
  for (const route of [
    aggregateRoute,
    compareRoute,
    fitRoute,
    questionsRoute,
    auditRoute,
    voteRoute,
    learnRoute,
    datasetsRoutes,
    jobsRoutes,
    weightsRoutes,
    welfareFunctionsRoute,
    votingRulesRoute,
    problemsRoute,
    healthRoutes,
    metricsRoute,
    openapiRoutes,
  ]) {
    await app.register(route)
  }
  await jobs.start(doJobs(app))
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
