import type { FastifyPluginAsync } from 'fastify'
import Type from 'typebox'
import { JobDescription, JobList, JobsQuery } from '../schemas/jobs.ts'
import { ref } from '../schemas/ref.ts'
import { answerOfJob, cancelJob, describeJob, listJobs, watchJob } from '../src/service/jobs.ts'
import { jobExample, problem } from './engine.ts'
import { operationsOn } from './stored.ts'

const params = Type.Object({ job: Type.String({ description: 'The id of the job.' }) })

const finished = {
  ...jobExample,
  status: 'succeeded' as const,
  attempts: 1,
  startedAt: '2026-01-01T12:00:00.010Z',
  finishedAt: '2026-01-01T12:00:09.300Z',
  expiresAt: '2026-01-02T12:00:09.300Z',
  answer: { status: 200, location: `/jobs/${jobExample.id}/result` },
}
const running = { ...finished, status: 'running' as const, stage: 'fit' as const, fraction: 0.4 }
Object.assign(running, { finishedAt: null, expiresAt: null, answer: null })
const cancelled = { ...finished, status: 'cancelled' as const, expiresAt: null, answer: null }

const events =
  `retry: 2000\n\nid: running-1-fit-0.4\nevent: progress\ndata: ${JSON.stringify(running)}\n\n` +
  `id: succeeded-1\nevent: end\ndata: ${JSON.stringify(finished)}\n\n`

const schemaOf = operationsOn('jobs', {})

const noJob = { 404: problem('There is no such job') }
const job = (description: string, example: JobDescription) => ({
  description,
  content: { 'application/json': { schema: ref(JobDescription), example } },
})

export const jobsRoutes: FastifyPluginAsync = async (app) => {
  app.get(
    '/jobs',
    {
      schema: schemaOf(
        {
          operationId: 'listJobs',
          summary: 'List the jobs',
          description: 'The newest first, a page at a time.',
        },
        { querystring: JobsQuery },
        {
          200: {
            description: 'A page',
            content: {
              'application/json': { schema: ref(JobList), example: { jobs: [running], next: null } },
            },
          },
          400: problem('The query is not valid'),
        },
      ),
    },
    listJobs,
  )
  app.get(
    '/jobs/:job',
    {
      schema: schemaOf(
        {
          operationId: 'describeJob',
          summary: 'How far a job is',
          description:
            'Its status, its stage and the part of that which is done, and where its answer is. Any replica tells it.',
        },
        { params },
        { 200: job('The job', running), ...noJob },
      ),
    },
    describeJob,
  )
  app.get(
    '/jobs/:job/result',
    {
      schema: schemaOf(
        {
          operationId: 'readJobResult',
          summary: 'The answer of a job',
          description:
            'With the status and the body that the request would have had, had somebody waited: a result, or a problem with any ' +
            'of the statuses of the operation. It is kept until `expiresAt`.',
        },
        { params },
        {
          200: {
            description: 'The answer of the operation',
            content: {
              'application/json': {
                schema: Type.Object(
                  {},
                  { additionalProperties: true, description: 'What the operation answers.' },
                ),
                example: { function: 'nash', weights: { east: 0.4, west: 0.6 } },
              },
            },
          },
          ...noJob,
          409: problem('The job is not over'),
          410: problem('The job was cancelled, or its answer is no longer kept'),
          '4XX': problem('What the request was refused with'),
        },
      ),
    },
    answerOfJob,
  )
  app.get(
    '/jobs/:job/events',
    {
      exposeHeadRoute: false,
      schema: schemaOf(
        {
          operationId: 'watchJob',
          summary: 'Follow a job',
          description:
            'Server-sent events: `progress` with each change, and `end` with the last, after which the stream ends. The data of ' +
            'each is the whole job, as GET /jobs/{job} has it. With the id of the last event in Last-Event-ID (as an ' +
            'EventSource does by itself) a stream that broke off goes on with what has changed since. Every quarter of a ' +
            'minute without news has a comment.',
        },
        {
          params,
          headers: Type.Object({
            'last-event-id': Type.Optional(
              Type.String({ description: 'The id of the last event received.' }),
            ),
          }),
        },
        {
          200: {
            description: 'The events',
            content: { 'text/event-stream': { schema: Type.String(), example: events } },
          },
          204: { description: 'The last event that was received was the end', type: 'null' },
          ...noJob,
        },
      ),
    },
    watchJob,
  )
  app.delete(
    '/jobs/:job',
    {
      schema: schemaOf(
        {
          operationId: 'cancelJob',
          summary: 'Cancel a job',
          description:
            'Ends a job that waits or runs, on whatever replica, and removes what was sent. Of a job that is over, it removes the ' +
            'answer.',
        },
        { params },
        { 200: job('The job', cancelled), ...noJob },
      ),
    },
    cancelJob,
  )
}
