import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import manifest from '../../package.json' with { type: 'json' }
import { examples } from '../../schemas/examples.ts'

/** How the OpenAPI document is made from the routes' schemas. */
export const openapiOptions: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Commonweal',
      version: manifest.version,
      description:
        'From comparisons by groups that disagree to group weights and an aggregated reward that are optimal under a welfare ' +
        'function that you chose, with a certificate.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'This service' }],
    tags: [
      { name: 'engine', description: 'From comparisons to weights.' },
      { name: 'reference', description: 'What the answers mean.' },
      { name: 'operation', description: 'For whoever runs the service.' },
    ],
  },
  refResolver: { buildLocalReference: (json) => String(json.$id) },
  transformObject(document) {
    if (!('openapiObject' in document)) return document.swaggerObject
    const { openapiObject } = document
    for (const path of Object.values(openapiObject.paths ?? {})) {
      for (const operation of Object.values(path ?? {})) addExamples(operation as OperationObject)
    }
    return openapiObject
  },
}

type Media = { schema?: unknown; example?: unknown }
type OperationObject = {
  operationId?: string
  requestBody?: { required?: boolean; content: Record<string, Media> }
  responses?: Record<string, { content?: Record<string, Media> }>
}

function addExamples({ operationId, requestBody, responses }: OperationObject): void {
  const example = examples[operationId ?? '']
  if (example === undefined) return
  if (requestBody !== undefined && example.request !== undefined) {
    requestBody.required = true
    requestBody.content['application/json'].example = example.request
  }
  const content = responses?.['200']?.content ?? {}
  for (const media of Object.values(content)) media.example = example.response
}
