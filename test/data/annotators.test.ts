import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import type { FitRequest } from '../../schemas/fit.ts'
import { fit } from '../../src/engine/fit.ts'

const FOLDER = new URL('../../../shared/data/', import.meta.url)
if (!existsSync(FOLDER)) {
  throw new Error('These tests fit data sets in ../shared/data, and there is no such folder.')
}

type Source = { group: string; annotator: string; winner: string; loser: string; tie: boolean }

function read(name: string): Source[] {
  const lines = gunzipSync(readFileSync(new URL(`${name}.jsonl.gz`, FOLDER)))
    .toString()
    .trimEnd()
    .split('\n')
  return lines.map((line) => {
    const { group, annotator, winner, loser, tie } = JSON.parse(line) as Source
    return { group, annotator, winner, loser, tie }
  })
}

/** The log-likelihood of all comparisons as those of one group, by R's BradleyTerry2. */
function pooledReference(name: string): number {
  const oracle = JSON.parse(readFileSync(new URL(`${name}.oracle.json`, FOLDER), 'utf8'))
  return oracle.reference_fits.fits.find(({ group }: { group: string }) => group === '__pooled__')
    .bt_half_ties.loglik
}

const GAUSSIAN = { kind: 'gaussian', standardDeviation: 2 } as const

for (const [name, { groups, annotators, better }] of Object.entries({
  sound_quality: { groups: 4, annotators: 157, better: true },
  kenya_practices: { groups: 2, annotators: 26, better: true },
  mtbench_votes: { groups: 3, annotators: 66, better: false },
})) {
  const verdict = better ? 'are better explained by slips' : 'are as well explained where all count the same'
  t.test(`the annotators of ${name} have reliabilities, and ${verdict}`, async (t) => {
    const comparisons = read(name)
    const ask = (reliability: object) =>
      fit({ comparisons, model: { prior: GAUSSIAN, ...reliability } } as FitRequest)
    const answer = await ask({ reliability: {} })
    const plain = await ask({})
    t.equal(answer.groups.length, groups)
    let judged = 0
    answer.groups.forEach((group, g) => {
      const { id, reliability, fit: summary, annotators: found = {}, standardErrors } = group
      const reliabilities = Object.values(found).map((own) => own.reliability)
      judged += reliabilities.length
      t.ok((reliability?.gradientNorm ?? 1) <= 1e-8)
      t.ok((reliability?.startsAgreeing ?? 0) >= 2)
      t.ok(reliabilities.every((eta) => eta > 0 && eta < 1))
      t.ok(standardErrors !== null, 'a maximum has standard errors')
      const comparisons = Object.values(found).reduce((sum, own) => sum + own.comparisons, 0)
      t.equal(comparisons, summary.comparisons)
      const { logLikelihood } = plain.groups[g].fit
      t.equal(summary.logLikelihood > logLikelihood, better)
      t.comment(
        `${id}: log-likelihood ${summary.logLikelihood.toFixed(3)}, and ${logLikelihood.toFixed(3)} where all count the ` +
          `same; reliabilities from ${Math.min(...reliabilities).toFixed(3)} to ${Math.max(...reliabilities).toFixed(3)}; ` +
          `${reliability?.startsAgreeing} of ${reliability?.starts} starts agree`,
      )
    })
    t.equal(judged, annotators)
  })
}

/** How many groups the annotators fall into, with at most six looked for. */
const DISCOVERED = { sound_quality: 6, kenya_practices: 3, mtbench_votes: 2 }

for (const [name, expected] of Object.entries(DISCOVERED)) {
  t.test(`the annotators of ${name} fall into groups`, async (t) => {
    const comparisons = read(name).map(({ group: _, ...row }) => row)
    const { discovery, groups } = await fit({ comparisons, groups: { discover: {} } } as FitRequest)
    t.equal(discovery?.groups, expected)
    t.equal(groups.length, expected)
    const [alone] = discovery?.bic ?? []
    const off = Math.abs((alone.logLikelihood ?? 0) / pooledReference(name) - 1)
    t.ok(off < 1e-9, `one group is the reference fit of all, ${off}`)
    for (const entry of discovery?.bic ?? []) {
      t.comment(
        `${entry.groups} groups: log-likelihood ${entry.logLikelihood?.toFixed(3)}, BIC ${entry.bic?.toFixed(1)}`,
      )
      t.ok(entry.gradientNorm === null || entry.gradientNorm <= 1e-8)
    }
    t.comment(`${discovery?.startsAgreeing} of ${discovery?.followed} starts agree`)
  })
}
