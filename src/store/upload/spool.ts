import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { diskFull, SERVICE_DISK, StoreProblem } from '../problem.ts'

/** An upload on disk. */
export type Spooled = {
  path: string
  bytes: number
  /** SHA-256 of the bytes, unpacked. */
  digest: string
  remove(): Promise<void>
}

/**
 * Writes a stream to a file, so that it is never in memory whole. Bytes are counted as they come and again as they are
 * unpacked, so that neither a chunked upload nor a bomb gets past the limit.
 *
 * @param limit the most bytes, packed or unpacked
 * @throws StoreProblem
 */
export async function spool(
  source: Readable,
  directory: string,
  limit: number,
  gzip: boolean,
): Promise<Spooled> {
  const path = join(directory, `upload-${randomUUID()}`)
  const remove = () => rm(path, { force: true })
  const hash = createHash('sha256')
  let bytes = 0
  const unpacked = counter(limit, gzip ? 'unpacked' : null, (chunk) => {
    bytes += chunk.byteLength
    hash.update(chunk)
  })
  try {
    const file = createWriteStream(path, { flags: 'wx', mode: 0o600 })
    if (gzip) await pipeline(source, counter(limit, null), createGunzip(), unpacked, file)
    else await pipeline(source, unpacked, file)
  } catch (error) {
    await remove()
    throw problemOfStream(error as NodeJS.ErrnoException)
  }
  return { path, bytes, digest: hash.digest('hex'), remove }
}

/** Reads a stream that must fit in memory, under the same limits. */
export async function collect(source: Readable, limit: number, gzip: boolean): Promise<Buffer> {
  const chunks: Buffer[] = []
  const unpacked = counter(limit, gzip ? 'unpacked' : null, (chunk) => {
    chunks.push(chunk)
  })
  const drain = async (stream: AsyncIterable<Buffer>) => {
    for await (const _ of stream);
  }
  try {
    if (gzip) await pipeline(source, counter(limit, null), createGunzip(), unpacked, drain)
    else await pipeline(source, unpacked, drain)
  } catch (error) {
    throw problemOfStream(error as NodeJS.ErrnoException)
  }
  return Buffer.concat(chunks)
}

function counter(limit: number, what: string | null, see: (chunk: Buffer) => void = () => {}): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.byteLength
      if (bytes > limit) {
        const which = what === null ? 'upload is' : `upload, ${what}, is`
        done(
          new StoreProblem(
            'upload-too-large',
            `The ${which} larger than the ${limit} bytes that are accepted.`,
          ),
        )
        return
      }
      see(chunk)
      done(null, chunk)
    },
  })
}

function problemOfStream(error: NodeJS.ErrnoException): Error {
  if (error.code?.startsWith('Z_') || error.code === 'ERR_BUFFER_TOO_LARGE')
    return new StoreProblem(
      'unreadable-file',
      `The upload is not gzip that can be unpacked: ${error.message}.`,
    )
  if (['ENOSPC', 'EDQUOT', 'EFBIG'].includes(error.code ?? '')) return diskFull(SERVICE_DISK)
  return error
}
