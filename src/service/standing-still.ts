import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ServiceProblem } from './problems.ts'

/** A client that sends less than this in the time that it may stand still counts as standing still. */
const LEAST_BYTES = 16 * 1024
/** An answer up to this size is taken by the buffers of a socket, whether or not the client reads. */
const SHORT = 64 * 1024

/** Whether a request says that it has a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * Refuses a client that stands still in the middle of its body. How long the whole takes is no matter: a large file over a slow
 * line is welcome.
 */
export function watchBody({ raw, server }: FastifyRequest, reply: FastifyReply): void {
  if (!hasBody(raw) || raw.complete !== false) return
  const { socket } = raw
  const seconds = server.settings.clientTimeout
  let read = socket.bytesRead
  const timer = setInterval(() => {
    if (raw.complete) {
      clearInterval(timer)
      return
    }
    const before = read
    read = socket.bytesRead
    // What has come and was not taken yet is no fault of the client's.
    if (read - before >= LEAST_BYTES || raw.readableLength > 0) return
    clearInterval(timer)
    const detail = `Less than ${LEAST_BYTES} bytes of the body came in ${seconds} seconds.`
    // Whoever reads the body refuses it for that; where nobody does, there is nobody to answer.
    if (raw.listenerCount('error') > 0) raw.emit('error', new ServiceProblem('too-slow', detail))
    else socket.destroy()
  }, 1000 * seconds)
  reply.raw.once('close', () => clearInterval(timer))
}

/** Closes the connection of a client that does not read its answer, however long the answer is. */
export function watchAnswer({ raw, server }: FastifyRequest, reply: FastifyReply, payload: unknown): void {
  if (!isLong(payload)) return
  const { socket } = raw
  // Node counts what the system takes of a write that is under way, so that a slow reader is none that stands still.
  socket.setTimeout?.(1000 * server.settings.clientTimeout)
  // Before Node's own listener, which says how long the connection may wait for another request.
  reply.raw.prependOnceListener('finish', () => socket.setTimeout?.(0))
}

function isLong(payload: unknown): boolean {
  if (typeof payload !== 'object' || payload === null) return String(payload ?? '').length > SHORT
  return Buffer.isBuffer(payload) ? payload.byteLength > SHORT : true
}
