import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { finished, type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGunzip, gunzip, type ZlibOptions } from 'node:zlib'
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
    if (gzip) await pipeline(passOn(source, counter(limit, null)), createGunzip(), unpacked, file)
    else await pipeline(passOn(source, unpacked), file)
  } catch (error) {
    await remove()
    throw problemOfStream(error as NodeJS.ErrnoException)
  }
  return { path, bytes, digest: hash.digest('hex'), remove }
}

/** Reads a stream that must fit in memory, under the same limits. */
export async function collect(source: Readable, limit: number, gzip: boolean): Promise<Buffer> {
  const bytes = await whole(source, limit)
  if (!gzip) return bytes
  try {
    return await unpack(bytes, { maxOutputLength: limit })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit, 'unpacked')
    throw problemOfStream(error as NodeJS.ErrnoException)
  }
}

const unpack = promisify<Buffer, ZlibOptions, Buffer>(gunzip)

/** All of a stream. By its events: a chain of streams takes longer to put up than a small batch takes to store. */
function whole(source: Readable, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const take = (chunk: Buffer) => {
      bytes += chunk.byteLength
      if (bytes <= limit) {
        chunks.push(chunk)
        return
      }
      source.off('data', take)
      reject(tooLarge(limit, null))
    }
    source.on('data', take)
    finished(source, (error) => {
      if (error) reject(error)
      else resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
    })
  })
}

/**
 * Passes a body on. Where what takes it fails, the body is let go of and not destroyed: its connection has yet to carry the
 * answer.
 */
function passOn(source: Readable, into: Transform): Transform {
  finished(source, (error) => {
    if (error) into.destroy(error)
  })
  return source.pipe(into)
}

function counter(limit: number, what: 'unpacked' | null, see: (chunk: Buffer) => void = () => {}): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.byteLength
      if (bytes > limit) {
        done(tooLarge(limit, what))
        return
      }
      see(chunk)
      done(null, chunk)
    },
  })
}

function tooLarge(limit: number, what: 'unpacked' | null): StoreProblem {
  const which = what === null ? 'upload is' : `upload, ${what}, is`
  return new StoreProblem(
    'upload-too-large',
    `The ${which} larger than the ${limit} bytes that are accepted.`,
  )
}

function problemOfStream(error: NodeJS.ErrnoException): Error {
  if (error.code?.startsWith('Z_'))
    return new StoreProblem(
      'unreadable-file',
      `The upload is not gzip that can be unpacked: ${error.message}.`,
    )
  if (['ENOSPC', 'EDQUOT', 'EFBIG'].includes(error.code ?? '')) return diskFull(SERVICE_DISK)
  return error
}
