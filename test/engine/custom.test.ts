import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import type { OptimumResult } from '../../schemas/aggregate.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import { Problem } from '../../src/engine/problem.ts'
import { tangentAt, welfareAt } from '../../src/engine/welfare/custom/certificate.ts'
import { lift } from '../../src/engine/welfare/custom/constraints.ts'
import { checkExpression } from '../../src/engine/welfare/custom/custom.ts'
import { ExpressionFault, located } from '../../src/engine/welfare/custom/expression.ts'
import { maximise } from '../../src/engine/welfare/custom/maximise.ts'
import { parseExpression } from '../../src/engine/welfare/custom/parse.ts'
import type { Program } from '../../src/engine/welfare/custom/program.ts'
import { type GroupsKnown, prove } from '../../src/engine/welfare/custom/prove.ts'
import { kolmPollak } from '../../src/engine/welfare/kolm-pollak.ts'
import { maximin } from '../../src/engine/welfare/maximin.ts'
import { optimise } from '../../src/engine/welfare/optimise.ts'
import { powerMean } from '../../src/engine/welfare/power-mean.ts'
import type { WelfareFunction, WelfareProblem } from '../../src/engine/welfare/problem.ts'
import { utilitarian } from '../../src/engine/welfare/utilitarian.ts'
import { adversarialRequest, attempt } from '../helpers/adversarial-requests.ts'
import { build, post, refuses } from '../helpers/app.ts'
import { distance, problemOf, problems, sizeOf, tableOf, utilitiesAt } from '../helpers/problems.ts'

const app = await build(t)
const three: GroupsKnown = { ids: ['east', 'north', 'west'], population: Float64Array.of(0.5, 0.3, 0.2) }

/** Inside properties, where thousands of assertions would only be counted. */
function must(condition: boolean, name: string): void {
  if (!condition) throw new Error(name)
}

/** KL(p‖π). */
function divergenceOf(policy: ArrayLike<number>, reference: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < policy.length; i++)
    if (policy[i] > 0) sum += policy[i] * Math.log(policy[i] / reference[i])
  return sum
}

async function programOf(expression: string, groups = three): Promise<Program> {
  return prove(expression, await parseExpression(expression), groups)
}

/** The program of an expression over the groups of a problem, which are called by their numbers. */
function programFor({ groups, population }: WelfareProblem, expression: string): Promise<Program> {
  return programOf(expression, { ids: Array.from({ length: groups }, (_, g) => String(g)), population })
}

async function faultOf(expression: string): Promise<string> {
  try {
    await programOf(expression)
  } catch (error) {
    if (error instanceof ExpressionFault) return located(expression, error)
    throw error
  }
  return ''
}

t.test('what can be proven is accepted', async (t) => {
  for (const expression of [
    'mean(x)',
    'x["east"]',
    'x[\'east\'] + n["west"] * x["west"]',
    'min(x) + max(0, 3) * mean(x)',
    'sum(n .* log(x))',
    'exp(sum(n .* log(x)))',
    'prod(x ^ n)',
    'prod(x .^ n)',
    'prod(x) ^ (1 / 3)',
    'geomean(x)',
    'sqrt(x["east"] * x["west"])',
    '(x["east"] * x["east"] * x["west"]) ^ (1/3) + 0 - 1',
    '(sum(n .* x ^ -1)) ^ -1',
    '1 / sum(n ./ x)',
    'mean(x ^ 0.5) ^ 2',
    'powermean(x, -3)',
    'powermean(x, 1) - 2',
    '-log(mean(exp(-2 * x))) / 2',
    '-log(sum(n .* exp(-x)))',
    '-mean(exp(-x))',
    '-mean(max(0, 1 - x) ^ 2)',
    '-abs(-max(0, 1 - min(x)))',
    '-sum(1 ./ x)',
    'mean(min(x, 3))',
    'mean(min(x, mean(x)))',
    'log(log(1 + mean(x)))',
    'min(geomean(x), 2 * min(x), 7)',
    '+mean(x)\n\t+ min(x)',
    '2e-3*mean(x)+.5*min(x)',
  ])
    t.equal(await faultOf(expression), '', expression)
})

const refused: [expression: string, place: string, rule: RegExp][] = [
  ['max(x)', 'characters 1 to 6 (max(x))', /is convex, and only what is concave or linear can stand here/],
  ['mean(x) + max(x)', 'characters 11 to 16 (max(x))', /is convex.*min is concave/],
  ['2 * (min(x) - (max(x) - 3)) + max(x)', 'characters 31 to 36 (max(x))', /is convex/],
  ['log(max(x))', 'characters 1 to 11 (log(max(x)))', /log is concave and rising.*max\(x\) is convex/],
  ['mean(x ^ 2)', 'characters 6 to 10 (x ^ 2)', /is convex.*Powers from 0 to 1 are concave/],
  ['exp(mean(x))', 'characters 1 to 12 (exp(mean(x)))', /is convex.*−exp\(−u\)/],
  ['1 / mean(x)', 'characters 1 to 11 (1 / mean(x))', /is convex.*minus in front/],
  ['sqrt(sum(x ^ 2))', 'characters 1 to 16 (sqrt(sum(x ^ 2)))', /a root is concave/],
  ['sum(x ^ 2) ^ 0.5', 'characters 1 to 16 (sum(x ^ 2) ^ 0.5)', /a power from 0 to 1 needs a concave base/],
  ['mean(x) ^ 3', 'characters 1 to 11 (mean(x) ^ 3)', /above 1 a convex base that cannot be negative/],
  ['x["east"] * x["west"]', 'characters 1 to 21', /powers sum to 2, and concave where they sum to at most 1/],
  ['prod(x)', 'characters 1 to 7 (prod(x))', /powers that sum to 3/],
  ['exp(sum(log(x)))', 'characters 1 to 16', /exp is convex/],
  ['mean(x) * max(x)', 'characters 1 to 16', /max\(x\) is not known to be concave/],
  ['min(x) / max(x)', 'characters 1 to 15', /divides one thing that depends on utilities by another/],
  ['min(min(x), max(x)) + min(x)', 'characters 1 to 19', /the least of several is concave/],
  ['-x["east"]', 'characters 1 to 10', /falls when utilities rise/],
  ['mean(x) - x["west"]', 'characters 11 to 19 (x["west"])', /counts? against welfare/],
  ['mean(x) - 0.5 * (max(x) - min(x))', 'characters 18 to 23 (max(x))', /counts? against welfare/],
  ['-abs(x["east"] - x["west"])', 'characters 2 to 27', /may rise or fall/],
  ['-mean((x - 1) ^ 2)', 'characters 7 to 17', /may rise or fall|is a division|nothing proves/],
  ['sum((n - 0.25) .* x)', 'characters 5 to 19', /may rise or fall/],
  ['3', 'character 1 (3)', /the same whatever the utilities are/],
  ['sqrt(x)', 'characters 1 to 7', /is a vector, and welfare is one number/],
  ['n * x', 'characters 1 to 5', /write \.\* for entry by entry/],
  ['mean(x["east"])', 'characters 6 to 14 (x["east"])', /is one number, and mean takes a vector/],
  ['0 * mean(x)', 'characters 1 to 11', /factor of 0/],
  ['mean(x) ^ 0', 'character 11 (0)', /exponent of 0/],
  ['mean(x) / (1 - 1)', 'characters 12 to 16', /division by 0/],
  ['mean(x) + 1 / 0', 'characters 11 to 15 (1 / 0)', /no finite real value/],
  ['mean(x) * log(-1)', 'characters 11 to 17 (log(-1))', /no finite real value/],
  ['mean(x) + sqrt(-1)', 'characters 11 to 18', /no finite real value/],
  ['mean(x) + exp(999)', 'characters 11 to 18', /no finite real value/],
  ['mean(x) + 1e30 ^ 9', 'characters 11 to 18', /they go to 1e\+100/],
  ['mean(x) * 1e308', 'characters 11 to 15 (1e308)', /from 1e-30 to 1e\+30/],
  ['mean(x) + 1e999', 'characters 11 to 15', /from 1e-30 to 1e\+30/],
  ['mean(x ^ 1e9)', 'characters 10 to 12 (1e9)', /exponent beyond 1000/],
  ['powermean(x, 2)', 'character 14 (2)', /from −1000 to 1/],
  ['powermean(x, min(x))', 'characters 14 to 19', /one constant/],
  ['mean(x) ^ min(x)', 'characters 11 to 16', /exponents are constants/],
  ['x["south"]', 'characters 1 to 10', /no group of the request: the groups are "east", "north", "west"/],
  ['x["__proto__"]', 'characters 1 to 14', /no group of the request/],
  ['x[1]', 'character 3 (1)', /groups are named, not numbered/],
  ['x["east", "west"]', 'character 1 (x)', /one group is x/],
  ['mean(x)["east"]', 'characters 1 to 4 (mean)', /one group is x/],
  ['norm(x)', 'characters 1 to 4 (norm)', /is no name that is known.*functions are mean, sum/],
  ['constructor', 'characters 1 to 11', /is no name that is known/],
  ['__proto__(x)', 'characters 1 to 9', /is no name that is known/],
  ['x.constructor', 'character 2 (.)', /has no meaning here/],
  ['mean', 'characters 1 to 4', /needs its arguments in brackets/],
  ['x(1)', 'character 1 (x)', /is no function/],
  ['mean(x, 1)', 'characters 1 to 10', /takes 1 argument, and has 2/],
  ['mean()', 'characters 1 to 6', /takes 1 argument, and has 0/],
  ['2 mean(x)', 'characters 1 to 9', /no operator between two factors/],
  ['y = mean(x)', 'character 1 (y)', /is no name/],
  ['x = mean(x)', 'character 3 (=)', /has no meaning here/],
  ['mean(x); min(x)', 'character 8 (;)', /has no meaning here/],
  ['mean(x)!', 'character 8 (!)', /has no meaning here/],
  ["mean(x')", "character 7 (')", /quotation mark is never closed/],
  ['5%', 'character 2 (%)', /has no meaning here/],
  ['mean(x) > 1 ? 2 : 3', 'character 9 (>)', /has no meaning here/],
  ['3 cm * mean(x)', 'characters 3 to 4 (cm)', /is no name/],
  ['2i + mean(x)', 'character 2 (i)', /is no name/],
  ['mean(x', 'character 7', /cannot be read: Parenthesis \) expected/],
  ['mean(x))', 'character 8 ())', /cannot be read/],
  ['mean(x) +', 'character 10', /cannot be read: Unexpected end/],
  ['"east"', 'characters 1 to 6', /nothing that can stand here/],
  ['', 'character 1', /is empty/],
  [`${'('.repeat(41)}x${')'.repeat(41)}`, 'character 41', /nested more than 40 deep/],
  [`mean(x)${' + 1'.repeat(250)}`, 'character', /may have 400/],
  [`${'-'.repeat(399)}x`, 'characters', /is a vector/],
  [`mean(x)${' '.repeat(2000)}`, 'character 2001', /may have 2000/],
]

t.test('what cannot be proven is refused with the place and the rule', async (t) => {
  for (const [expression, place, rule] of refused) {
    const fault = await faultOf(expression)
    t.equal(fault.slice(0, place.length), place, `${expression.slice(0, 60)} → ${fault}`)
    t.match(fault, rule)
  }
})

// Expressions from the rules' own grammar and somewhat beyond it: some are accepted and many are not.
const scalars = fc.constantFrom('2', '0.5', '3', '-1', 'n["east"]', 'mean(n)')
const { expression: random } = fc.letrec<{ expression: string; vector: string }>((tie) => ({
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('x["east"]', 'x["west"]', 'mean(x)', 'min(x)'),
    fc
      .tuple(fc.constantFrom('mean', 'sum', 'min', 'max', 'geomean', 'prod'), tie('vector'))
      .map(([f, v]) => `${f}(${v})`),
    fc.tuple(tie('vector'), fc.constantFrom('-2', '0.5', '0')).map(([v, r]) => `powermean(${v}, ${r})`),
    fc
      .tuple(tie('expression'), fc.constantFrom('+', '-', '*'), tie('expression'))
      .map((all) => `(${all.join(' ')})`),
    fc.tuple(scalars, tie('expression')).map(([c, e]) => `${c} * ${e}`),
    fc
      .tuple(fc.constantFrom('log', 'exp', 'sqrt', '-', 'abs', '-exp'), tie('expression'))
      .map(([f, e]) => `${f}(${e})`),
    fc.tuple(tie('expression'), fc.constantFrom('-1', '0.5', '2', '1/3')).map(([e, r]) => `(${e}) ^ (${r})`),
    fc
      .tuple(fc.constantFrom('min', 'max'), tie('expression'), tie('expression'))
      .map(([f, a, b]) => `${f}(${a}, ${b})`),
  ),
  vector: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('x', 'n .* x', 'x + 1', '2 - x', 'x - mean(x)'),
    fc.tuple(fc.constantFrom('log', 'exp', 'sqrt', '-'), tie('vector')).map(([f, v]) => `${f}(${v})`),
    fc.tuple(tie('vector'), fc.constantFrom('-1', '0.5', '2', 'n')).map(([v, r]) => `(${v}) ^ (${r})`),
    fc
      .tuple(fc.constantFrom('min', 'max'), tie('vector'), tie('expression'))
      .map(([f, v, e]) => `${f}(${v}, ${e})`),
    fc.tuple(tie('vector'), fc.constantFrom('+', '.*'), tie('vector')).map((all) => `(${all.join(' ')})`),
  ),
}))

const points = fc
  .array(fc.integer({ min: 1, max: 40 }), { minLength: 3, maxLength: 3 })
  .map((tenths) => Float64Array.from(tenths, (k) => k / 10))

t.test('what is accepted is concave, never falls, and lies below its tangents', async (t) => {
  let accepted = 0
  let compared = 0
  await fc.assert(
    fc.asyncProperty(
      random,
      fc.array(fc.tuple(points, points, fc.double({ min: 0.05, max: 0.95, noNaN: true })), {
        minLength: 6,
        maxLength: 6,
      }),
      fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 20, maxLength: 20 }),
      async (expression, segments, drawn) => {
        let program: Program
        try {
          program = await programOf(expression)
        } catch (error) {
          if (error instanceof ExpressionFault) return
          throw error
        }
        accepted++
        const lifted = lift(program)
        const w = (x: Float64Array) => welfareAt(program, x)
        for (const [a, b, part] of segments) {
          const between = a.map((value, g) => part * value + (1 - part) * b[g])
          const above = a.map((value, g) => Math.max(value, b[g]))
          const [atA, atB, atBetween, atAbove] = [a, b, between, above].map(w)
          if (![atA, atB].every((value) => Number.isFinite(value) && Math.abs(value) < 1e12)) continue
          compared++
          const rounding = 1e-9 * Math.max(1, Math.abs(atA), Math.abs(atB))
          must(atBetween >= part * atA + (1 - part) * atB - rounding, `${expression} is concave`)
          must(atAbove >= Math.max(atA, atB) - rounding, `${expression} never falls`)
          // Any mixture of branches gives a tangent above W, whatever it is worth.
          const multipliers = Float64Array.from(
            lifted.constraints,
            (_, j) => drawn[j % drawn.length] * (j < lifted.branches ? 1 : 0),
          )
          const { weights, level } = tangentAt(lifted, a, multipliers, new Float64Array(0))
          const tangent = weights.reduce((sum, weight, g) => sum + weight * b[g], level)
          if (Number.isFinite(tangent))
            must(
              tangent >= atB - 1e-9 * Math.max(1, Math.abs(atB), Math.abs(tangent)),
              `${expression} lies below`,
            )
        }
      },
    ),
    { seed: 4, numRuns: 1000 },
  )
  t.ok(accepted > 100 && compared > 300, `${accepted} accepted, ${compared} segments`)
})

t.test('weights are the slopes, where there is one', async (t) => {
  const x = Float64Array.of(0.7, 1.9, 3.1)
  for (const expression of [
    'geomean(x)',
    'powermean(x, -3)',
    '-log(mean(exp(-x)))',
    'sqrt(x["east"] * x["west"]) + log(mean(x))',
    '-mean(max(0, 2 - x) ^ 2) + mean(sqrt(x))',
    '(sum(n .* x ^ -1)) ^ -1',
    'min(2 * x["east"], x["north"])',
    'prod(x ^ n) + x["west"] ^ 0.3',
  ]) {
    const program = await programOf(expression)
    const lifted = lift(program)
    // The branch that holds at x has the whole of its mixture.
    const shares = lifted.constraints.map(() => 0)
    if (expression.startsWith('min')) shares[0] = 1
    if (expression.includes('max'))
      for (const j of [0, 1]) for (const g of [0, 1, 2]) shares[2 * g + j] = Number(x[g] < 2 === (j === 1))
    const { weights, level } = tangentAt(lifted, x, Float64Array.from(shares), new Float64Array(0))
    for (let g = 0; g < 3; g++) {
      const moved = (by: number) =>
        welfareAt(
          program,
          x.map((value, k) => value + (k === g ? by : 0)),
        )
      t.ok(Math.abs((moved(1e-5) - moved(-1e-5)) / 2e-5 - weights[g]) < 1e-8, `${expression}: ∂W/∂x_${g}`)
    }
    t.ok(
      Math.abs(weights.reduce((sum, weight, g) => sum + weight * x[g], level) - welfareAt(program, x)) <
        1e-12,
    )
  }
})

const twins: [expression: string, welfareFunction: WelfareFunction][] = [
  ['mean(x)', utilitarian],
  ['sum(n .* x)', utilitarian],
  ['min(x)', maximin],
  ['-max(-x)', maximin],
  ['exp(sum(n .* log(x)))', powerMean(0)],
  ['prod(x ^ n)', powerMean(0)],
  ['geomean(x)', powerMean(0)],
  ['(sum(n .* x ^ -1)) ^ -1', powerMean(-1)],
  ['1 / mean(1 / x)', powerMean(-1)],
  ['mean(sqrt(x)) ^ 2', powerMean(0.5)],
  ['powermean(x, -20)', powerMean(-20)],
  ['powermean(x, 0.9)', powerMean(0.9)],
  ['-log(mean(exp(-2 * x))) / 2', kolmPollak(2)],
]

t.test('an expression that says what a listed function says gets its answer', async (t) => {
  for (const [k, [expression, welfareFunction]] of twins.entries()) {
    await fc.assert(
      fc.asyncProperty(problems({ groups: [2, 5], items: [2, 9] }), async (problem) => {
        const own = maximise(problem, await programFor(problem, expression))
        const listed = optimise(problem, welfareFunction)
        const cost = (policy: ArrayLike<number>) =>
          problem.temperature * divergenceOf(policy, problem.reference)
        const [best, listedBest] = [own.welfare - cost(own.policy), listed.welfare - cost(listed.policy)]
        const slack = 1e-9 * sizeOf(problem, Array.from(listed.weights), listedBest)
        must(own.certificate.relativeGap <= 1e-8, `${expression}: ${own.certificate.relativeGap}`)
        must(
          best <= listedBest + listed.certificate.gap + slack,
          `${expression}: ${best} above ${listedBest}`,
        )
        must(best >= listedBest - own.certificate.gap - slack, `${expression}: ${best} below ${listedBest}`)
        // Gaps that are rounding leave policies of so much freedom.
        if (problem.temperature >= 1) must(distance(own.policy, listed.policy) < 1e-6, expression)
      }),
      { seed: k, numRuns: 40 },
    )
    t.pass(expression)
  }
})

const unlisted = [
  'mean(min(x, 1))+ 0.01 * mean(x)',
  'sqrt(min(x)) + min(mean(x), 2)',
  'min(geomean(x), 2 * min(x))',
  'mean(x) - mean(max(0, 2 - x))',
  'min(x["0"], 0.5 + x["1"])',
  'log(min(x)) + mean(x) / 10',
  'mean(log(x + 1)) + min(x)',
  'min(sqrt(x["0"]), x["1"])',
]

t.test('no other policy is better by more than the gap, and the weights support the optimum', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      problems({ groups: [2, 5], items: [2, 9] }),
      fc.constantFrom(...unlisted),
      async (problem, expression) => {
        const { items, groups, temperature, reference } = problem
        const program = await programFor(problem, expression)
        const { weights, policy, utilities, welfare, certificate } = maximise(problem, program)
        must(certificate.relativeGap <= 1e-8, expression)
        const w = (x: number[]) => welfareAt(program, Float64Array.from(x))
        const objective = (p: ArrayLike<number>) =>
          w(utilitiesAt(problem, p)) - temperature * divergenceOf(p, reference)
        const best = objective(policy)
        const size = sizeOf(problem, Array.from(weights), best)
        must(
          Math.abs(welfare - w(Array.from(utilities))) <= 1e-12 * Math.max(1, Math.abs(welfare)),
          'W is W(x)',
        )
        must(distance(utilities, utilitiesAt(problem, policy)) < 1e-9, 'x is x(p)')
        // D(λ) − F(p) of the definition, with W_* bounded by what W is along the ways to all items and beyond.
        const table = tableOf(problem)
        const values = Array.from({ length: items }, (_, i) =>
          table.reduce((sum, row, g) => sum + weights[g] * row[i], 0),
        )
        const top = Math.max(...values)
        const dual =
          temperature === 0
            ? top
            : top +
              temperature *
                Math.log(
                  values.reduce(
                    (sum, value, i) => sum + reference[i] * Math.exp((value - top) / temperature),
                    0,
                  ),
                )
        const at = (x: ArrayLike<number>) =>
          Array.from(x).reduce((sum, value, g) => sum + weights[g] * value, 0)
        const tolerance = 1e-7 * size
        must(dual - at(utilities) + welfare - best <= tolerance, `${expression}: λ supports p`)
        for (let i = 0; i < items; i++) {
          for (const part of [0.01, 0.3, 1]) {
            const p = Array.from(policy, (share, k) => (1 - part) * share + (k === i ? part : 0))
            if (Number.isFinite(objective(p)))
              must(objective(p) <= best + certificate.gap + tolerance, `${expression}: towards ${i}`)
          }
          for (let g = 0; g < groups; g++) {
            const x = Array.from(utilities, (value, k) => value * (k === g ? 0.5 + i / 3 : 1))
            const there = w(x)
            if (!Number.isNaN(there))
              must(there <= welfare + at(x) - at(utilities) + tolerance, `${expression}: λ is a slope`)
          }
        }
      },
    ),
    { seed: 9, numRuns: 150 },
  )
  t.pass('150 problems')
})

t.test('many groups and items, of scales far apart, are certified as well', async (t) => {
  const random = (k: number) => ((k * 48271 + 11) % 2147483647) / 2147483647
  let k = 1
  const draw = () => {
    k = (k * 48271) % 2147483647
    return random(k)
  }
  const table = Array.from({ length: 20 }, (_, g) =>
    Array.from({ length: 400 }, () => draw() * 10 ** (g % 5)),
  )
  for (const temperature of [0, 0.3]) {
    const problem = problemOf(table, { temperature })
    for (const expression of ['min(x) + 0.1 * mean(x)', 'mean(sqrt(x))', 'mean(min(x, 3))'])
      t.ok(
        maximise(problem, await programFor(problem, expression)).certificate.relativeGap <= 1e-8,
        `${expression} at ${temperature}`,
      )
  }
})

t.test('where all items are alike the reference is the answer', async (t) => {
  for (const temperature of [0, 1e-3, 1e3]) {
    const problem = problemOf(
      [
        [0, 0],
        [0, 0],
      ],
      { temperature, reference: [0.25, 0.75] },
    )
    const { policy, certificate } = maximise(problem, await programFor(problem, 'min(x) + mean(x)'))
    t.ok(distance(policy, [0.25, 0.75]) < 1e-12, `at ${temperature}`)
    t.equal(certificate.relativeGap, 0)
  }
})

t.test('a gap is told in the units of the utilities, however small', async (t) => {
  for (const temperature of [0, 1e-6, 1]) {
    const problem = problemOf(
      [
        [3e-17, 3e-17],
        [-5e-16, -5e-16],
      ],
      { temperature },
    )
    const { weights, certificate } = maximise(problem, await programFor(problem, 'min(x)'))
    // D − F = λ·x − min x, for weights that sum to 1.
    t.ok(Math.abs(weights[0] + weights[1] - 1) < 1e-12, `weights at ${temperature} sum to 1`)
    t.ok(weights[0] * (3e-17 + 5e-16) <= 1e-8 * 5e-16, `nothing for who is better off, ${weights[0]}`)
    t.ok(certificate.relativeGap < 1e-8)
  }
})

t.test('weights that the path takes to zero are zero', async (t) => {
  const reference = [0.002, 0.998]
  for (const temperature of [0, 1]) {
    const apart = problemOf(
      [
        [0, 1e-12],
        [0, 8e5],
        [0, 0],
      ],
      { temperature, reference },
    )
    const least = maximise(apart, await programFor(apart, 'min(x)'))
    t.same([...least.weights], [0, 0, 1], 'all counts for whom no policy moves')
    t.equal(least.certificate.relativeGap, 0)

    const near = problemOf(
      [
        [0, 0.5],
        [0, 8],
        [0, 0],
      ],
      { temperature, reference },
    )
    const mixed = maximise(near, await programFor(near, '0.5 * mean(x) + 0.5 * min(x)'))
    const expected = near.population.map((share, g) => share / 2 + (g === 2 ? 0.5 : 0))
    t.ok(distance(mixed.weights, expected) < 1e-12, `beside a mean, at ${temperature}`)
  }
})

t.test('utilities that all but vanish at the optimum are resolved', async (t) => {
  // Where a group of few people has some 1e-8 and its slope hangs on every digit of it.
  const problem = problemOf(
    [
      [-2, 4, 0],
      [0, 2, 0],
      [8, 6, 0],
      [1, 0, 0],
    ],
    { population: [9e-6, 0.14, 2e-5, 0.859971] },
  )
  const own = maximise(problem, await programFor(problem, 'sum(n .* sqrt(x))'))
  t.ok(own.certificate.relativeGap < 1e-11, `${own.certificate.relativeGap}`)
  const listed = optimise(problem, powerMean(0.5))
  t.ok(
    distance(own.policy, listed.policy) < 1e-9,
    'the optimum of the power mean of 1/2, which is its square',
  )
  t.ok(own.utilities[0] > 0 && own.utilities[0] < 1e-6, `${own.utilities[0]}`)
  for (let g = 0; g < 4; g++) {
    const slope = problem.population[g] / (2 * Math.sqrt(own.utilities[g]))
    t.ok(Math.abs(own.weights[g] / slope - 1) < 1e-5, `the weight of ${g} is the slope`)
  }
})

t.test('a power mean keeps its digits where the least has few people', async (t) => {
  const population = Float64Array.of(1e-9, 1 - 1e-9)
  const program = await programOf('powermean(x, -2)', { ids: ['few', 'many'], population })
  for (const few of [1e-5, 0.37, 1, 1.0001, 4e3]) {
    const expected = (population[0] * few ** -2 + population[1] * 1e6 ** -2) ** -0.5
    const found = welfareAt(program, Float64Array.of(few, 1e6))
    t.ok(Math.abs(found / expected - 1) < 1e-13, `${few}: ${found}, and by the definition ${expected}`)
  }
})

t.test('a least that must be positive is so for groups of any size', async (t) => {
  // Both have gains from c alone, which the other items take from one of them.
  for (const size of [1, 1e-12]) {
    const table = [
      [1e10, -3e10, 1e9],
      [-2 * size, size, 0.1 * size],
    ]
    const problem = problemOf(table, {})
    const { utilities, certificate } = maximise(
      problem,
      await programFor(problem, 'sqrt(mean(x)) + sqrt(min(x))'),
    )
    t.ok(certificate.relativeGap < 1e-8)
    t.ok(utilities[0] > 0 && utilities[1] > 0, `${utilities}`)
    const without = problemOf([table[0].slice(0, 2), table[1].slice(0, 2)], {})
    const program = await programFor(without, 'sqrt(mean(x)) + sqrt(min(x))')
    t.throws(() => maximise(without, program), /no policy reaches the domain/, 'and without c no policy')
  }
})

t.test('problems of an adversary are answered, or refused with a proof', async (t) => {
  const withs = { contexts: true, constraints: true }
  // Near-ties, scales apart, groups whom no policy moves, contexts and constraints: each was beyond a simpler solver.
  const chosen: [number, string][] = [
    [11, 'min(x)'],
    [25, 'min(x)'],
    [60, 'min(x)'],
    [86, 'min(x)'],
    [137, 'min(x)'],
    [179, 'sum(n .* x) + 2 * min(x)'],
    [676, 'min(x)'],
    [785, 'sum(n .* sqrt(x))'],
    [1055, 'geomean(x)'],
    [1598, 'powermean(x, -2)'],
    [2597, 'sum(n .* sqrt(x))'],
    [2674, 'powermean(x, -2)'],
    [2978, 'geomean(x)'],
    [14, 'sqrt(mean(x)) + sqrt(min(x))'],
    [446, 'sqrt(mean(x)) + sqrt(min(x))'],
  ]
  for (const [k, expression] of chosen) {
    const family = { name: 'custom', parameters: () => ({ expression }) }
    const outcome = await attempt(adversarialRequest(k, withs), family, 1)
    t.equal('fault' in outcome ? outcome.fault : '', '', `${k}: ${expression}`)
  }
})

t.test('contexts and constraints are honoured as for the listed functions', async (t) => {
  const request = {
    rewards: {
      east: { a: 4, b: 1, c: 2, d: 0 },
      north: { a: 0, b: 3, c: 2, d: 1 },
      west: { a: 1, b: 0, c: 1.5, d: 5 },
    },
    groups: [
      { id: 'east', population: 0.5 },
      { id: 'north', population: 0.3 },
      { id: 'west', population: 0.2 },
    ],
    utility: { anchor: 'zero' },
    constraints: [{ kind: 'floor', group: 'north', minimum: 1.9 }],
  }
  const contexts = [
    { id: 'one', weight: 0.25, items: ['a', 'b'] },
    { id: 'two', weight: 0.75, items: ['a', 'c', 'd'] },
  ]
  const pairs: [Welfare, Welfare][] = [
    [{ function: 'custom', expression: 'geomean(x)' }, { function: 'nash' }],
    [{ function: 'custom', expression: 'min(x)' }, { function: 'maximin' }],
    [{ function: 'custom', expression: 'mean(x)' }, { function: 'utilitarian' }],
  ]
  for (const policy of [
    { temperature: 0 },
    { temperature: 0.5 },
    { temperature: 0, contexts },
    { temperature: 0.5, contexts },
  ]) {
    for (const welfare of pairs) {
      const floor = 'contexts' in policy ? 1 : 1.9
      const body = {
        ...request,
        policy,
        constraints: [{ ...request.constraints[0], minimum: floor }],
        welfare,
      }
      const answer = await post(app, '/compare', body)
      t.equal(answer.statusCode, 200, answer.body)
      const [own, listed] = answer.json().results
      const name = `${welfare[1].function} ${JSON.stringify(policy)}`
      t.ok(Math.abs(own.welfare - listed.welfare) < 1e-9, name)
      for (const id of ['east', 'north', 'west'])
        t.ok(Math.abs(own.weights[id] - listed.weights[id]) < 1e-6, `${name}: weight of ${id}`)
      t.ok(Math.abs(own.constraints[0].price - listed.constraints[0].price) < 1e-6, `${name}: price`)
    }
  }
})

const rewards = { east: { a: 1, b: 0 }, north: { a: 0, b: 1 }, west: { a: 2, b: 1 } }
const ask = (expression: string, more = {}) => ({
  rewards,
  utility: { anchor: 'zero' },
  welfare: { function: 'custom', expression },
  ...more,
})
const invalid = (says: RegExp, at = '/welfare/expression') => ({
  status: 400,
  kind: 'invalid-request',
  at,
  says,
})

t.test('refusals point at the expression in the request', async (t) => {
  refuses(
    t,
    await post(app, '/aggregate', ask('mean(x) + max(x)')),
    invalid(/characters 11 to 16 \(max\(x\)\): is convex/),
    'aggregate',
  )
  refuses(
    t,
    await post(
      app,
      '/compare',
      ask('', {
        welfare: [
          { function: 'nash' },
          { function: 'maximin' },
          { function: 'custom', expression: '-x["east"]' },
        ],
      }),
    ),
    invalid(/falls when utilities rise/, '/welfare/2/expression'),
    'compare',
  )
  refuses(
    t,
    await post(app, '/aggregate', ask('x["south"]')),
    invalid(/no group of the request: the groups are "east", "north", "west"/),
    'unknown group',
  )
  refuses(t, await post(app, '/aggregate', ask('x'.repeat(100_000))), invalid(/2000 characters/), 'long')
  refuses(
    t,
    await post(app, '/aggregate', ask('mean(x)', { welfare: { function: 'custom' } })),
    invalid(/is required/),
    'missing',
  )
  refuses(
    t,
    await post(app, '/aggregate', ask('mean(x)', { mode: 'ex-post' })),
    invalid(/cannot be custom ex post/, '/welfare/function'),
    'ex post',
  )
  const comparisons = ['east', 'west'].flatMap((group) => [
    { group, winner: 'a', loser: 'b', annotator: '1' },
    { group, winner: 'b', loser: 'a', annotator: '2' },
  ])
  const welfare = { function: 'custom', expression: 'x["east"]' }
  refuses(
    t,
    await post(app, '/audit', { comparisons, welfare }),
    invalid(/cannot be custom/, '/welfare/function'),
    'audit',
  )
  refuses(
    t,
    await post(app, '/questions', { comparisons, welfare: { ...welfare, expression: 'max(x)' } }),
    invalid(/is convex/),
    'questions',
  )
  const unnamed = comparisons.map(({ group: _, ...rest }) => rest)
  refuses(
    t,
    await post(app, '/aggregate', { comparisons: unnamed, groups: { discover: { max: 2 } }, welfare }),
    invalid(/no names/),
    'discovered',
  )
})

t.test('a policy outside of the domain, and welfare that has enough, are answers that say why', async (t) => {
  const outside = refuses(
    t,
    await post(app, '/aggregate', ask('mean(log(x - 0.6))')),
    { status: 422, kind: 'no-acceptable-policy', says: /defined only where x - 0\.6 is above 0/ },
    'log',
  )
  const { weights, constant, largest } = outside.certificate as unknown as {
    weights: Record<string, number>
    constant: number
    largest: number
  }
  t.same(outside.expressions, ['x - 0.6'])
  t.ok(largest <= 1e-8)
  for (const item of ['a', 'b'] as const) {
    const at = Object.entries(rewards).reduce((sum, [id, row]) => sum + weights[id] * row[item], constant)
    t.ok(at <= largest + 1e-12, `the bound holds at ${item}`)
  }
  const sated = { status: 422, kind: 'welfare-satiated', says: /all group weights are zero/ }
  for (const temperature of [0, 0.5]) {
    const policy = { temperature }
    refuses(
      t,
      await post(app, '/aggregate', ask('mean(min(x, 0.25))', { policy })),
      sated,
      `enough at ${temperature}`,
    )
    t.equal(
      (await post(app, '/aggregate', ask('mean(min(x, 0.25)) + 0.01 * mean(x)', { policy }))).statusCode,
      200,
    )
  }
})

t.test('no text makes anything but an answer or a refusal', async (t) => {
  const words = [
    'x',
    'n',
    '(',
    ')',
    '[',
    ']',
    ',',
    '+',
    '-',
    '*',
    '/',
    '^',
    '.*',
    './',
    '.^',
    '"east"',
    '2',
    '0',
    '1e30',
    '1e-30',
    '.5',
    ' ',
    ...['mean', 'min', 'max', 'sum', 'log', 'exp', 'sqrt', 'abs', 'prod', 'geomean', 'powermean'].map(
      (name) => `${name}(`,
    ),
    '=',
    ';',
    '{',
    'constructor',
    '__proto__',
    '\\',
    "'",
    '\n',
    '\u2028',
    '😀',
  ]
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.array(fc.constantFrom(...words), { maxLength: 30 }).map((list) => list.join('')),
  )
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(texts, async (expression) => {
      try {
        await checkExpression({ function: 'custom', expression }, three, '/welfare')
        accepted++
      } catch (error) {
        must(
          error instanceof Problem && error.kind === 'invalid-request',
          `${JSON.stringify(expression)}: ${error}`,
        )
      }
    }),
    { seed: 2, numRuns: 2000 },
  )
  await fc.assert(
    fc.asyncProperty(random, async (expression) => {
      const answer = await post(app, '/aggregate', ask(expression))
      must([200, 400, 422].includes(answer.statusCode), `${expression}: ${answer.body}`)
      if (answer.statusCode !== 200) return
      accepted++
      const { certificate, weights } = answer.json() as OptimumResult
      must(certificate.relativeGap <= 1e-8, expression)
      must(
        Object.values(weights).every((weight) => weight >= 0),
        expression,
      )
    }),
    { seed: 3, numRuns: 200 },
  )
  t.ok(accepted > 30, `${accepted} accepted`)
})

t.test('the examples of the documentation are what they say', async (t) => {
  const page = readFileSync('docs/custom-welfare.md', 'utf8')
  const [, body] = /-d '(\{[\s\S]*?\})'\n```/.exec(page) as RegExpExecArray
  const answer = (await post(app, '/aggregate', body)).json() as OptimumResult
  t.same(
    Object.values(answer.weights).map((weight) => weight.toFixed(3)),
    ['0.435', '0.391', '0.174'],
  )
  t.same(
    Object.values(answer.policy).map((share) => share.toFixed(3)),
    ['0.250', '0.000', '0.750', '0.000'],
  )
  t.equal(answer.welfare.toFixed(3), '4.975')
  const rows = [...page.matchAll(/^\| `([^`]+)` +\| (accepted|refused) +\| (.*?) *\|$/gm)]
  t.ok(rows.length >= 14)
  for (const [, expression, verdict, because] of rows) {
    const fault = await faultOf(expression)
    t.equal(fault === '', verdict === 'accepted', `${expression}: ${fault}`)
    const place = /characters \d+ to \d+/.exec(because)
    if (place !== null) t.equal(fault.slice(0, place[0].length), place[0], expression)
  }
})
