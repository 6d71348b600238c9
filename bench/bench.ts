import { writeFileSync } from 'node:fs'
import { models } from './models.ts'
import { peerVersions, runPeers } from './peers.ts'
import { report, type Section } from './report.ts'
import { chainFit, clusterFit, largeFit } from './rewards.ts'
import { latency, memory, throughput } from './service.ts'
import { polling } from './weights.ts'
import { welfareOptima } from './welfare.ts'

/** Runs every benchmark, with the peers beside ours when asked by `--peers`; prints the report and keeps it. */

const withPeers = process.argv.includes('--peers')
const peers = withPeers ? runPeers : null
const sections: Section[] = []
for (const benchmark of [
  largeFit,
  chainFit,
  clusterFit,
  models,
  welfareOptima,
  latency,
  throughput,
  memory,
  polling,
]) {
  process.stderr.write(`${benchmark.name} …\n`)
  sections.push(...[await benchmark(peers)].flat())
}
const command = `npm run ${withPeers ? 'bench:peers' : 'bench'}`
const text = report('Benchmarks', command, sections, withPeers ? await peerVersions() : null)
writeFileSync(new URL('RESULTS.md', import.meta.url), text)
process.stdout.write(text)
