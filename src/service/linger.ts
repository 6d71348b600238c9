import type { FastifyReply, FastifyRequest } from 'fastify'
import { hasBody } from './standing-still.ts'

/** So many bytes more are taken from a client that writes on after it was refused: more than sockets hold, and no flood. */
export const LINGER_BYTES = 64 * 1024 ** 2
/** A body up to this size is read in any case. */
const LITTLE = 64 * 1024

/**
 * Lets a client that is refused in the middle of its body read why. A connection that is closed while there are bytes in it
 * that nobody has read is reset, and the answer may be lost with them. So the rest is read and thrown away, until the client
 * stops, or has sent {@link LINGER_BYTES}, or has taken the time that it may stand still; then the connection is closed.
 */
export function lingerAfter({ raw, server }: FastifyRequest, reply: FastifyReply): void {
  if (!hasBody(raw) || raw.complete !== false) return
  // Node reads it as after any other answer, and the connection stays open.
  if (Number(raw.headers['content-length'] ?? Number.POSITIVE_INFINITY) <= LITTLE) return
  const { socket } = raw
  reply.header('Connection', 'close')
  let left = LINGER_BYTES
  raw.on('data', (chunk: Buffer) => {
    left -= chunk.byteLength
    if (left < 0) socket.destroy()
  })
  raw.resume()
  const timer = setTimeout(() => socket.destroy(), 1000 * server.settings.clientTimeout)
  socket.once('close', () => clearTimeout(timer))
  const close = socket.destroySoon
  // What Node calls when the answer to a client that is told to close is on its way.
  socket.destroySoon = () => {
    if (raw.complete) {
      close.call(socket)
      return
    }
    socket.end()
    raw.once('end', () => socket.destroy())
  }
}
