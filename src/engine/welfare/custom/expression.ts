/** Where a sub-expression stands in its text: characters from … to − 1, counted from 0. */
export type Span = { from: number; to: number }

/** A welfare expression as a syntax tree of our own: numbers, the vectors x and n, their entries, and calls. */
export type Expression =
  | { kind: 'number'; value: number; span: Span }
  /** x, the utilities of all groups, or n, their population weights. */
  | { kind: 'vector'; name: VectorName; span: Span }
  /** x["east"] or n["east"]. */
  | { kind: 'entry'; name: VectorName; group: string; span: Span }
  | { kind: 'call'; name: CallName; of: Expression[]; span: Span }

export type VectorName = 'x' | 'n'

/** How many arguments each function takes. */
export const FUNCTIONS = {
  mean: [1, 1],
  sum: [1, 1],
  prod: [1, 1],
  min: [1, 50],
  max: [1, 50],
  geomean: [1, 1],
  powermean: [2, 2],
  log: [1, 1],
  exp: [1, 1],
  sqrt: [1, 1],
  abs: [1, 1],
} as const satisfies Record<string, readonly [least: number, most: number]>

export type FunctionName = keyof typeof FUNCTIONS

/** The operators; `negate` is the minus in front of one operand. */
export type OperatorName = '+' | '-' | 'negate' | '*' | '.*' | '/' | './' | '^'

export type CallName = FunctionName | OperatorName

/** A fault of an expression: the place, and what is wrong there and what would be right. */
export class ExpressionFault extends Error {
  readonly span: Span

  constructor(span: Span, detail: string) {
    super(detail)
    this.span = span
  }
}

/** The most of an expression that a message quotes. */
const QUOTED = 80

/** The text of a place, shortened where it is long. */
export function quoted(source: string, { from, to }: Span): string {
  const text = source.slice(from, to)
  return text.length <= QUOTED ? text : `${text.slice(0, QUOTED - 1)}…`
}

/** Where and what, for a person who counts characters from 1. */
export function located(source: string, { span, message }: ExpressionFault): string {
  const { from, to } = span
  const where = to - from <= 1 ? `character ${from + 1}` : `characters ${from + 1} to ${to}`
  const text = quoted(source, span)
  return `${where}${text === '' ? '' : ` (${text})`}: ${message}`
}
