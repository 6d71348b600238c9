import type { FastifyPluginAsync } from 'fastify'
import Type from 'typebox'
import {
  AcceptedBatch,
  BatchList,
  DatasetDescription,
  DatasetList,
  DatasetSummary,
  Erased,
  ExportQuery,
  NewBatch,
  NewDataset,
  PageQuery,
  UploadQuery,
} from '../schemas/datasets.ts'
import { Id } from '../schemas/preferences.ts'
import { ref } from '../schemas/ref.ts'
import {
  createDataset,
  deleteDataset,
  describeDataset,
  eraseAnnotator,
  eraseBatch,
  exportDataset,
  listBatches,
  listDatasets,
} from '../src/service/datasets.ts'
import { refuseUploadType, UPLOAD_TYPES, upload } from '../src/service/uploads.ts'
import { problem } from './engine.ts'
import { json, noRoom, operationsOn } from './stored.ts'

const params = Type.Object({ dataset: ref(Id) })
const batchParams = Type.Object({ dataset: ref(Id), batch: Type.String() })
const annotatorParams = Type.Object({ dataset: ref(Id), annotator: ref(Id) })

/** Makes the schema of an operation on datasets. */
export const schemaOf = operationsOn('datasets', {
  400: problem('The request is not valid'),
  404: problem('There is no such dataset'),
})

export const datasetsRoutes: FastifyPluginAsync = async (app) => {
  app.post(
    '/datasets',
    {
      schema: schemaOf(
        {
          operationId: 'createDataset',
          summary: 'Make an empty dataset',
          description:
            'A dataset grows by batches of comparisons, and is a source of preferences for the engine.',
        },
        { body: ref(NewDataset) },
        { 201: json('It is there', DatasetSummary), 409: problem('The id is taken'), ...noRoom },
      ),
    },
    createDataset,
  )
  app.get(
    '/datasets',
    {
      schema: schemaOf(
        {
          operationId: 'listDatasets',
          summary: 'List the datasets',
          description: 'By id, a page at a time.',
        },
        { querystring: PageQuery },
        { 200: json('A page', DatasetList) },
      ),
    },
    listDatasets,
  )
  app.get(
    '/datasets/:dataset',
    {
      schema: schemaOf(
        {
          operationId: 'describeDataset',
          summary: 'Describe a dataset',
          description: 'Its groups, items, annotators, counts, connectivity, and first and last timestamp.',
        },
        { params },
        { 200: json('The dataset', DatasetDescription) },
      ),
    },
    describeDataset,
  )
  app.delete(
    '/datasets/:dataset',
    {
      schema: schemaOf(
        {
          operationId: 'deleteDataset',
          summary: 'Delete a dataset',
          description: 'With all its comparisons.',
        },
        { params },
        { 204: { description: 'It is gone', type: 'null' } },
      ),
    },
    deleteDataset,
  )
  app.get(
    '/datasets/:dataset/comparisons',
    {
      schema: schemaOf(
        {
          operationId: 'exportDataset',
          summary: 'Export a dataset',
          description: 'All its comparisons, as a file that can be uploaded again.',
        },
        { params, querystring: ExportQuery },
        { 200: { description: 'The file', content: { 'application/x-ndjson': { schema: Type.String() } } } },
      ),
    },
    exportDataset,
  )
  app.get(
    '/datasets/:dataset/batches',
    {
      schema: schemaOf(
        {
          operationId: 'listBatches',
          summary: 'List the batches of a dataset',
          description: 'In the order in which they were accepted, a page at a time.',
        },
        { params, querystring: PageQuery },
        { 200: json('A page', BatchList) },
      ),
    },
    listBatches,
  )
  app.delete(
    '/datasets/:dataset/batches/:batch',
    {
      schema: schemaOf(
        {
          operationId: 'eraseBatch',
          summary: 'Erase a batch',
          description: 'Removes its comparisons from the dataset and from all that is answered later.',
        },
        { params: batchParams },
        { 200: json('It is gone', Erased) },
      ),
    },
    eraseBatch,
  )
  app.delete(
    '/datasets/:dataset/annotators/:annotator',
    {
      schema: schemaOf(
        {
          operationId: 'eraseAnnotator',
          summary: 'Erase an annotator',
          description:
            'Removes all that the annotator said, and the id, from the dataset and from all that is answered later.',
        },
        { params: annotatorParams },
        { 200: json('Nothing of it is left', Erased) },
      ),
    },
    eraseAnnotator,
  )
  // Uploads are read as streams, whatever their type.
  app.register(async (uploads) => {
    uploads.removeAllContentTypeParsers()
    for (const type of Object.keys(UPLOAD_TYPES))
      uploads.addContentTypeParser(type, (_request, payload, done) => done(null, payload))
    uploads.addContentTypeParser('*', refuseUploadType)
    const file = Type.Unsafe<string>({ type: 'string', format: 'binary' })
    uploads.post<{ Params: { dataset: string }; Querystring: UploadQuery }>(
      '/datasets/:dataset/comparisons',
      {
        schema: schemaOf(
          {
            operationId: 'addComparisons',
            summary: 'Add a batch of comparisons',
            description:
              'All or nothing: where a row is wrong nothing is stored, and the first 100 bad rows are listed. JSON has the member ' +
              '`comparisons`; files are NDJSON, CSV or Parquet, also with Content-Encoding: gzip. With an Idempotency-Key a ' +
              'batch that is sent again is stored once.',
          },
          {
            params,
            querystring: UploadQuery,
            headers: Type.Object({
              'idempotency-key': Type.Optional(
                Type.String({
                  minLength: 1,
                  maxLength: 255,
                  description: 'A name of your own for this batch.',
                }),
              ),
            }),
            body: {
              content: {
                'application/json': { schema: ref(NewBatch) },
                'application/x-ndjson': { schema: file },
                'text/csv': { schema: file },
                'application/vnd.apache.parquet': { schema: file },
              },
            },
          },
          {
            201: json('The batch is stored', AcceptedBatch),
            409: problem('A batch with this Idempotency-Key is being read'),
            413: problem('The upload is too large'),
            415: problem('The body is of a type that is not understood'),
            422: problem('The Idempotency-Key was used for another batch'),
            ...noRoom,
          },
        ),
      },
      upload,
    )
  })
}
