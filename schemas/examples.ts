import recorded from './examples.json' with { type: 'json' }

/** An example of an operation: what is sent, and what the service answered when the example was recorded. */
export type Example = { method: string; path: string; request?: unknown; response: unknown }

/** By operationId. Requests are written by hand, responses recorded by `npm run openapi`; a test replays them all. */
export const examples: Record<string, Example> = recorded
