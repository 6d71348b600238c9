import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { OptimumResult } from '../../schemas/aggregate.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import { build, misfit, post, refuses } from '../helpers/app.ts'
import { dualSize, objectiveAt, powerMeanOf, problemOf, sizeOf, utilitiesAt } from '../helpers/problems.ts'

const app = await build(t)
const won = (group: string, winner: string, loser: string, more = {}) => ({ group, winner, loser, ...more })
const utilitarian = { function: 'utilitarian' }
const nash = { function: 'nash' }

const chain = [won('chain', 'a', 'b'), won('chain', 'b', 'c')]
const cycle = [won('cycle', 'a', 'b'), won('cycle', 'b', 'c'), won('cycle', 'c', 'a')]
const islands = [
  ...[won('islands', 'a', 'b'), won('islands', 'b', 'a')],
  ...[won('islands', 'c', 'd', { tie: true })],
  ...[won('islands', 'b', 'c')],
]

const infinite = { status: 422, kind: 'no-finite-estimate', says: /no finite Bradley–Terry estimate/ }

t.test('a group without a finite estimate is refused with what keeps its items apart', async (t) => {
  for (const [path, rest] of [
    ['/fit', {}],
    ['/aggregate', { welfare: nash }],
    ['/compare', { welfare: [nash, utilitarian] }],
  ] as const) {
    const body = { comparisons: [...chain, ...cycle, ...islands], ...rest }
    const problem = refuses(t, await post(app, path, body), infinite, path)
    t.same(problem.groups, [
      { id: 'chain', components: [['a'], ['b'], ['c']], undefeated: ['a'], winless: ['c'] },
      {
        id: 'islands',
        components: [
          ['a', 'b'],
          ['c', 'd'],
        ],
        undefeated: [],
        winless: [],
      },
    ])
    t.match(problem.detail, /2 groups, "chain" first, have/)
  }
})

t.test('every prior that the refusal names gives an answer', async (t) => {
  const { detail } = refuses(t, await post(app, '/fit', { comparisons: chain }), infinite, 'a chain')
  const priors = [...detail.matchAll(/\{[^}]*\}/g)].map(([text]) => JSON.parse(text))
  t.same(
    priors.map(({ kind }) => kind),
    ['gaussian', 'pseudo-item', 'firth'],
  )
  for (const prior of priors) {
    const answer = await post(app, '/fit', { comparisons: chain, model: { prior } })
    t.equal(answer.statusCode, 200, prior.kind)
    const [{ rewards, connectivity, fit }] = answer.json().groups
    t.ok(fit.converged)
    t.ok(rewards.a > rewards.b && rewards.b > rewards.c)
    t.same(connectivity.components, [['a'], ['b'], ['c']], 'with the same diagnosis')
  }
})

/** Which items reach which by a path of wins and ties, by Warshall's algorithm. */
function reach(items: string[], rows: { winner: string; loser: string; preference?: number }[]) {
  const reaches = items.map((from) =>
    items.map((to) => from === to || rows.some((row) => beats(row, from, to))),
  )
  for (const k of items.keys())
    for (const i of items.keys())
      for (const j of items.keys()) reaches[i][j] ||= reaches[i][k] && reaches[k][j]
  return reaches
}

function beats(row: { winner: string; loser: string; preference?: number }, from: string, to: string) {
  const label = row.preference ?? 1
  return (
    (row.winner === from && row.loser === to && label > 0) ||
    (row.winner === to && row.loser === from && label < 1)
  )
}

t.test('a fit is refused where, and only where, some item cannot be reached by wins', async (t) => {
  const item = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const comparison = fc
    .record(
      { winner: item, loser: item, preference: fc.constantFrom(0, 0.3, 1) },
      { requiredKeys: ['winner', 'loser'] },
    )
    .filter(({ winner, loser }) => winner !== loser)
  let refused = 0
  await fc.assert(
    fc.asyncProperty(fc.array(comparison, { minLength: 1, maxLength: 12 }), async (rows) => {
      const items = [...new Set(rows.flatMap(({ winner, loser }) => [winner, loser]))].sort()
      const reaches = reach(items, rows)
      const component = (i: number) => items.filter((_, j) => reaches[i][j] && reaches[j][i])
      const components = [...new Set(items.map((_, i) => component(i).join()))].map((ids) => ids.split(','))
      const comparisons = rows.map((row) => ({ group: 'all', ...row }))
      const answer = await post(app, '/fit', { comparisons })
      const wanted = components.length > 1 ? 422 : 200
      if (answer.statusCode !== wanted) throw new Error(`${answer.statusCode} where ${wanted} is due`)
      const told = wanted === 200 ? answer.json().groups[0].connectivity : answer.json().groups[0]
      const nobody = (test: (from: string, to: string) => boolean) =>
        items.filter((a) => !items.some((b) => test(a, b)))
      t.same(told.components, components)
      t.same(
        told.undefeated,
        nobody((a, b) => rows.some((row) => beats(row, b, a))),
      )
      t.same(
        told.winless,
        nobody((a, b) => rows.some((row) => beats(row, a, b))),
      )
      if (wanted === 422) refused++
    }),
    { seed: 1, numRuns: 80 },
  )
  t.ok(refused > 20 && refused < 70, `${refused} of 80 are refused`)
})

const noPolicy = {
  status: 422,
  kind: 'no-acceptable-policy',
  says: /a policy at which every group gains, and there is none/,
}

type Certificate = { weights: Record<string, number>; largestAggregatedUtility: number }

/** Checks the weights that prove that no lottery gives every group a gain: under them no item has a positive utility. */
function provesThatNobodyGains(
  t: Test,
  { weights, largestAggregatedUtility }: Certificate,
  table: number[][],
) {
  const lambda = table.map((_, g) => weights[`g${g}`])
  const size = Math.max(...table.flat().map(Math.abs))
  const aggregated = table[0].map((_, i) => table.reduce((sum, row, g) => sum + lambda[g] * row[i], 0))
  t.ok(lambda.every((weight) => weight >= 0) && Math.abs(lambda.reduce((a, b) => a + b, 0) - 1) < 1e-12)
  t.ok(Math.max(...aggregated) <= 1e-12 * size, `no item is better than ${Math.max(...aggregated)}`)
  t.ok(Math.abs(Math.max(...aggregated) - largestAggregatedUtility) <= 1e-14 * size)
}

const keyed = (table: number[][]) =>
  Object.fromEntries(
    table.map((row, g) => [`g${g}`, Object.fromEntries(row.map((value, i) => [`i${i}`, value]))]),
  )

t.test('where no policy gives every group a gain, the refusal proves it', async (t) => {
  const shapes = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 2, max: 6 }))
  const tables = shapes.chain(([groups, items]) =>
    fc.array(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: items, maxLength: items }), {
      minLength: groups,
      maxLength: groups,
    }),
  )
  const functions = fc.constantFrom<Welfare>(
    { function: 'nash' },
    { function: 'power-mean', exponent: 0.5 },
    { function: 'power-mean', exponent: -4 },
  )
  let refused = 0
  await fc.assert(
    fc.asyncProperty(tables, functions, fc.constantFrom(0, 0.3), async (table, welfare, temperature) => {
      const body = {
        rewards: keyed(table),
        utility: { anchor: { item: 'i0' } },
        policy: { temperature },
        welfare,
      }
      const answer = await post(app, '/aggregate', body)
      const gains = table.map((row) => row.map((value) => value - row[0]))
      if (answer.statusCode === 200) {
        const { groups } = answer.json() as OptimumResult
        t.ok(
          groups.every(({ utility }) => utility > 0),
          'every group gains',
        )
        return
      }
      const problem = refuses(t, answer, noPolicy, welfare.function)
      provesThatNobodyGains(t, problem.certificate as Certificate, gains)
      t.same(
        problem.indifferentGroups,
        gains.flatMap((row, g) => (row.every((gain) => gain === 0) ? [`g${g}`] : [])),
      )
      t.equal(problem.function, welfare.function)
      refused++
    }),
    { seed: 2, numRuns: 80 },
  )
  t.ok(refused > 20 && refused < 70, `${refused} of 80 are refused`)
})

t.test('a group that is indifferent between all items is named', async (t) => {
  const tied = [
    won('fond', 'a', 'b'),
    won('fond', 'b', 'a', { count: 2 }),
    won('idle', 'a', 'b', { tie: true }),
  ]
  const rewards = { fond: { a: 1, b: 2 }, idle: { a: 7, b: 7 } }
  for (const source of [{ comparisons: tied }, { rewards }]) {
    for (const welfare of [nash, { function: 'power-mean', exponent: -1 }]) {
      const problem = refuses(
        t,
        await post(app, '/aggregate', { ...source, welfare }),
        noPolicy,
        welfare.function,
      )
      t.same(problem.indifferentGroups, ['idle'])
      t.match(problem.detail, /All items are the same to "idle"/)
    }
    for (const welfare of [utilitarian, { function: 'maximin' }, { function: 'pareto-front' }]) {
      const answer = await post(app, '/aggregate', { ...source, welfare })
      t.equal(answer.statusCode, 200, welfare.function)
      t.same(
        answer
          .json()
          .groups.map(({ id, indifferent }: { id: string; indifferent: boolean }) => [id, indifferent]),
        [
          ['fond', false],
          ['idle', true],
        ],
      )
    }
  }
})

/** The exponent of each function as a power mean. */
const functions: [welfare: Welfare, exponent: number][] = [
  [{ function: 'utilitarian' }, 1],
  [{ function: 'power-mean', exponent: 0.5 }, 0.5],
  [{ function: 'nash' }, 0],
  [{ function: 'power-mean', exponent: -1 }, -1],
  [{ function: 'power-mean', exponent: -1000 }, -1000],
  [{ function: 'maximin' }, Number.NEGATIVE_INFINITY],
]

/**
 * The relative duality gap of an answer, recomputed from its own utilities, weights and policy, as the sum of two losses
 * in which nothing large cancels: β KL(p‖Gibbs(λ)), or at β = 0 max v − v·p, and λ·x − W(x).
 */
function relativeGap(
  { groups, settings, weights, weightScale, policy }: OptimumResult,
  exponent: number,
): number {
  const items = Object.keys(policy)
  const { temperature } = settings.policy
  const reference = items.map((item) => settings.policy.reference[item])
  const population = groups.map((group) => group.population)
  const table = groups.map(({ utilities }) => items.map((item) => utilities[item]))
  const problem = problemOf(table, { population, reference, temperature })
  const p = items.map((item) => policy[item])
  const lambda = groups.map(({ id }) => weights[id] * weightScale)
  if (!(dualSize(exponent, lambda, population) > 1 - 1e-9)) return Number.POSITIVE_INFINITY

  const values = items.map((_, i) => table.reduce((sum, row, g) => sum + lambda[g] * row[i], 0))
  const x = utilitiesAt(problem, p)
  const support = x.reduce((sum, gain, g) => sum + lambda[g] * gain, 0)
  const welfareLoss = support - powerMeanOf(exponent, x, population)
  let policyLoss = Math.max(...values) - support
  if (temperature > 0) {
    // KL(p‖q) = Σ p d + q − p with d = log p/q, since both sum to 1; then every term is positive.
    const exponents = values.map((value, i) => Math.log(reference[i]) + value / temperature)
    const top = Math.max(...exponents)
    const log = Math.log(exponents.reduce((sum, value) => sum + Math.exp(value - top), 0))
    policyLoss = p.reduce((sum, share, i) => {
      const q = Math.exp(exponents[i] - top - log)
      const d = Math.log(share) - (exponents[i] - top - log)
      const term = share === 0 ? q : Math.abs(d) < 1 ? share * (d + Math.expm1(-d)) : share * d + q - share
      return sum + temperature * term
    }, 0)
  }
  const gap = welfareLoss + policyLoss
  return gap === 0 ? 0 : gap / sizeOf(problem, lambda, objectiveAt(problem, exponent, p))
}

t.test('rewards at the ends of double precision are answered with a certificate, or refused', async (t) => {
  const sources: Record<string, Record<string, Record<string, number>>> = {
    largest: { g: { a: 1e12, b: 0, c: 3 }, h: { a: 0, b: 1e12, c: 4e11 } },
    'largest, of one sign': { g: { a: -1e12, b: -9e11, c: -5e11 }, h: { a: -6e11, b: -1e12, c: -1e12 } },
    smallest: { g: { a: 1e-99, b: 0, c: 3e-100 }, h: { a: 0, b: 1e-99, c: 4e-100 } },
    'of all sizes': { g: { a: 1e12, b: 0, c: 3 }, h: { a: 0, b: 1e-12, c: 4e-13 } },
    'a hair apart': { g: { a: 1, b: 1 + 1e-11, c: 1 }, h: { a: 0, b: 1, c: 1 + 1e-11 } },
    'a million at the lowest temperature': { g: { a: 1e6, b: 0, c: 3 }, h: { a: 0, b: 1e6, c: 4e5 } },
    plain: { g: { a: 1, b: 0, c: 0.7 }, h: { a: 0, b: 1, c: 0.7 } },
  }
  const references = [undefined, { a: 1e-300, b: 0.5, c: 0.5 }]
  const populations = [
    [1, 1],
    [1e-12, 1e15],
  ]
  let answered = 0
  let refused = 0
  for (const [name, rewards] of Object.entries(sources)) {
    const wrong: string[] = []
    const bodies = functions.flatMap(([welfare, exponent]) =>
      [0, 1e-6, 1, 1e6].flatMap((temperature) =>
        ['none', 'unit-range', 'standard-deviation', 'win-probability'].flatMap((scale) =>
          references.flatMap((reference) =>
            populations.map(([g, h]) => {
              const groups = [
                { id: 'g', population: g },
                { id: 'h', population: h },
              ]
              const body = {
                rewards,
                groups,
                utility: { scale },
                policy: { temperature, reference },
                welfare,
              }
              return { body, exponent, ordinary: name === 'plain' && reference === undefined && g === h }
            }),
          ),
        ),
      ),
    )
    for (const { body, exponent, ordinary } of bodies) {
      const answer = await post(app, '/aggregate', body)
      const fault =
        answer.statusCode === 200 ? faultOf(answer.json(), exponent) : faultOfRefusal(answer, ordinary)
      if (fault !== null) wrong.push(`${fault}: ${JSON.stringify(body)}`)
      if (answer.statusCode === 200) answered++
      else refused++
    }
    t.same(wrong, [], name)
  }
  t.ok(answered > 2 * refused, `${answered} are answered and ${refused} refused`)
})

function faultOf(answer: OptimumResult, exponent: number): string | null {
  const wrong = misfit('Optimum', answer)
  if (wrong !== null) return wrong
  if (!(answer.certificate.relativeGap <= 1e-8)) return `certificate ${answer.certificate.relativeGap}`
  const gap = relativeGap(answer, exponent)
  return gap <= 1.1e-8 ? null : `gap ${gap}`
}

function faultOfRefusal({ statusCode, body }: { statusCode: number; body: string }, ordinary: boolean) {
  const { type } = JSON.parse(body)
  const known = type === '/problems/not-converged' || type === '/problems/no-acceptable-policy'
  return statusCode === 422 && known && !ordinary ? null : `status ${statusCode} ${type}`
}

t.test('counts and weights at the ends of their ranges are fitted to the end, or refused', async (t) => {
  const size = fc.constantFrom(1, 3, 1e4, 1e8, 1e12)
  const weight = fc.constantFrom(1e-12, 1e-6, 1, 1e6, 1e12)
  const item = fc.constantFrom('a', 'b', 'c', 'd')
  const label = fc.constantFrom(5e-324, 1e-9, 0.5, 1 - 2 ** -53)
  const comparison = fc
    .record(
      { winner: item, loser: item, count: size, weight, preference: label },
      { requiredKeys: ['winner', 'loser'] },
    )
    .filter(({ winner, loser }) => winner !== loser)
  const prior = fc.constantFrom(
    { kind: 'none' },
    ...[1e-6, 1, 1e6].map((standardDeviation) => ({ kind: 'gaussian', standardDeviation })),
    ...[1e-6, 1, 1e6].map((strength) => ({ kind: 'pseudo-item', strength })),
  )
  let fitted = 0
  await fc.assert(
    fc.asyncProperty(fc.array(comparison, { minLength: 1, maxLength: 8 }), prior, async (rows, prior) => {
      const comparisons = rows.map((row) => ({ group: 'all', ...row }))
      const answer = await post(app, '/fit', { comparisons, model: { prior } })
      const body = answer.json()
      if (answer.statusCode === 200) {
        fitted++
        const wrong = misfit('FitResponse', body)
        const [{ fit, rewards }] = body.groups
        if (wrong !== null) throw new Error(wrong)
        if (!fit.converged || !(fit.gradientNorm <= 1e-10) || !(fit.errorEstimate <= 1e-10))
          throw new Error('not fitted')
        const sum = Object.values(rewards as Record<string, number>).reduce((a, b) => a + b, 0)
        if (!(Math.abs(sum) < 1e-9)) throw new Error(`the rewards sum to ${sum}`)
      } else if (
        prior.kind === 'none'
          ? !/no-finite|not-conv/.test(body.type)
          : body.type !== '/problems/not-converged'
      ) {
        throw new Error(`${answer.statusCode} ${body.type}`)
      }
    }),
    { seed: 3, numRuns: 300 },
  )
  t.ok(fitted > 100, `${fitted} of 300 are fitted`)
})

t.test('a Pareto front whose hypervolume is beyond numbers says so, and has all else', async (t) => {
  const rewards = keyed(Array.from({ length: 30 }, (_, g) => [9e11 + (g % 2) * 1e11, 9.5e11]))
  for (const temperature of [0, 1]) {
    const body = {
      rewards,
      utility: { anchor: 'zero' },
      policy: { temperature },
      welfare: { function: 'pareto-front' },
    }
    const answer = await post(app, '/aggregate', body)
    t.equal(answer.statusCode, 200)
    const front = answer.json()
    t.equal(misfit('Front', front), null)
    t.equal(front.hypervolume, null)
    t.equal(front.hypervolumeError, null)
    t.ok(front.front.length > 1)
  }
})
