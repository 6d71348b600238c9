import Type from 'typebox'
import { named, oneOf } from './ref.ts'

export const Health = named('Health', Type.Object({ status: oneOf(['ok']) }, { additionalProperties: false }))
