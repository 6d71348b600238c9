import recorded from './examples.json' with { type: 'json' }

/** An example of an operation: what is sent, and what the service answered when the example was recorded. */
export type Example = {
  /** The operationId, of an example that has another name than its operation. */
  operation?: string
  /** What it shows, of one among several. */
  summary?: string
  method: string
  path: string
  request?: unknown
  response?: unknown
}

/** By name, that of the first of an operation being its operationId, in an order in which they can be run one after the other. Requests are written by hand, responses recorded by `npm run openapi`; a test replays them all. */
export const examples: Record<string, Example> = recorded

/** An answer with the times and random ids in it replaced by fixed ones, so that two runs give the same. */
export function steady<T>(answer: T): T {
  const text = JSON.stringify(answer)
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '2026-01-01T12:00:00.000Z')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '00000000-0000-4000-8000-000000000000')
  return JSON.parse(text)
}

/** The id of the batch that an answer tells of, for the place of `{batch}` in later paths. */
export function batchOf(location: unknown): string | null {
  return /\/batches\/([^/]+)$/.exec(String(location))?.[1] ?? null
}
