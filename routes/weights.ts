import type { FastifyPluginAsync } from 'fastify'
import Type from 'typebox'
import { PageQuery } from '../schemas/datasets.ts'
import { Id } from '../schemas/preferences.ts'
import { ref } from '../schemas/ref.ts'
import {
  DifferenceQuery,
  Pin,
  PublishedWeights,
  VersionQuery,
  VersionsQuery,
  WeightsConfiguration,
  WeightsDifference,
  WeightsList,
  WeightsVersions,
} from '../schemas/weights.ts'
import {
  compareVersions,
  deleteWeights,
  listVersions,
  listWeights,
  pinWeights,
  publishWeights,
  readWeights,
  refreshWeights,
  unpinWeights,
} from '../src/service/weights.ts'
import { schemaOf } from './datasets.ts'
import { problem } from './engine.ts'
import { json, noRoom } from './stored.ts'

const params = Type.Object({ dataset: ref(Id), name: ref(Id) })
const datasetParams = Type.Object({ dataset: ref(Id) })
const path = '/datasets/:dataset/weights/:name'

export const weightsRoutes: FastifyPluginAsync = async (app) => {
  app.get(
    '/datasets/:dataset/weights',
    {
      schema: schemaOf(
        {
          operationId: 'listWeights',
          summary: 'List the weights that a dataset publishes',
          description: 'By name, a page at a time, without what they are.',
        },
        { params: datasetParams, querystring: PageQuery },
        { 200: json('A page', WeightsList) },
      ),
    },
    listWeights,
  )
  app.put(
    path,
    {
      schema: schemaOf(
        {
          operationId: 'publishWeights',
          summary: 'Publish weights',
          description:
            'Computes weights from the dataset as /aggregate does, and makes them the first or the next version.',
        },
        { params, body: ref(WeightsConfiguration) },
        {
          200: json('Configuration and data are those of the latest version', PublishedWeights),
          201: json('A new version', PublishedWeights),
          ...noRoom,
          409: problem('The weights are being computed by another request, or by the schedule'),
          422: problem('There is no such answer, with the proof; nothing is published'),
        },
      ),
    },
    publishWeights,
  )
  app.get(
    path,
    {
      schema: schemaOf(
        {
          operationId: 'readWeights',
          summary: 'Read published weights',
          description:
            'What a training job polls: with If-None-Match it is answered 304 until something changes.',
        },
        { params, querystring: VersionQuery },
        {
          200: json('The version that is served, or the one that is asked for', PublishedWeights),
          304: { description: 'The client has it', type: 'null' },
        },
      ),
    },
    readWeights,
  )
  app.post(
    `${path}/refresh`,
    {
      schema: schemaOf(
        {
          operationId: 'refreshWeights',
          summary: 'Compute published weights anew',
          description:
            'From the data as they are now, by the same configuration. A failure leaves the last version in place.',
        },
        { params },
        {
          200: json('Nothing has changed since the latest version', PublishedWeights),
          201: json('A new version', PublishedWeights),
          ...noRoom,
          409: problem('The weights are being computed by another request, or by the schedule'),
          422: problem('There is no such answer now; the last version is still served, and says so'),
        },
      ),
    },
    refreshWeights,
  )
  app.get(
    `${path}/versions`,
    {
      schema: schemaOf(
        {
          operationId: 'listVersions',
          summary: 'List the versions of weights',
          description: 'The newest first, a page at a time.',
        },
        { params, querystring: VersionsQuery },
        { 200: json('A page', WeightsVersions) },
      ),
    },
    listVersions,
  )
  app.get(
    `${path}/difference`,
    {
      schema: schemaOf(
        {
          operationId: 'compareVersions',
          summary: 'Compare two versions of weights',
          description: 'Group weights, rewards, ranks and policies side by side.',
        },
        { params, querystring: DifferenceQuery },
        { 200: json('The difference', WeightsDifference) },
      ),
    },
    compareVersions,
  )
  app.put(
    `${path}/pin`,
    {
      schema: schemaOf(
        {
          operationId: 'pinWeights',
          summary: 'Serve one version of weights',
          description: 'Whatever is published after it: a roll-back.',
        },
        { params, body: ref(Pin) },
        { 200: json('What is served now', PublishedWeights) },
      ),
    },
    pinWeights,
  )
  app.delete(
    `${path}/pin`,
    {
      schema: schemaOf(
        {
          operationId: 'unpinWeights',
          summary: 'Serve the latest version again',
          description: 'Ends a roll-back.',
        },
        { params },
        { 200: json('What is served now', PublishedWeights) },
      ),
    },
    unpinWeights,
  )
  app.delete(
    path,
    {
      schema: schemaOf(
        {
          operationId: 'deleteWeights',
          summary: 'Publish weights no longer',
          description: 'With all versions.',
        },
        { params },
        { 204: { description: 'They are gone', type: 'null' } },
      ),
    },
    deleteWeights,
  )
}
