import Type, { type Static } from 'typebox'
import { named, oneOf, ref } from './ref.ts'

const closed = { additionalProperties: false }
const statuses = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const
const time = (description: string) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time', description })

/** A job, without what was sent and what it answers. */
export const JobDescription = named(
  'Job',
  Type.Object(
    {
      id: Type.String({ description: 'A UUID; later jobs have larger ones.' }),
      operation: oneOf(['aggregate', 'compare', 'fit', 'questions', 'audit', 'vote', 'learn'], {
        description:
          'What was asked for: the path that the request was sent to, but for `learn`, which is /welfare-functions/learn.',
      }),
      status: oneOf(statuses, {
        description:
          '`queued`: it waits. `running`: it is being done. `succeeded`: its answer is a result. `failed`: its answer is a ' +
          'problem, the same that the request would have been refused with. `cancelled`: it was ended, and has no answer.',
      }),
      stage: Type.Unsafe<'read' | 'fit' | 'solve' | null>({
        type: ['string', 'null'],
        enum: ['read', 'fit', 'solve', null],
        description:
          'What it is doing: reading preferences, fitting rewards, or solving for the optimum. Null unless it runs.',
      }),
      fraction: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        minimum: 0,
        maximum: 1,
        description:
          'The part of this stage that is done: of the comparisons read, of the groups fitted, and so on.',
      }),
      attempts: Type.Integer({
        minimum: 0,
        description: 'How often it was begun; more than once where a process that ran it ended.',
      }),
      createdAt: Type.String({ format: 'date-time', description: 'When it was asked for.' }),
      startedAt: time('When it was begun for the last time; null before.'),
      finishedAt: time('When it was over; null before.'),
      expiresAt: time('Until when its answer is kept; null while there is none, and for a cancelled job.'),
      answer: Type.Unsafe<{ status: number; location: string } | null>({
        type: ['object', 'null'],
        required: ['status', 'location'],
        properties: {
          status: { type: 'integer', description: 'The HTTP status of the answer.' },
          location: { type: 'string', description: 'The path from which it can be read.' },
        },
        additionalProperties: false,
        description: 'Where the answer is; null while there is none, and when it is no longer kept.',
      }),
    },
    { ...closed, description: 'Work that outlives the request that asked for it.' },
  ),
)

export const JobList = named(
  'JobList',
  Type.Object(
    {
      jobs: Type.Array(ref(JobDescription), { description: 'The newest first.' }),
      next: Type.Unsafe<string | null>({
        type: ['string', 'null'],
        description: 'What to give as `after` for the next page; null where this is the last.',
      }),
    },
    closed,
  ),
)

export const JobsQuery = Type.Object(
  {
    status: Type.Optional(oneOf(statuses, { description: 'Only jobs of this status.' })),
    after: Type.Optional(
      Type.String({ maxLength: 256, description: 'Begins after this id: `next` of the page before.' }),
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'At most so many jobs.' }),
    ),
  },
  closed,
)

export type JobDescription = Static<typeof JobDescription>
export type JobsQuery = Static<typeof JobsQuery>
