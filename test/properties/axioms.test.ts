import fc from 'fast-check'
import t from 'tap'
import { linearProgramSolver } from '../../src/engine/numeric/linear-program.ts'
import { kolmPollak } from '../../src/engine/welfare/kolm-pollak.ts'
import { optimise } from '../../src/engine/welfare/optimise.ts'
import type { WelfareProblem } from '../../src/engine/welfare/problem.ts'
import {
  answerTo,
  distance,
  type Kind,
  kindOf,
  kinds,
  plain,
  plainProblems,
  problemOf,
  problems,
  tableOf,
} from '../helpers/problems.ts'

const MAXIMIN = Number.NEGATIVE_INFINITY
/** Kolm–Pollak, of which the axioms ask what they ask of a power mean between utilitarian and maximin. */
const soft: Kind = {
  exponent: -1,
  request: { function: 'kolm-pollak', kappa: 0.7 },
  welfareFunction: kolmPollak(0.7),
}
const all = [...kinds, soft]
const anyKind = fc.constantFrom(...all)
/** Functions whose optimal utilities double precision holds well: not so steep that weights vanish. */
const mild = all.filter(({ exponent }) => exponent >= -4 || exponent === MAXIMIN)
const strictlyConcave = mild.filter(({ exponent }) => exponent < 1 && exponent > MAXIMIN)
const hair = 1e-6

/** A problem from its parts, with one of them changed. */
function changed(
  problem: WelfareProblem,
  parts: { table?: number[][]; population?: number[]; reference?: number[] },
): WelfareProblem {
  const { table = tableOf(problem), population, reference } = parts
  return problemOf(table, {
    population: population ?? Array.from(problem.population),
    reference: reference ?? Array.from(problem.reference),
    temperature: problem.temperature,
  })
}

function expect(far: number, limit: number, what: string): void {
  if (!(far <= limit)) throw new Error(`${what}: off by ${far}`)
}

function permuted<T>(list: ArrayLike<T>, order: readonly number[]): T[] {
  return order.map((k) => list[k])
}

const orderOf = (length: number) =>
  fc.shuffledSubarray(
    Array.from({ length }, (_, k) => k),
    { minLength: length, maxLength: length },
  )

t.test('anonymity: the names and order of the groups change nothing', async () => {
  const given = problems({ values: plain }).chain((problem) =>
    fc.tuple(fc.constant(problem), orderOf(problem.groups)),
  )
  await fc.assert(
    fc.asyncProperty(given, fc.constantFrom(...mild), async ([problem, order], { request }) => {
      const one = await answerTo(problem, request)
      const other = await answerTo(
        changed(problem, {
          table: permuted(tableOf(problem), order),
          population: permuted(problem.population, order),
        }),
        request,
      )
      expect(Math.abs(one.answer.welfare - other.answer.welfare), 1e-9, 'welfare')
      if (problem.temperature > 0 || one.answer.certificate.unique)
        expect(distance(one.policy, other.policy), hair, 'policy')
      if (problem.temperature > 0)
        expect(distance(permuted(one.reached, order), other.reached), hair, 'utilities')
    }),
    { seed: 1, numRuns: 300 },
  )
})

t.test('neutrality: the names and order of the items change nothing', async () => {
  const given = problems({ values: plain }).chain((problem) =>
    fc.tuple(fc.constant(problem), orderOf(problem.items)),
  )
  await fc.assert(
    fc.asyncProperty(given, fc.constantFrom(...mild), async ([problem, order], { request }) => {
      const one = await answerTo(problem, request)
      const other = await answerTo(
        changed(problem, {
          table: tableOf(problem).map((row) => permuted(row, order)),
          reference: permuted(problem.reference, order),
        }),
        request,
      )
      expect(Math.abs(one.answer.welfare - other.answer.welfare), 1e-9, 'welfare')
      if (problem.temperature > 0 || one.answer.certificate.unique)
        expect(distance(permuted(one.policy, order), other.policy), hair, 'policy')
    }),
    { seed: 2, numRuns: 300 },
  )
})

t.test('split invariance: a group in two parts of the same mind changes nothing', async () => {
  const given = problems({ groups: [1, 5], values: plain }).chain((problem) =>
    fc.tuple(fc.constant(problem), fc.nat(problem.groups - 1), fc.integer({ min: 1, max: 999 })),
  )
  await fc.assert(
    fc.asyncProperty(
      given,
      fc.constantFrom(...mild),
      async ([problem, split, thousandths], { request, exponent }) => {
        const table = tableOf(problem)
        const part = thousandths / 1000
        const population = Array.from(problem.population, (n, g) => (g === split ? n * part : n))
        const one = await answerTo(problem, request)
        const other = await answerTo(
          changed(problem, {
            table: [...table, table[split]],
            population: [...population, problem.population[split] * (1 - part)],
          }),
          request,
        )
        expect(Math.abs(one.answer.welfare - other.answer.welfare), 1e-9, 'welfare')
        if (problem.temperature > 0 || one.answer.certificate.unique)
          expect(distance(one.policy, other.policy), hair, 'policy')
        // Weights are of power means as unique as the utilities; the parts share theirs as they do the population.
        if (exponent === MAXIMIN || problem.temperature === 0) return
        const whole = other.lambda[split] + other.lambda[problem.groups]
        expect(Math.abs(whole - one.lambda[split]) / (1 + whole), 1e-5, 'weight')
      },
    ),
    { seed: 3, numRuns: 300 },
  )
})

/** The most that a lottery adds to the utilities together, or to the least of what it adds to any, with nobody losing. */
function improvement(
  maximise: Awaited<ReturnType<typeof linearProgramSolver>>,
  table: number[][],
  x: readonly number[],
  strict: boolean,
): number {
  const items = table[0].length
  // Variables: the lottery, and the gain that counts; rows: every group's gain, and probabilities that sum to 1.
  const columns = items + 1
  const rows: number[][] = table.map((row) => [...row, strict ? 0 : -1])
  rows.push([...table[0].map(() => 1), 0])
  const sums = table[0].map((_, i) => table.reduce((sum, row) => sum + row[i], 0))
  rows.push([...sums, -1])
  const total = x.reduce((a, b) => a + b, 0)
  const objective = new Float64Array(columns)
  objective[items] = 1
  const point = maximise({
    objective,
    rows: Float64Array.from(rows.flat()),
    rowLower: Float64Array.from([...x.map((value) => value - 1e-9), 1, strict ? total : 0]),
    rowUpper: Float64Array.from([...x.map(() => Infinity), 1, Infinity]),
  })
  if (point === null) throw new Error('the policy itself is no lottery')
  return point[items]
}

t.test('Pareto: no lottery is better for a group and worse for none', async (t) => {
  const maximise = await linearProgramSolver()
  let checked = 0
  await fc.assert(
    fc.asyncProperty(plainProblems({ items: [2, 8] }), anyKind, async (problem, { request, exponent }) => {
      const { reached } = await answerTo(problem, request)
      const table = tableOf(problem)
      expect(improvement(maximise, table, reached, false), 1e-7, 'all gain')
      // Maximin is not strict; where a weight is below what a double adds to the largest, no steep mean is either.
      if (exponent < -4) return
      checked++
      expect(improvement(maximise, table, reached, true), 1e-6, 'one gains')
    }),
    { seed: 4, numRuns: 400 },
  )
  t.ok(checked > 200)
})

t.test('maximin alone leaves gains that cost nobody anything', async (t) => {
  const maximise = await linearProgramSolver()
  const table = [
    [1, 1, 0],
    [1, 3, 0],
  ]
  const { reached } = await answerTo(problemOf(table), { function: 'maximin' })
  t.ok(improvement(maximise, table, reached, true) > 0.5)
})

t.test(
  'Pigou–Dalton: of two items that differ by a transfer from a better to a worse off, the equal one is chosen',
  async () => {
    const transfer = fc.record({
      groups: fc.integer({ min: 2, max: 5 }),
      worse: fc.integer({ min: 1, max: 50 }),
      apart: fc.integer({ min: 2, max: 50 }),
      moved: fc.integer({ min: 1, max: 49 }),
      others: fc.integer({ min: 20, max: 100 }),
    })
    await fc.assert(
      fc.asyncProperty(transfer, fc.constantFrom(...strictlyConcave), async (given, { request }) => {
        const { groups, worse, apart, others } = given
        const moved = Math.min(given.moved, apart - 1)
        const table = Array.from({ length: groups }, (_, g) => {
          if (g === 0) return [worse, worse + moved]
          return g === 1 ? [worse + apart, worse + apart - moved] : [others, others]
        })
        const { policy, utilities, answer } = await answerTo(problemOf(table), request)
        // Lotteries of the two are such transfers too. Where all is equal the welfare is flat: only the square of what is left
        // of the other item shows in it.
        const spread = (p: readonly number[]) =>
          Math.abs(
            utilities[0][0] * p[0] + utilities[0][1] * p[1] - utilities[1][0] * p[0] - utilities[1][1] * p[1],
          )
        expect(spread(policy) - Math.min(spread([1, 0]), spread([0, 1])), 1e-4, 'spread')
        expect(
          Math.max(0, ...[0, 1].map((i) => welfareOf(table, i, request, groups) - answer.welfare)),
          1e-12,
          'welfare',
        )
      }),
      { seed: 5, numRuns: 200 },
    )
  },
)

function welfareOf(table: number[][], item: number, request: Kind['request'], groups: number): number {
  const { welfareFunction } = all.find((kind) => kind.request === request) as Kind
  return welfareFunction.value(
    Float64Array.from(table, (row) => row[item]),
    new Float64Array(groups).fill(1 / groups),
  )
}

t.test('population monotonicity: a group that grows never gets less', async () => {
  const additive = mild.filter(({ exponent }) => exponent > MAXIMIN)
  const given = plainProblems({ groups: [2, 5] }).chain((problem) =>
    fc.tuple(fc.constant(problem), fc.nat(problem.groups - 1), fc.integer({ min: 101, max: 1000 })),
  )
  await fc.assert(
    fc.asyncProperty(
      given,
      fc.constantFrom(...additive),
      async ([problem, grown, percent], { request, exponent }) => {
        const larger = Array.from(problem.population, (n, g) => (g === grown ? (n * percent) / 100 : n))
        const total = larger.reduce((a, b) => a + b, 0)
        const before = await answerTo(problem, request)
        const after = await answerTo(changed(problem, { population: larger.map((n) => n / total) }), request)
        // Several utilitarian optima are worth the same, and which is nearest to the reference says nothing.
        if (exponent === 1 && !(before.answer.certificate.unique && after.answer.certificate.unique)) return
        expect(before.reached[grown] - after.reached[grown], hair, 'utility')
      },
    ),
    { seed: 6, numRuns: 300 },
  )
})

t.test(
  'an alternative that is not used can be left out, and one that is there twice adds nothing',
  async () => {
    await fc.assert(
      fc.asyncProperty(plainProblems({ items: [3, 10] }), fc.constantFrom(...mild), async (problem, kind) => {
        const { policy, reached, answer } = await answerTo(problem, kind.request)
        const keep = Array.from(policy.keys()).filter((i) => policy[i] > 0)
        const bystander = Array.from(policy.keys()).find((i) => policy[i] === 0)
        const kept = Array.from(policy.keys()).filter((i) => i !== bystander)
        const fewer = bystander === undefined || kept.length < 2 ? null : kept
        const restrict = (order: number[]) => {
          const shares = permuted(problem.reference, order)
          const sum = shares.reduce((a, b) => a + b, 0)
          return changed(problem, {
            table: tableOf(problem).map((row) => permuted(row, order)),
            reference: shares.map((share) => share / sum),
          })
        }
        const same = async (other: WelfareProblem, what: string) => {
          const { reached: now, answer: then } = await answerTo(other, kind.request)
          expect(Math.abs(then.welfare - answer.welfare), 1e-9, `welfare ${what}`)
          if (kind.exponent < 1 && kind.exponent > MAXIMIN)
            expect(distance(now, reached), hair, `utilities ${what}`)
        }
        if (fewer !== null) await same(restrict(fewer), 'without an unused item')
        const twice = [...Array.from(policy.keys()), keep[0]]
        await same(restrict(twice), 'with an item twice')
      }),
      { seed: 7, numRuns: 300 },
    )
  },
)

t.test(
  'above temperature 0 an item may be there twice if it has its share of the reference twice by halves',
  async () => {
    const warm = fc.integer({ min: -20, max: 20 }).map((tenth) => 10 ** (tenth / 10))
    const given = problems({ temperature: warm }).chain((problem) =>
      fc.tuple(fc.constant(problem), fc.nat(problem.items - 1)),
    )
    await fc.assert(
      fc.asyncProperty(given, anyKind, async ([problem, item], { request }) => {
        const one = await answerTo(problem, request)
        const half = problem.reference[item] / 2
        const other = await answerTo(
          changed(problem, {
            table: tableOf(problem).map((row) => [...row, row[item]]),
            reference: [...Array.from(problem.reference, (share, i) => (i === item ? half : share)), half],
          }),
          request,
        )
        expect(distance(one.reached, other.reached), 1e-8, 'utilities')
        expect(Math.abs(other.policy[item] - other.policy[problem.items]), 1e-12, 'halves')
      }),
      { seed: 8, numRuns: 200 },
    )
  },
)

t.test('Nash gives every group its fair share, and no proportional objection holds', async () => {
  await fc.assert(
    fc.asyncProperty(plainProblems(), async (problem) => {
      const { reached, utilities } = await answerTo(problem, { function: 'nash' })
      const { population } = problem
      reached.forEach((x, g) => {
        expect(population[g] * Math.max(...utilities[g]) - x, 1e-9, 'fair share')
      })
      for (let i = 0; i < problem.items; i++) {
        const claim = utilities.reduce((sum, row, g) => sum + (population[g] * row[i]) / reached[g], 0)
        expect(claim - 1, 1e-9, 'proportional fairness')
      }
    }),
    { seed: 9, numRuns: 500 },
  )
})

t.test('Nash leaves no coalition a deviation that its part of the population could enforce', async () => {
  const maximise = await linearProgramSolver()
  await fc.assert(
    fc.asyncProperty(plainProblems({ groups: [2, 4], items: [2, 6] }), async (problem) => {
      const { reached, utilities } = await answerTo(problem, { function: 'nash' })
      for (let coalition = 1; coalition < 2 ** problem.groups; coalition++) {
        const members = reached.map((_, g) => g).filter((g) => (coalition >> g) & 1)
        const size = members.reduce((sum, g) => sum + problem.population[g], 0)
        // max t with size·x_g(q) ≥ t·x_g for all members.
        const rows = members.map((g) => [...utilities[g].map((u) => (size * u) / reached[g]), -1])
        rows.push([...utilities[0].map(() => 1), 0])
        const objective = new Float64Array(problem.items + 1)
        objective[problem.items] = 1
        const point = maximise({
          objective,
          rows: Float64Array.from(rows.flat()),
          rowLower: Float64Array.from([...members.map(() => 0), 1]),
          rowUpper: Float64Array.from([...members.map(() => Infinity), 1]),
        })
        expect((point as Float64Array)[problem.items] - 1, 1e-8, `coalition ${members}`)
      }
    }),
    { seed: 10, numRuns: 60 },
  )
})

t.test('each function is invariant to the scales and shifts of the table, at temperature 0', async () => {
  const factors = fc.array(
    fc.integer({ min: -30, max: 30 }).map((tenth) => 10 ** (tenth / 10)),
    {
      minLength: 6,
      maxLength: 6,
    },
  )
  const shifts = fc.array(
    fc.integer({ min: -50, max: 50 }).map((tenth) => tenth / 10),
    { minLength: 6, maxLength: 6 },
  )
  await fc.assert(
    fc.asyncProperty(plainProblems(), factors, shifts, async (problem, scale, shift) => {
      const moved = (of: (value: number, g: number) => number) =>
        changed(problem, { table: tableOf(problem).map((row, g) => row.map((value) => of(value, g))) })
      const same = async (kind: Kind, other: WelfareProblem, what: string) => {
        const [one, two] = [await answerTo(problem, kind.request), await answerTo(other, kind.request)]
        if (one.answer.certificate.unique && two.answer.certificate.unique)
          expect(distance(one.policy, two.policy), hair, what)
        else {
          // Which policies are optimal is the same, so that the other's is as good here as its own.
          const { value } = kind.welfareFunction
          const worth = (policy: number[]) =>
            value(
              Float64Array.from(one.utilities, (row) => row.reduce((sum, u, i) => sum + u * policy[i], 0)),
              problem.population,
            )
          expect(Math.abs(worth(one.policy) - worth(two.policy)), 1e-8, what)
        }
      }
      const [common, up] = [scale[0], shift[0]]
      for (const kind of mild.filter((kind) => kind !== soft))
        await same(
          kind,
          moved((value) => common * value),
          `common scale, ${kind.exponent}`,
        )
      await same(
        soft,
        moved((value) => value + up),
        'common shift, Kolm–Pollak',
      )
      const [plainly, scaled] = [
        await answerTo(problem, { function: 'kolm-pollak', kappa: 0.7 }),
        await answerTo(
          moved((value) => common * value),
          { function: 'kolm-pollak', kappa: 0.7 / common },
        ),
      ]
      if (plainly.answer.certificate.unique && scaled.answer.certificate.unique)
        expect(distance(plainly.policy, scaled.policy), hair, 'common scale with its inverse, Kolm–Pollak')
      await same(
        kindOf(MAXIMIN),
        moved((value) => common * value + up),
        'common affine, maximin',
      )
      await same(
        kindOf(1),
        moved((value, g) => value + shift[g]),
        'shifts, utilitarian',
      )
      await same(
        kindOf(0),
        moved((value, g) => scale[g] * value),
        'scales, Nash',
      )
    }),
    { seed: 11, numRuns: 100 },
  )
})

t.test('and above it, if the temperature is scaled with the welfare', async () => {
  const warm = fc.integer({ min: -20, max: 20 }).map((tenth) => 10 ** (tenth / 10))
  const factor = fc.integer({ min: -30, max: 30 }).map((tenth) => 10 ** (tenth / 10))
  const homogeneous = fc.constantFrom(...kinds)
  fc.assert(
    fc.property(
      problems({ temperature: warm }),
      factor,
      homogeneous,
      (problem, scale, { welfareFunction }) => {
        const other = {
          ...problem,
          utilities: problem.utilities.map((value) => scale * value),
          temperature: problem.temperature * scale,
        }
        const [one, two] = [problem, other].map((posed) => optimise(posed, welfareFunction))
        expect(distance(one.policy, two.policy), 1e-9, 'policy')
      },
    ),
    { seed: 12, numRuns: 300 },
  )
})
