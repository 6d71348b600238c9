import Type, { type Static, type TSchema, type TUnsafe } from 'typebox'

/** Every named schema, by its name: what `components.schemas` of the OpenAPI document holds. */
export const components = new Map<string, TSchema>()

/** Gives a schema the name under which the OpenAPI document lists it. */
export function named<T extends TSchema>(name: string, schema: T): T {
  Object.assign(schema, { $id: name })
  components.set(name, schema)
  return schema
}

/** A reference to a named schema that keeps its type: `Type.Ref` would lose it, and inlining would lose the name. */
export function ref<T extends TSchema>(schema: T): TUnsafe<Static<T>> {
  const { $id } = schema as { $id?: string }
  if ($id === undefined) throw new Error('only a named schema can be referred to')
  return Type.Unsafe<Static<T>>({ $ref: `${$id}#` })
}

/** One of a few strings, printed as an enum. */
export function oneOf<const T extends string>(
  values: readonly T[],
  options: Record<string, unknown> = {},
): TUnsafe<T> {
  return Type.Unsafe<T>({ type: 'string', enum: [...values], ...options })
}

/**
 * A map from ids to values. (`Type.Record` constrains the keys that its pattern matches, and leaves the values of the
 * others, those with a line separator for one, unchecked.)
 */
export function mapOf<T extends TSchema>(
  values: T,
  options: Record<string, unknown> = {},
): TUnsafe<Record<string, Static<T>>> {
  return Type.Unsafe<Record<string, Static<T>>>({ type: 'object', additionalProperties: values, ...options })
}

/** One of several named objects, told apart by the literal value of their member `tag`. */
export function tagged<T extends TSchema[]>(
  tag: string,
  variants: [...T],
  options: Record<string, unknown> = {},
): TUnsafe<Static<T[number]>> {
  return Type.Unsafe<Static<T[number]>>({
    type: 'object',
    discriminator: { propertyName: tag },
    required: [tag],
    oneOf: variants.map(ref),
    ...options,
  })
}
