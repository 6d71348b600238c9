import { type IncomingHttpHeaders, request } from 'node:http'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

/** What a server answered. */
export type Reply = { headers: IncomingHttpHeaders; body: Buffer }

/**
 * Sends one request, whose body may be a stream, and reads the answer.
 *
 * @throws Error where the answer is a refusal
 */
export async function send(
  method: string,
  url: string,
  body?: Readable | object,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const sent = request(url, { method, headers: { 'Content-Type': 'application/json', ...headers } })
  const answered = new Promise<Reply>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', (response) => {
      buffer(response).then((answer) => {
        const { statusCode = 0 } = response
        if (statusCode < 300) resolve({ headers: response.headers, body: answer })
        else reject(new Error(`${method} ${url} answered ${statusCode}: ${answer.toString('utf8', 0, 500)}`))
      }, reject)
    })
  })
  if (body !== undefined && 'pipe' in body) await Promise.all([pipeline(body, sent), answered])
  else sent.end(body === undefined ? undefined : JSON.stringify(body))
  return answered
}
