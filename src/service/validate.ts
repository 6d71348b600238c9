import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { TSchema } from 'typebox'
import { AggregateRequest, CompareRequest } from '../../schemas/aggregate.ts'
import { AuditRequest } from '../../schemas/audit.ts'
import { FitRequest } from '../../schemas/fit.ts'
import { LearnRequest } from '../../schemas/learn.ts'
import { QuestionsRequest } from '../../schemas/questions.ts'
import { components } from '../../schemas/ref.ts'
import { VoteRequest } from '../../schemas/vote.ts'
import { idFault } from '../engine/comparisons/ids.ts'
import { invalidRequest, pointer, type RequestError } from '../engine/problem.ts'

/** What can be asked of the engine. */
export type Operation = 'aggregate' | 'compare' | 'fit' | 'questions' | 'audit' | 'vote' | 'learn'

/** Large tables are read, and checked, by the engine in one pass of its own; the schema would take several times as long. */
const READ_BY_ENGINE = new Set(['Comparisons', 'Rankings', 'Rewards'])

const schemas = {
  aggregate: AggregateRequest,
  compare: CompareRequest,
  fit: FitRequest,
  questions: QuestionsRequest,
  audit: AuditRequest,
  vote: VoteRequest,
  learn: LearnRequest,
}
const ajv = new Ajv({ discriminator: true, verbose: true, strict: false, validateFormats: false })
const added = new Set<string>()
const compiled = new Map<string, ValidateFunction>()

/**
 * Checks a request against its schema, all but its tables of comparisons, rankings and rewards: nothing is coerced, and
 * unknown members are refused.
 *
 * @throws Problem `invalid-request` that points at the member at fault
 */
export function validate(operation: Operation, body: unknown): void {
  const check = checkOf((schemas[operation] as { $id?: string }).$id as string)
  if (!check(body))
    throw invalidRequest(faultsOf(mostTelling(check.errors as ErrorObject[]), `/${operation}`))
}

const compiledQueries = new Map<TSchema, ValidateFunction>()
const queries = new Ajv({ coerceTypes: true, verbose: true, strict: false, validateFormats: false })

/**
 * Checks the query of a path; numbers in it become numbers.
 *
 * @throws Problem `invalid-request` whose pointers are the names of the parameters
 */
export function validateQuery(schema: TSchema, query: unknown): void {
  let check = compiledQueries.get(schema)
  if (check === undefined) {
    check = queries.compile(schema)
    compiledQueries.set(schema, check)
  }
  if (!check(query)) throw invalidRequest(faultsOf(mostTelling(check.errors as ErrorObject[]), 'this path'))
}

/**
 * Checks a body against a named schema.
 *
 * @throws Problem `invalid-request` that points at the member at fault
 */
export function validateBody(name: string, body: unknown): void {
  const check = checkOf(name)
  if (!check(body)) throw invalidRequest(faultsOf(mostTelling(check.errors as ErrorObject[]), 'this path'))
}

/** The check of a named schema. Schemas are added when one is needed, so that all that were imported are there. */
function checkOf(name: string): ValidateFunction {
  let check = compiled.get(name)
  if (check === undefined) {
    for (const [other, schema] of components) {
      if (!added.has(other)) ajv.addSchema(READ_BY_ENGINE.has(other) ? { $id: other } : schema, other)
      added.add(other)
    }
    check = ajv.compile({ $ref: name })
    compiled.set(name, check)
  }
  return check
}

/** The error that says most: of a value that may be one of several things, that of the thing whose type it has. */
function mostTelling(errors: ErrorObject[]): ErrorObject {
  const { instancePath } = errors[errors.length - 1]
  const others = errors
    .filter((error) => error.keyword === 'type' && error.instancePath === instancePath)
    .map(({ schemaPath }) => schemaPath.replace(/type$/, ''))
  return errors.find(({ schemaPath }) => !others.some((path) => schemaPath.startsWith(path))) ?? errors[0]
}

function faultsOf(error: ErrorObject, path: string): RequestError[] {
  const { keyword, params, instancePath, message, data } = error
  const schema = error.parentSchema as ParentSchema
  const at = (member: string) => `${instancePath}${pointer(member)}`
  const unknown = () => {
    const known = Object.keys(schema.properties ?? {})
    const list = known.length > 0 ? `; the members are ${known.join(', ')}` : ''
    const detail = `is not a member of ${instancePath || `a request to ${path}`}${list}`
    return Object.keys(data as object)
      .filter((member) => !known.includes(member))
      .map((member) => ({ pointer: at(member), detail }))
  }
  const here = (detail: string) => [{ pointer: instancePath, detail }]
  const wrongId = schema.$id === 'Id' ? idFault(data) : null
  if (wrongId !== null) return here(wrongId)
  switch (keyword) {
    case 'additionalProperties':
      return unknown()
    case 'required': {
      const missing = { pointer: at(params.missingProperty), detail: 'is required' }
      return [missing, ...(schema.additionalProperties === false ? unknown() : [])]
    }
    case 'type':
      return here(`must be ${kindWanted(schema)}, and is ${kindOf(data)}`)
    case 'enum':
      return here(`must be ${kindWanted(schema)}`)
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
      return here(`must be ${rangeOf(schema)}, and is ${data}`)
    case 'minItems':
    case 'maxItems':
      return here(`must have ${lengthOf(schema)}, and has ${(data as unknown[]).length}`)
    case 'anyOf':
      return here(`must be ${(schema.anyOf ?? []).map(kindWanted).join(', or ')}, and is ${kindOf(data)}`)
    case 'discriminator':
      return [{ pointer: at(params.tag), detail: `must be ${oneOf(tagsOf(schema))}` }]
    default:
      return here(message ?? 'is not valid')
  }
}

type ParentSchema = {
  $id?: string
  type?: string
  enum?: string[]
  properties?: object
  required?: string[]
  additionalProperties?: unknown
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  minItems?: number
  maxItems?: number
  anyOf?: ParentSchema[]
  oneOf?: { $ref: string }[]
  discriminator?: { propertyName: string }
}

/** What a schema wants, in words. */
function kindWanted(schema: ParentSchema): string {
  if (schema.enum !== undefined) return oneOf(schema.enum)
  if (schema.discriminator !== undefined) {
    return `an object whose ${schema.discriminator.propertyName} is ${oneOf(tagsOf(schema))}`
  }
  if (schema.type === 'object' && schema.required !== undefined && schema.properties !== undefined) {
    return `an object with the member ${schema.required.join(', ')}`
  }
  if (schema.type === 'integer') return 'a whole number'
  return withArticle(schema.type ?? 'something else')
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'number') return String(value)
  return withArticle(Array.isArray(value) ? 'array' : typeof value)
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? values[0] : `one of ${values.join(', ')}`
}

function withArticle(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`
}

function rangeOf({ minimum, exclusiveMinimum, maximum }: ParentSchema): string {
  const low = minimum ?? exclusiveMinimum
  if (maximum === undefined) return `${minimum === undefined ? 'above' : 'at least'} ${low}`
  return minimum === undefined ? `above ${low} and at most ${maximum}` : `from ${low} to ${maximum}`
}

function lengthOf({ minItems, maxItems }: ParentSchema): string {
  return maxItems === undefined ? `at least ${minItems} entries` : `from ${minItems} to ${maxItems} entries`
}

/** The values of the discriminating member of a union of named schemas. */
function tagsOf({ oneOf, discriminator }: ParentSchema): string[] {
  return (oneOf ?? []).map(({ $ref }) => {
    const variant = components.get($ref.replace(/#$/, '')) as unknown as {
      properties: Record<string, { const: string }>
    }
    return variant.properties[discriminator?.propertyName ?? ''].const
  })
}
