import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import { FUNCTIONS } from '../src/engine/welfare/catalogue/functions.ts'
import { ask, TESTED, VIOLATED } from '../test/helpers/axioms.ts'

// Looks, for every axiom that a function of the catalogue does not satisfy, or only weakly, for a small problem that
// shows it. Those that are stored already stay.
type Stored = { function: string; axiom: string; problems: { utilities: number[][]; population: number[] }[] }

const file = new URL('../src/engine/welfare/catalogue/counterexamples.json', import.meta.url)
const known = JSON.parse(readFileSync(file, 'utf8')) as Stored[]
const kept: Stored[] = []
for (const { id, example, claims } of FUNCTIONS) {
  for (const [axiom, strength] of Object.entries(claims)) {
    if (strength === 'strictly') continue
    const stored = known.find((one) => one.function === id && one.axiom === axiom)
    if (stored !== undefined) {
      kept.push(stored)
      continue
    }
    const { instances, violation } = TESTED[axiom as keyof typeof TESTED]
    let best: Stored['problems'] | null = null
    for (const problems of fc.sample(instances, { seed: 1, numRuns: 2000 })) {
      if (best !== null && sizeOf(problems) >= sizeOf(best)) continue
      const answers = []
      for (const problem of problems) answers.push(await ask(problem, example))
      const { weak, strict } = await violation(problems, answers)
      if ((strength === 'weakly' ? strict : weak) > VIOLATED) best = problems
    }
    if (best === null) throw new Error(`no counterexample found to ${axiom} of ${id}`)
    kept.push({ function: id, axiom, problems: best })
  }
}
writeFileSync(file, `${JSON.stringify(kept, null, 1)}\n`)

/** Few entries and small numbers make a problem that is easy to read. */
function sizeOf(problems: Stored['problems']): number {
  return problems.reduce(
    (sum, { utilities }) => sum + 100 * utilities.flat().length + utilities.flat().reduce((a, b) => a + b, 0),
    0,
  )
}
