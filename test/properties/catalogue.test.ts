import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { Welfare } from '../../schemas/welfare.ts'
import { AXIOMS } from '../../src/engine/welfare/catalogue/axioms.ts'
import { COUNTEREXAMPLES } from '../../src/engine/welfare/catalogue/counterexamples.ts'
import { FUNCTIONS } from '../../src/engine/welfare/catalogue/functions.ts'
import { build } from '../helpers/app.ts'
import { tableOf } from '../helpers/axiom-table.ts'
import { ask, HONOURED, TESTED, VIOLATED, type Violation } from '../helpers/axioms.ts'

async function violationOf(
  axiom: keyof typeof TESTED,
  problems: Parameters<(typeof TESTED)[typeof axiom]['violation']>[0],
  welfare: Welfare,
): Promise<Violation> {
  const answers = []
  for (const problem of problems) answers.push(await ask(problem, welfare))
  return TESTED[axiom].violation(problems, answers)
}

t.test('the catalogue lists every function that a request can name', async (t) => {
  const named = (Welfare as unknown as { oneOf: { $ref: string }[] }).oneOf.length
  t.equal(FUNCTIONS.length, named)
  t.strictSame(
    FUNCTIONS.map(({ id }) => id),
    FUNCTIONS.map(({ example }) => example.function),
  )
})

for (const { id, example, claims } of FUNCTIONS) {
  t.test(`${id} is what the catalogue claims`, async (t) => {
    for (const { id: axiom } of AXIOMS) {
      const strength = claims[axiom]
      if (strength === undefined) continue
      if (strength !== 'no') {
        await fc.assert(
          fc.asyncProperty(TESTED[axiom].instances, async (problems) => {
            const { weak, strict } = await violationOf(axiom, problems, example)
            const violation = strength === 'strictly' ? Math.max(weak, strict) : weak
            if (!(violation <= HONOURED)) throw new Error(`${axiom} is violated by ${violation}`)
          }),
          { seed: 1, numRuns: 80 },
        )
      }
      if (strength === 'strictly') {
        t.pass(`${axiom} holds`)
        continue
      }
      const stored = COUNTEREXAMPLES.find((one) => one.function === id && one.axiom === axiom)
      const { weak, strict } = await violationOf(axiom, stored?.problems ?? [], example)
      t.ok((strength === 'weakly' ? strict : weak) > VIOLATED, `${axiom} is broken by its counterexample`)
    }
  })
}

t.test('no counterexample is stored to what is claimed', async (t) => {
  for (const { function: id, axiom } of COUNTEREXAMPLES) {
    const claims: Record<string, string> = FUNCTIONS.find((one) => one.id === id)?.claims ?? {}
    t.ok(claims[axiom] === 'no' || claims[axiom] === 'weakly', `${axiom} of ${id}`)
  }
})

t.test('counterexamples can be posted as they are listed', async (t) => {
  const app = await build(t)
  const { functions } = (await app.inject('/welfare-functions')).json()
  for (const { id, fails } of functions) {
    for (const { axiom, counterexample } of fails) {
      for (const payload of counterexample.requests) {
        const { statusCode } = await app.inject({ method: 'POST', url: '/aggregate', payload })
        t.equal(statusCode, axiom === 'an-answer-always' ? 422 : 200, `${axiom} of ${id}`)
      }
    }
  }
})

t.test('the documentation has the same table, and tells what every axiom asks', async (t) => {
  const page = readFileSync('docs/axioms.md', 'utf8')
  t.ok(page.includes(tableOf()))
  for (const { id, meaning } of AXIOMS) t.ok(page.includes(`\`${id}\`: ${meaning}`), id)
})
