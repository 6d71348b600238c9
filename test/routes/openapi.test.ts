import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { batchOf, examples, steady } from '../../schemas/examples.ts'
import { build } from '../helpers/app.ts'

type Media = { example?: unknown; examples?: Record<string, { summary?: string; value?: unknown }> }
/** An example, or several that each say what they show. */
const isShown = ({ example, examples = {} }: Media) =>
  example !== undefined ||
  (Object.keys(examples).length > 1 &&
    Object.values(examples).every(({ summary, value }) => summary && value))

type Operation = {
  operationId?: string
  summary?: string
  description?: string
  requestBody?: { content: Record<string, Media> }
  responses: Record<string, { content?: Record<string, Media> }>
}
type Document = { paths: Record<string, Record<string, Operation>> }

const published = readFileSync('openapi.yaml', 'utf8')
const operations = Object.entries((parse(published) as Document).paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
)

t.test('openapi.yaml is what the schemas say (npm run openapi writes it)', async (t) => {
  const app = await build(t)
  t.equal(published, app.swagger({ yaml: true }))
})

t.test('every operation has an id, a summary, and an example of what is sent and answered', async (t) => {
  t.ok(operations.length >= 8)
  for (const { path, method, operation } of operations) {
    t.ok(operation.operationId, `${method} ${path} has an operationId`)
    t.ok(operation.summary, `${method} ${path} has a summary`)
    if (operation.requestBody !== undefined) {
      t.ok(
        isShown(operation.requestBody.content['application/json']),
        `${method} ${path} has an example request`,
      )
    }
    const answer = ['200', '201', '204'].find((status) => status in operation.responses)
    t.ok(answer, `${method} ${path} has an answer`)
    const [media] = Object.values(operation.responses[answer ?? ''].content ?? {})
    if (answer !== '204') t.ok(isShown(media), `${method} ${path} has an example response`)
  }
})

t.test('the service answers the examples as they say', async (t) => {
  const app = await build(t)
  let batch = ''
  for (const [id, { method, path, request, response }] of Object.entries(examples)) {
    const answer = await app.inject({
      method: method as 'GET' | 'POST' | 'PUT' | 'DELETE',
      url: path.replace('{batch}', batch),
      ...(request === undefined ? {} : { payload: request as object }),
    })
    t.ok(answer.statusCode < 300, `${id}: ${answer.statusCode}`)
    batch = batchOf(answer.headers.location) ?? batch
    if (response === undefined) continue
    if (typeof response === 'string') {
      for (const line of response.trim().split('\n'))
        t.ok(answer.body.includes(line), `${id} has the line ${line}`)
    } else t.equal(firstDifference(response, steady(answer.json())), null, `${id} answers its example`)
  }
})

/**
 * Where two answers differ, numbers by more than the rounding of another machine's exp and log; null if nowhere. How
 * many steps a solver takes may depend on that rounding.
 */
function firstDifference(a: unknown, b: unknown, path = ''): string | null {
  if (typeof a === 'number' && typeof b === 'number') {
    if (path.endsWith('/iterations')) return null
    // Certificates measure rounding, so they are held only to staying as small.
    const tolerance = 1e-9 * Math.max(1, Math.abs(a))
    return Math.abs(a - b) <= tolerance ? null : `${path}: ${a} and ${b}`
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return a === b ? null : `${path}: ${a} and ${b}`
  }
  const keys = Object.keys(a)
  if (keys.join() !== Object.keys(b).join()) return `${path}: ${keys} and ${Object.keys(b)}`
  for (const key of keys) {
    const difference = firstDifference((a as never)[key], (b as never)[key], `${path}/${key}`)
    if (difference !== null) return difference
  }
  return null
}
