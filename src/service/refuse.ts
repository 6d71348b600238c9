import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { RETRY_AFTER } from './compute.ts'
import { lingerAfter } from './linger.ts'
import { problemDetails, problemOf, ServiceProblem, type ServiceProblemKind } from './problems.ts'

/** What Fastify's own errors, and a connection that breaks off in the middle of a body, are called here. */
const FASTIFY_ERRORS: Record<string, ServiceProblemKind> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed-message',
  FST_ERR_BAD_URL: 'not-found',
  FST_ERR_MAX_PARAM_LENGTH: 'not-found',
  ECONNRESET: 'cancelled',
  ERR_STREAM_PREMATURE_CLOSE: 'cancelled',
}

/** Answers a request with the problem that an error amounts to. */
export function refuse(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply) {
  const kind = FASTIFY_ERRORS[(error as FastifyError).code]
  const { kind: found, details } = problemOf(
    kind === undefined ? error : new ServiceProblem(kind, detailOf(kind, request)),
  )
  if (found === 'internal') request.log.error({ err: error }, 'the service failed')
  lingerAfter(request, reply)
  if (details.status === 503) reply.header('Retry-After', String(RETRY_AFTER))
  request.facts.problem = found
  // As bytes, because Fastify would add a charset, which the media type does not have, to a string.
  reply
    .code(details.status)
    .type('application/problem+json')
    .send(Buffer.from(JSON.stringify(details)))
}

function detailOf(kind: ServiceProblemKind, request: FastifyRequest): string {
  switch (kind) {
    case 'body-too-large':
      return `The body is larger than the ${request.server.initialConfig.bodyLimit} bytes that this service accepts.`
    case 'unsupported-media-type':
      return 'The body must be sent with the Content-Type application/json.'
    case 'not-found':
      return nothingAt(pathOf(request))
    case 'malformed-message':
      return 'The body is not as long as its Content-Length says.'
    default:
      return 'The client closed the connection.'
  }
}

/** The path that a request asks for, as the client wrote it. */
export function pathOf({ url }: FastifyRequest): string {
  return url.split('?', 1)[0]
}

/** What a client reads at a path that leads nowhere. */
export function nothingAt(path: string): string {
  return `There is nothing at ${path}. /docs lists the paths.`
}

/** What Node's HTTP parser says that it cannot take, besides what is not HTTP at all. */
const PARSER_ERRORS: Record<string, ServiceProblemKind> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'too-slow',
}

/** Answers what never became a request, on the bare socket. */
export function refuseMessage(app: FastifyInstance, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const kind = PARSER_ERRORS[error.code ?? ''] ?? 'malformed-message'
  const { status, title } = problemDetails(kind, '')
  const body = JSON.stringify(problemDetails(kind, `${title}.`))
  app.metrics.refusal(kind)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}
