import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { AggregateRequest, CompareRequest } from '../../schemas/aggregate.ts'
import { FitRequest } from '../../schemas/fit.ts'
import { components } from '../../schemas/ref.ts'
import { invalidRequest } from '../engine/problem.ts'

/** What can be asked of the engine. */
export type Operation = 'aggregate' | 'compare' | 'fit'

/** Large tables are read, and checked, by the engine in one pass of its own; the schema would take several times as long. */
const READ_BY_ENGINE = new Set(['Comparisons', 'Rewards'])

const schemas = { aggregate: AggregateRequest, compare: CompareRequest, fit: FitRequest }
const ajv = new Ajv({ discriminator: true, verbose: true, strict: false, validateFormats: false })
for (const [name, schema] of components)
  ajv.addSchema(READ_BY_ENGINE.has(name) ? { $id: name } : schema, name)

const compiled = new Map<Operation, ValidateFunction>()

/**
 * Checks a request against its schema, all but its tables of comparisons and rewards: nothing is coerced, and unknown
 * members are refused.
 *
 * @throws Problem `invalid-request` that points at the member at fault
 */
export function validate(operation: Operation, body: unknown): void {
  let check = compiled.get(operation)
  if (check === undefined) {
    check = ajv.compile({ $ref: (schemas[operation] as { $id?: string }).$id })
    compiled.set(operation, check)
  }
  if (!check(body)) throw invalidRequest([faultOf((check.errors as ErrorObject[])[0], operation)])
}

function faultOf(
  { keyword, params, instancePath, message, parentSchema }: ErrorObject,
  operation: Operation,
) {
  const at = (member: string) => `${instancePath}/${member.replaceAll('~', '~0').replaceAll('/', '~1')}`
  switch (keyword) {
    case 'additionalProperties': {
      const known = Object.keys((parentSchema as { properties?: object } | undefined)?.properties ?? {})
      const list = known.length > 0 ? `; the members are ${known.join(', ')}` : ''
      return {
        pointer: at(params.additionalProperty),
        detail: `is not a member of ${instancePath || `a request to /${operation}`}${list}`,
      }
    }
    case 'required':
      return { pointer: at(params.missingProperty), detail: 'is required' }
    case 'enum':
      return { pointer: instancePath, detail: `must be one of ${params.allowedValues.join(', ')}` }
    case 'discriminator':
      return {
        pointer: at(params.tag),
        detail: `must be one of ${tagsOf(params.tag, parentSchema as never)}`,
      }
    default:
      return { pointer: instancePath, detail: message ?? 'is not valid' }
  }
}

/** The values of the discriminating member of a union of named schemas. */
function tagsOf(tag: string, { oneOf }: { oneOf: { $ref: string }[] }): string {
  const values = oneOf.map(({ $ref }) => {
    const variant = components.get($ref.replace(/#$/, '')) as unknown as {
      properties: Record<string, { const: string }>
    }
    return variant.properties[tag].const
  })
  return values.join(', ')
}
