import { adversarialRequest, attempt } from '../test/helpers/adversarial-requests.ts'
import { requestOf } from '../test/helpers/judge.ts'
import { knownFamilies, knownFeatures } from '../test/helpers/known.ts'
import { FAMILIES } from '../test/helpers/welfare-functions.ts'
import { option } from './option.ts'
import { scientific } from './report.ts'

/**
 * Problems as an adversary would choose them, put to every welfare function: `npm run bench:fuzz -- [--problems N] [--first K]
 * [--function NAME]`. A part of them has contexts, and a part guardrails. With `--show K` prints that problem as a request.
 *
 * Every answer is judged by definitions of our own. Fails where a relative duality gap is above 1e-8, an answer is wrong in
 * any other way, or there is none without a proof that there cannot be one.
 */

const problems = Number(option('problems') ?? 10_000)
const first = Number(option('first') ?? 0)
const only = option('function')
const show = option('show')
const print = (line: string) => process.stdout.write(`${line}\n`)

type Tally = {
  answers: number
  worst: number
  worstAt: number
  refusals: Map<string, number>
  faults: string[]
  milliseconds: number
}

async function fuzz(): Promise<void> {
  const withs = knownFeatures()
  const { known, missing } = knownFamilies()
  const families = FAMILIES.filter(({ name }) => known.includes(name) && (only ?? name) === name)
  const tallies = families.map(
    (): Tally => ({ answers: 0, worst: -1, worstAt: -1, refusals: new Map(), faults: [], milliseconds: 0 }),
  )
  for (let k = first; k < first + problems; k++) {
    const problem = adversarialRequest(k, withs)
    for (const [f, family] of families.entries()) {
      const tally = tallies[f]
      const start = performance.now()
      const outcome = await attempt(problem, family, 1 + 100 * k)
      tally.milliseconds += performance.now() - start
      if ('fault' in outcome) tally.faults.push(`${k} ${outcome.fault}`)
      if ('relativeGap' in outcome) {
        tally.answers++
        if (outcome.relativeGap > tally.worst) {
          tally.worst = outcome.relativeGap
          tally.worstAt = k
        }
      } else if (outcome.refusal !== undefined)
        tally.refusals.set(outcome.refusal, (tally.refusals.get(outcome.refusal) ?? 0) + 1)
    }
  }

  print(`${problems} problems from ${first} on, relative duality gaps recomputed from the answers\n`)
  print('| function | answers | worst gap | at | refusals | faults | ms a problem |')
  print('| --- | --- | --- | --- | --- | --- | --- |')
  families.forEach(({ name }, f) => {
    const { answers, worst, worstAt, refusals, faults, milliseconds } = tallies[f]
    const kinds = [...refusals].map(([kind, count]) => `${count} ${kind}`).join(', ') || '–'
    const gap = answers === 0 ? ['–', '–'] : [scientific(worst), worstAt]
    const cells = [name, answers, ...gap, kinds, faults.length, (milliseconds / problems).toFixed(2)]
    print(`| ${cells.join(' | ')} |`)
  })
  if (missing.length > 0) print(`\nNot in the engine: ${missing.join(', ')}.`)
  for (const { faults } of tallies) if (faults.length > 0) print(`\n${faults.slice(0, 5).join('\n')}`)
  process.exitCode = tallies.some(({ faults }) => faults.length > 0) ? 1 : 0
}

if (show === undefined) await fuzz()
else {
  const { problem } = adversarialRequest(Number(show), knownFeatures())
  print(JSON.stringify(requestOf(problem, { welfare: { function: only ?? 'maximin' } })))
}
