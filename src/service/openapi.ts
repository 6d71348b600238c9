import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import type { TSchema } from 'typebox'
import manifest from '../../package.json' with { type: 'json' }
import { examples } from '../../schemas/examples.ts'
import { components } from '../../schemas/ref.ts'

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
    security: [],
    servers: [{ url: '/', description: 'This service' }],
    tags: [
      { name: 'engine', description: 'From comparisons to weights.' },
      { name: 'datasets', description: 'Comparisons that the service keeps.' },
      { name: 'jobs', description: 'Work that outlives the request that asked for it.' },
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
    for (const [name, schema] of components) addMapping(openapiObject.components?.schemas?.[name], schema)
    return openapiObject
  },
}

type Discriminated =
  | { discriminator?: { propertyName: string; mapping?: Record<string, string> } }
  | undefined

/** Tells client generators which value of the discriminating member selects which schema. */
function addMapping(published: unknown, schema: TSchema): void {
  const { discriminator } = (published as Discriminated) ?? {}
  if (discriminator === undefined) return
  const { oneOf } = schema as unknown as { oneOf: { $ref: string }[] }
  const names = oneOf.map(({ $ref }) => $ref.replace(/#$/, ''))
  discriminator.mapping = Object.fromEntries(
    names.map((name) => {
      const { properties } = components.get(name) as unknown as {
        properties: Record<string, { const: string }>
      }
      return [properties[discriminator.propertyName].const, `#/components/schemas/${name}`]
    }),
  )
}

type Media = { schema?: unknown; example?: unknown; examples?: unknown }
type OperationObject = {
  operationId?: string
  requestBody?: { required?: boolean; content: Record<string, Media> }
  responses?: Record<string, { content?: Record<string, Media> }>
}

function addExamples({ operationId, requestBody, responses }: OperationObject): void {
  const own = Object.entries(examples).filter(([name, { operation }]) => (operation ?? name) === operationId)
  if (own.length === 0) return
  const add = (media: Media, part: 'request' | 'response') => {
    if (own.length === 1) media.example = own[0][1][part]
    else {
      media.examples = Object.fromEntries(
        own.map(([name, example]) => [name, { summary: example.summary, value: example[part] }]),
      )
    }
  }
  if (requestBody !== undefined && own[0][1].request !== undefined) {
    requestBody.required = true
    add(requestBody.content['application/json'], 'request')
  }
  const answered = responses?.['200'] ?? responses?.['201']
  for (const media of Object.values(answered?.content ?? {})) add(media, 'response')
}
