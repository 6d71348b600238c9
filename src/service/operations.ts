import type { AggregateRequest, CompareRequest } from '../../schemas/aggregate.ts'
import type { AuditRequest } from '../../schemas/audit.ts'
import type { FitRequest } from '../../schemas/fit.ts'
import type { LearnRequest } from '../../schemas/learn.ts'
import type { QuestionsRequest } from '../../schemas/questions.ts'
import type { VoteRequest } from '../../schemas/vote.ts'
import { aggregate, compare, type Observer, type Reporter, type Stage } from '../engine/aggregate.ts'
import { audit } from '../engine/audit/audit.ts'
import { fit } from '../engine/fit.ts'
import { type Fitted, type Memory, NO_MEMORY } from '../engine/fitted.ts'
import { learn } from '../engine/learning/learn.ts'
import { questions } from '../engine/questions.ts'
import { vote } from '../engine/vote.ts'
import { wantedBy } from './dataset-source.ts'
import type { Known, Wanted } from './fits.ts'
import { parseJson } from './json.ts'
import { problemOf, type ServiceProblemKind } from './problems.ts'
import { type Operation, validate } from './validate.ts'

/** A finished answer, ready to be sent, with what logs and metrics want to know of it. */
export type Answer = {
  status: number
  /** The body, as JSON in UTF-8. */
  body: Uint8Array<ArrayBuffer>
  /** What was refused; null for a result. */
  kind: ServiceProblemKind | null
  sizes: { groups: number; items: number } | null
  /** Seconds spent on each stage that was reached. */
  seconds: Partial<Record<Stage, number>>
  /** The message and stack of a fault of our own, for the log. */
  fault: string | null
  /** What was fitted to a dataset's comparisons, to be kept. */
  fitted?: Fitted
}

/** What a request must be given before it can be answered. A thread gives the body back. */
export type Wants = { wants: Wanted; body?: Uint8Array<ArrayBuffer> }

/**
 * Reads a body, asks the engine, writes the answer. Never throws: a fault becomes a 500.
 *
 * @param known of the dataset that the request names; where it names one and this is null, the answer is what is wanted
 */
export async function answer(
  operation: Operation,
  body: Uint8Array,
  known: Known | null = null,
  report: Reporter = () => {},
): Promise<Answer | Wants> {
  let parsed: unknown
  try {
    parsed = parseJson(body)
  } catch (error) {
    return refusal(error, null, {})
  }
  return answerParsed(operation, parsed, known, report)
}

/** The same for a body that has been parsed. */
export async function answerParsed(
  operation: Operation,
  body: unknown,
  known: Known | null = null,
  report: Reporter = () => {},
): Promise<Answer | Wants> {
  let sizes: Answer['sizes'] = null
  const seconds: Answer['seconds'] = {}
  let since = performance.now()
  const observe: Observer = (stage, found) => {
    const now = performance.now()
    seconds[stage] = (now - since) / 1000
    since = now
    sizes = found
  }
  try {
    validate(operation, body)
    const wants = known === null ? wantedBy(operation, body) : null
    if (wants !== null) return { wants }
    if (known === null) {
      const result = await run(operation, body, observe, report, NO_MEMORY)
      return { status: 200, body: encode(result), kind: null, sizes, seconds, fault: null }
    }
    let fitted: Fitted | undefined
    const keep = (found: Fitted) => {
      fitted = found
    }
    const request = { ...(body as object), dataset: known.stored }
    const result = await run(operation, request, observe, report, { ...known, keep })
    const told = encode({ ...result, data: known.source })
    return { status: 200, body: told, kind: null, sizes, seconds, fault: null, fitted }
  } catch (error) {
    return refusal(error, sizes, seconds)
  }
}

function run(operation: Operation, body: unknown, observe: Observer, report: Reporter, memory: Memory) {
  switch (operation) {
    case 'aggregate':
      return aggregate(body as AggregateRequest, observe, report, memory)
    case 'compare':
      return compare(body as CompareRequest, observe, report, memory)
    case 'fit':
      return fit(body as FitRequest, observe, report)
    case 'questions':
      return questions(body as QuestionsRequest, observe, report)
    case 'audit':
      return audit(body as AuditRequest, observe, report)
    case 'vote':
      return vote(body as VoteRequest, observe, report)
    case 'learn':
      return learn(body as LearnRequest, observe, report)
  }
}

/** The answer that an error amounts to. */
export function refusal(error: unknown, sizes: Answer['sizes'], seconds: Answer['seconds']): Answer {
  const { kind, details } = problemOf(error)
  const fault =
    kind === 'internal' ? (error instanceof Error ? (error.stack ?? error.message) : String(error)) : null
  return { status: details.status, body: encode(details), kind, sizes, seconds, fault }
}

const encoder = new TextEncoder()

function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(value))
}
