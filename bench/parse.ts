import { buffer } from 'node:stream/consumers'
import { measure } from './measure.ts'

/** Times JSON.parse alone, in a process that does nothing else: the text on standard input, the timing on standard output. */
const text = (await buffer(process.stdin)).toString()
process.stdout.write(JSON.stringify(await measure(() => JSON.parse(text))))
