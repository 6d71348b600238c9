import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import type { LearnRequest, LearnResponse } from '../../schemas/learn.ts'
import { readChoices } from '../../src/engine/learning/choices.ts'
import { learn } from '../../src/engine/learning/learn.ts'
import { slopeAt, valueAt } from '../../src/engine/learning/likelihood.ts'
import { normal, seededRandom } from '../../src/engine/numeric/random.ts'
import { build, misfit, post, refuses } from '../helpers/app.ts'
import { distance, powerMeanOf } from '../helpers/problems.ts'

type Choice = LearnRequest['choices'][number]

const ids = (groups: number) => Array.from({ length: groups }, (_, g) => `group ${g}`)
const byId = (values: readonly number[]) =>
  Object.fromEntries(ids(values.length).map((id, g) => [id, values[g]]))
const choice = (x: readonly number[], y: readonly number[], count = 1): Choice => ({
  preferred: byId(x),
  rejected: byId(y),
  count,
})

/** Choices between random outcomes, made as the model has it. */
function simulated(count: number, exponent: number, weights: readonly number[], kappa: number, seed: number) {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => {
    const x = weights.map(() => Math.exp(normal(random)))
    const y = weights.map(() => Math.exp(normal(random)))
    const ratio = powerMeanOf(exponent, y, weights) / powerMeanOf(exponent, x, weights)
    return random() < 1 / (1 + ratio ** kappa) ? choice(x, y) : choice(y, x)
  })
}

/** The log-likelihood by its definition. */
function logLikelihood(
  choices: readonly Choice[],
  exponent: number,
  weights: Record<string, number>,
  kappa: number,
): number {
  const groups = Object.keys(weights)
  const n = groups.map((id) => weights[id])
  return choices.reduce((sum, { preferred, rejected, count = 1, weight = 1 }) => {
    const mean = (side: Record<string, number>) =>
      powerMeanOf(
        exponent,
        groups.map((id) => side[id]),
        n,
      )
    return sum - count * weight * Math.log1p((mean(rejected) / mean(preferred)) ** kappa)
  }, 0)
}

/** The largest log-likelihood of two groups on a grid of weights, fine in their log-odds, each with its best sensitivity by bisection. */
function bestOnGrid(choices: readonly Choice[], exponent: number): number {
  let best = Number.NEGATIVE_INFINITY
  for (let odds = -16; odds <= 16; odds += 0.2) {
    const weights = byId([1 / (1 + Math.exp(-odds)), 1 / (1 + Math.exp(odds))])
    const at = (kappa: number) => logLikelihood(choices, exponent, weights, kappa)
    let [low, high] = [0, 20]
    for (let round = 0; round < 25; round++) {
      const [a, b] = [low + (high - low) / 3, high - (high - low) / 3]
      if (at(a) < at(b)) low = a
      else high = b
    }
    best = Math.max(best, at(low))
  }
  return best
}

t.test('slopes and curvatures are those of finite differences', (t) => {
  for (const exponent of [1, 0.4, 1e-9, 0, -0.3, -4, -10]) {
    const choices = readChoices({ choices: simulated(20, 0, [0.5, 0.3, 0.2], 2, 3) })
    const c = Float64Array.of(1.2, 0.4, 0.7)
    const { value, gradient, curvature, added } = slopeAt(choices, exponent, c)
    t.ok(Math.abs(value - valueAt(choices, exponent, c)) < 1e-15)
    const step = 1e-5
    const moved = (g: number, by: number) => c.map((part, h) => (h === g ? part * Math.exp(by) : part))
    for (let g = 0; g < 3; g++) {
      const [up, down] = [step, -step].map((by) => slopeAt(choices, exponent, moved(g, by)))
      const slope = (up.value - down.value) / (2 * step)
      t.ok(Math.abs(slope - gradient[g]) < 1e-8 * (1 + Math.abs(slope)), `ρ = ${exponent}: ${slope}`)
      t.ok(Math.abs(added[g] * c[g] - gradient[g]) < 1e-14 * (1 + Math.abs(gradient[g])))
      const row = curvature.subarray(3 * g, 3 * g + 3)
      const expected = up.gradient.map((value, h) => (value - down.gradient[h]) / (2 * step))
      t.ok(distance(row, expected) < 1e-7 * (1 + Math.max(...expected.map(Math.abs))), `${row} ${expected}`)
    }
  }
  t.end()
})

t.test('what made simulated choices is found again', (t) => {
  const cases: [number, number[], number][] = [
    [0, [0.5, 0.3, 0.2], 3],
    [-1, [0.6, 0.4], 2],
    [0.7, [0.2, 0.8], 4],
    [-4, [0.5, 0.5], 3],
  ]
  for (const [exponent, weights, kappa] of cases) {
    const answer = learn({ choices: simulated(400, exponent, weights, kappa, 11) })
    const { lower, upper, connected } = answer.exponentInterval
    t.ok(lower <= exponent && exponent <= upper && connected, `${lower} ≤ ${exponent} ≤ ${upper}`)
    t.ok(distance(Object.values(answer.weights ?? {}), weights) < 0.12, JSON.stringify(answer.weights))
    t.ok(Math.abs((answer.sensitivity ?? 0) / kappa - 1) < 0.3, `κ = ${answer.sensitivity}`)
    t.ok(answer.diagnostics.gradientNorm <= 1e-8)
    t.ok(answer.diagnostics.startsAgreeing >= 2)
  }
  t.end()
})

t.test(
  'no weights and sensitivity on a fine grid suit better, and every likelihood is that of its definition',
  (t) => {
    const choices = simulated(40, -1, [0.7, 0.3], 1.5, 5)
    const answer = learn({ choices })
    const exponents = [-10, -4, -1, 0, 0.5, 1]
    for (const { exponent, logLikelihood: said, weights, sensitivity } of answer.profile) {
      const own = logLikelihood(choices, exponent, weights ?? {}, sensitivity ?? 0)
      t.ok(Math.abs(own - said) < 1e-9, `ρ = ${exponent}`)
      if (!exponents.includes(exponent)) continue
      const grid = bestOnGrid(choices, exponent)
      t.ok(grid <= said + 1e-9 && grid > said - 0.02, `ρ = ${exponent}: ${said} and ${grid} on the grid`)
    }
    const { lower, upper } = answer.exponentInterval
    for (const end of [lower, upper].filter((exponent) => exponent > -10 && exponent < 1)) {
      const loss = answer.logLikelihood - bestOnGrid(choices, end)
      t.ok(Math.abs(loss - 1.9207) < 0.02, `${loss} is lost at ${end}`)
    }
    t.equal(answer.logLikelihood, Math.max(...answer.profile.map((point) => point.logLikelihood)))
    for (const { function: name, logLikelihood: said } of answer.named) {
      const exponent = { utilitarian: 1, nash: 0, maximin: Number.NEGATIVE_INFINITY }[name]
      t.ok(Math.abs(bestOnGrid(choices, exponent) - said) < 0.02, name)
    }
    t.end()
  },
)

t.test('the unit of the utilities does not matter, and a count is so many rows', (t) => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 4 }),
          fc.integer({ min: 1, max: 3 }),
        ),
        { minLength: 4, maxLength: 8 },
      ),
      fc.constantFrom(0.001, 7, 1e5),
      (rows, unit) => {
        const of = (factor: number) =>
          rows.map(([[a, b, c, d], count]) =>
            choice([a * factor, b * factor], [c * factor, d * factor], count),
          )
        const one = learn({ choices: of(1) })
        const spread = of(1).flatMap((each) =>
          Array.from({ length: each.count ?? 1 }, () => ({ ...each, count: undefined })),
        )
        const several = learn({ choices: spread })
        const other = learn({ choices: of(unit) })
        return (
          JSON.stringify(several) === JSON.stringify(one) &&
          Math.abs(one.logLikelihood - other.logLikelihood) < 1e-8 &&
          one.diagnostics.separated === other.diagnostics.separated &&
          one.diagnostics.indifferent === other.diagnostics.indifferent &&
          distance(
            one.profile.slice(0, 18).map((point) => point.logLikelihood),
            other.profile.slice(0, 18).map((point) => point.logLikelihood),
          ) < (one.profile.length === other.profile.length ? 1e-7 : Number.POSITIVE_INFINITY)
        )
      },
    ),
    { numRuns: 12, seed: 2 },
  )
  t.end()
})

/** Choices that leave something open, and what is said of it. */
const OPEN: Record<string, { choices: Choice[]; has: object; note: RegExp | null }> = {
  'choices that one function never contradicts': {
    choices: [choice([2, 2], [1, 4])],
    has: {
      exponent: null,
      weights: null,
      sensitivity: null,
      welfare: null,
      groups: null,
      diagnostics: { separated: true },
    },
    note: /never contradicted/,
  },
  'a group that is never contradicted, and one that is': {
    choices: [choice([2, 1], [1, 1], 7), choice([1, 2], [1, 1], 3), choice([1, 1], [1, 2], 2)],
    has: { exponent: null, sensitivity: null, diagnostics: { separated: true } },
    note: /never contradicted/,
  },
  'as many choices one way as the other': {
    choices: [choice([2, 2], [1, 4], 5), choice([1, 4], [2, 2], 5)],
    has: { exponent: null, weights: null, sensitivity: 0, diagnostics: { indifferent: true } },
    note: /better than a toss/,
  },
  'choices of what is worse for all': {
    choices: [choice([1, 1], [2, 2], 7), choice([2, 2], [1, 1], 3)],
    has: { exponent: null, weights: null, sensitivity: 0, diagnostics: { indifferent: true } },
    note: /better than a toss/,
  },
  'choices between equals': {
    choices: [choice([2, 3], [2, 3], 4)],
    has: { sensitivity: 0, logLikelihood: -4 * Math.LN2, diagnostics: { indifferent: true } },
    note: /better than a toss/,
  },
  'a single group': {
    choices: [choice([2], [1], 7), choice([1], [2], 3)],
    has: { exponent: null, weights: { 'group 0': 1 }, diagnostics: { flat: true, separated: false } },
    note: /every welfare function chooses alike/,
  },
  'choices that differ for one group only': {
    choices: [choice([2, 1], [1, 1], 7), choice([1, 1], [2, 1], 3)],
    has: { exponent: null, welfare: null, diagnostics: { flat: true, undetermined: ['group 1'] } },
    note: /do not determine the weight of "group 1"/,
  },
}

for (const [name, { choices, has, note }] of Object.entries(OPEN)) {
  t.test(`${name} are told apart from an answer`, (t) => {
    const answer = learn({ choices })
    t.match(answer, has)
    t.ok(answer.diagnostics.notes.some((line) => note === null || note.test(line)))
    t.equal(misfit('LearnResponse', JSON.parse(JSON.stringify(answer))), null)
    t.end()
  })
}

t.test(
  'a group whose gains speak against an outcome has no weight, and is left out of what is to be sent',
  (t) => {
    // What group 1 gains is never preferred: to count it at all would suit the choices less.
    const choices = [
      choice([2, 1], [1, 1.5], 30),
      choice([1, 1.5], [2, 1], 6),
      choice([1, 1], [1, 2], 12),
      choice([1, 2], [1, 1], 8),
      choice([3, 2], [2, 3], 20),
      choice([2, 3], [3, 2], 9),
    ]
    const { weights, groups, diagnostics } = learn({ choices })
    t.same(weights, { 'group 0': 1, 'group 1': 0 })
    t.same(groups, [{ id: 'group 0', population: 1 }])
    t.same(diagnostics.withoutWeight, ['group 1'])
    t.ok(diagnostics.gradientNorm <= 1e-8)
    t.ok(diagnostics.notes.some((line) => /does not count at all/.test(line)))
    t.end()
  },
)

t.test('weights matter like counts do, but leave the interval without its level', (t) => {
  const choices = simulated(30, 0, [0.5, 0.5], 2, 9)
  const doubled = learn({ choices: choices.map((each) => ({ ...each, weight: 2 })) })
  const twice = learn({ choices: choices.map((each) => ({ ...each, count: 2 })) })
  t.ok(Math.abs(doubled.logLikelihood - twice.logLikelihood) < 1e-10)
  t.ok(doubled.diagnostics.notes.some((line) => /no longer one of a known level/.test(line)))
  t.notOk(twice.diagnostics.notes.some((line) => /no longer one of a known level/.test(line)))
  t.equal(twice.diagnostics.choices, 60)
  t.equal(twice.diagnostics.different, 30)
  t.end()
})

/** The body of the documentation's request. */
const PAGE = readFileSync('docs/learning.md', 'utf8')
const BODY = JSON.parse(/-d '(\{[\s\S]*?\})'\n/.exec(PAGE)?.[1] ?? 'null')

t.test('the example of the documentation is answered as it says, and can be sent on', async (t) => {
  const app = await build(t)
  const answer = await post(app, '/welfare-functions/learn', BODY)
  t.equal(answer.statusCode, 200)
  const learnt = answer.json() as LearnResponse
  t.equal(misfit('LearnResponse', learnt), null)
  t.equal((await post(app, '/welfare-functions/learn', BODY)).body, answer.body)
  const said = (name: string) => new RegExp(`"${name}": (-?[\\d.]+)`).exec(PAGE)?.[1]
  t.equal(said('exponent'), learnt.exponent?.toFixed(3))
  t.equal(said('lower'), learnt.exponentInterval.lower.toFixed(3))
  t.equal(said('upper'), learnt.exponentInterval.upper.toFixed(3))
  t.equal(said('sensitivity'), learnt.sensitivity?.toFixed(3))
  t.equal(said('logLikelihood'), learnt.logLikelihood.toFixed(2))
  for (const { function: name, logLikelihood, within } of learnt.named)
    t.ok(PAGE.includes(`"${name}", "logLikelihood": ${logLikelihood.toFixed(2)}, "within": ${within}`), name)
  t.ok(PAGE.includes(`"nearest": "${learnt.nearest}"`))

  const rewards = { north: { a: 4, b: 1 }, south: { a: 0.5, b: 2 } }
  const { welfare, groups } = learnt
  const sent = await post(app, '/aggregate', { rewards, welfare, groups, utility: { anchor: 'zero' } })
  t.equal(sent.statusCode, 200)
  t.ok(Math.abs(sent.json().groups[0].population - (learnt.weights?.north ?? 0)) < 1e-12)
})

t.test('what cannot be learnt from is refused, with where and why', async (t) => {
  const app = await build(t)
  const refused = async (body: object, at: string | string[], says: RegExp, name: string) => {
    const answer = await post(app, '/welfare-functions/learn', body)
    refuses(t, answer, { status: 400, kind: 'invalid-request', at, says }, name)
  }
  const x = { east: 3, west: 1 }
  const list = (side: object, more: object = {}) => ({
    choices: [
      { preferred: x, rejected: x },
      { preferred: side, rejected: x, ...more },
    ],
  })
  const inside = '/choices/1/preferred'
  await refused(list({ east: 0, west: 1 }), `${inside}/east`, /must be above 0, and is 0/, 'zero')
  await refused(list({ east: -2, west: 1 }), `${inside}/east`, /must be above 0, and is -2/, 'less than zero')
  await refused(list({ east: 1 }), `${inside}/west`, /is missing/, 'a group left out')
  await refused(list({ ...x, north: 1 }), `${inside}/north`, /is not a group/, 'another group')
  await refused(list({ east: '3', west: 1 }), `${inside}/east`, /must be a number/, 'text')
  await refused(
    list(x, { count: 1.5 }),
    '/choices/1/count',
    /must be a whole number/,
    'a count of one and a half',
  )
  await refused(list({ east: 1e13, west: 1 }), '/choices', /differ by a factor/, 'utilities too far apart')
  await refused({ choices: [] }, '/choices', /at least 1|from 1/, 'no choices')
  await refused({ choices: list(x).choices, prior: 1 }, '/prior', /is not a member/, 'an unknown member')
  await refused(
    { groups: [{ id: 'east' }, { id: 'east' }], ...list(x) },
    [
      '/groups/1/id',
      '/choices/0/preferred/west',
      '/choices/0/rejected/west',
      '/choices/1/preferred/west',
      '/choices/1/rejected/west',
    ],
    /is declared twice/,
    'a group declared twice, and one not at all',
  )
  const proto = JSON.parse('{"preferred": {"__proto__": 2, "b": 1}, "rejected": {"__proto__": 1, "b": 1}}')
  const answer = await post(app, '/welfare-functions/learn', {
    choices: [
      { ...proto, count: 3 },
      { preferred: proto.rejected, rejected: proto.preferred },
    ],
  })
  t.equal(answer.statusCode, 200)
  t.match(answer.body, /"weights":\{"__proto__":/)
})
