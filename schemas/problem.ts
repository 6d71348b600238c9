import Type, { type Static } from 'typebox'
import { named } from './ref.ts'

/** An error, as RFC 9457 has it. */
export const ProblemDetails = named(
  'Problem',
  Type.Object(
    {
      type: Type.String({ description: 'Which kind of problem; the path of a page that explains it.' }),
      title: Type.String(),
      status: Type.Integer(),
      detail: Type.String({ description: 'What is wrong this time, and what would be right.' }),
      errors: Type.Optional(
        Type.Array(
          Type.Object({
            pointer: Type.String({ description: 'Where: a JSON pointer into the request (RFC 6901).' }),
            detail: Type.String(),
          }),
        ),
      ),
    },
    { description: 'RFC 9457; a refusal by the mathematics has its proof as further members.' },
  ),
)

/** The page on one kind of problem. */
export const ProblemPage = named(
  'ProblemPage',
  Type.Object(
    {
      type: Type.String(),
      title: Type.String(),
      status: Type.Integer(),
      meaning: Type.String(),
      remedy: Type.String(),
    },
    { additionalProperties: false },
  ),
)

export type ProblemDetails = Static<typeof ProblemDetails>
export type ProblemPage = Static<typeof ProblemPage>
