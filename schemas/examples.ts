/** The example request and response of an operation. */
export type Example = { request?: unknown; response: unknown }

/** By operationId. */
export const examples: Record<string, Example> = {}
