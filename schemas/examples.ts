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
  response: unknown
}

/** By name, that of the first of an operation being its operationId. Requests are written by hand, responses recorded by `npm run openapi`; a test replays them all. */
export const examples: Record<string, Example> = recorded
