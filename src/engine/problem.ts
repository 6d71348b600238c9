/** One thing wrong with a request: where (a JSON pointer, RFC 6901) and what would be right. */
export type RequestError = { pointer: string; detail: string }

/** The kinds of refusal that the engine knows; the service gives each its status, title and page. */
export type ProblemKind =
  | 'invalid-request'
  | 'no-finite-estimate'
  | 'collinear-features'
  | 'no-acceptable-policy'
  | 'welfare-satiated'
  | 'constraints-conflict'
  | 'not-converged'

/**
 * A refusal: the answer to a request that has no result, with what proves it.
 *
 * `errors` locate what is wrong in the request; `evidence` holds the mathematical certificate
 * (components of a comparison graph, multipliers), and becomes members of the response.
 */
export class Problem extends Error {
  readonly kind: ProblemKind
  readonly errors: readonly RequestError[]
  readonly evidence: Readonly<Record<string, unknown>>

  constructor(
    kind: ProblemKind,
    detail: string,
    { errors = [], evidence = {} }: { errors?: RequestError[]; evidence?: Record<string, unknown> } = {},
  ) {
    super(detail)
    this.name = 'Problem'
    this.kind = kind
    this.errors = errors
    this.evidence = evidence
  }
}

/** As many faults as a person wants to read at once. */
export const MAX_ERRORS = 20

/** The refusal of a request whose text alone decides that it has no answer. */
export function invalidRequest(errors: RequestError[]): Problem {
  const { pointer, detail } = errors[0]
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  return new Problem('invalid-request', `${pointer || 'The body'}: ${detail}${more}`, {
    errors: errors.slice(0, MAX_ERRORS),
  })
}

/** Joins the steps of a path into a JSON pointer (RFC 6901: `~` is written `~0`, `/` is written `~1`). */
export function pointer(...steps: (string | number)[]): string {
  return steps.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
