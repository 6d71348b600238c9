import t from 'tap'
import type { FrontItem, FrontResult } from '../../schemas/aggregate.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import { Problem } from '../../src/engine/problem.ts'
import { answerTo, distance, groupName, itemName, kindOf, problemOf, requestOf } from '../helpers/problems.ts'

/** Half a unit of the last digit that is published. */
const half = (digits: number) => 0.5001 * 10 ** -digits

// T1: three groups of different size, four items, a uniform reference, utilities from zero.
const T1 = [
  [4, 1, 2, 0],
  [0, 3, 2, 1],
  [1, 0, 1.5, 5],
]
const population = [0.5, 0.3, 0.2]

function solveT1(welfare: Welfare, temperature: number) {
  return answerTo(problemOf(T1, { population, temperature }), welfare)
}

t.test('T1 under maximin at temperature 0', async (t) => {
  const { policy, lambda, answer, reached } = await solveT1({ function: 'maximin' }, 0)
  t.ok(distance(policy, [1 / 39, 0, 34 / 39, 4 / 39]) < 1e-12, `policy ${policy}`)
  t.ok(distance(lambda, [5 / 13, 4 / 13, 4 / 13]) < 1e-12, `weights ${lambda}`)
  t.ok(Math.abs(answer.welfare - 24 / 13) < 1e-12)
  t.ok(distance(reached, [24 / 13, 24 / 13, 24 / 13]) < 1e-12, 'all groups are at the minimum')
  t.equal(answer.certificate.unique, true)
  t.equal(answer.supportOnly, true)
})

t.test('T1 under Nash at temperature 0', async (t) => {
  const { policy, lambda, answer } = await solveT1({ function: 'nash' }, 0)
  t.ok(distance(policy, [0.164218, 0, 0.835782, 0]) < half(6), `policy ${policy}`)
  t.ok(Math.abs(answer.welfare - 1.908963) < half(6), `welfare ${answer.welfare}`)
  t.ok(distance(lambda, [0.409924, 0.342607, 0.269268]) < half(6), `weights ${lambda}`)
  t.equal(answer.certificate.unique, true)
})

t.test('T1 under Nash at temperature 0.5', async (t) => {
  const { policy, lambda, answer, weights } = await solveT1({ function: 'nash' }, 0.5)
  t.ok(distance(policy, [0.318374, 0.174004, 0.357341, 0.150281]) < half(6), `policy ${policy}`)
  t.ok(distance(lambda, [0.412365, 0.385707, 0.222099]) < half(6), `weights ${lambda}`)
  t.ok(Math.abs(answer.weightScale - 1.020171) < half(6), `scale ${answer.weightScale}`)
  t.ok(Math.abs(answer.temperature - 0.5 / 1.020171) < half(6), 'the temperature to train with is β/S')
  t.ok(Math.abs(weights.reduce((a, b) => a + b, 0) - 1) < 1e-15)
  t.equal(answer.supportOnly, false)
})

t.test('T1 under the harmonic mean at temperature 0.5', async (t) => {
  const { lambda } = await solveT1({ function: 'power-mean', exponent: -1 }, 0.5)
  t.ok(distance(lambda, [0.383785, 0.409383, 0.22365]) < half(6), `weights ${lambda}`)
})

t.test('T1 under maximin at temperature 0.5', async (t) => {
  const { lambda, answer } = await solveT1({ function: 'maximin' }, 0.5)
  t.ok(Math.abs(answer.welfare - 1.709153) < half(6), `welfare ${answer.welfare}`)
  t.ok(distance(lambda, [0.322298, 0.457437, 0.220265]) < half(6), `weights ${lambda}`)
})

t.test('T1 under Kolm–Pollak at temperature 0.5', async (t) => {
  const { lambda, answer } = await solveT1({ function: 'kolm-pollak', kappa: 1 }, 0.5)
  t.ok(Math.abs(answer.welfare - 1.755311) < half(6), `welfare ${answer.welfare}`)
  t.ok(distance(lambda, [0.382399, 0.396945, 0.220656]) < half(6), `weights ${lambda}`)
})

t.test('T1 under utilitarian has the population for weights, and the best item of their sum', async (t) => {
  const { lambda, policy, answer } = await solveT1({ function: 'utilitarian' }, 0)
  t.ok(distance(lambda, population) < 1e-15)
  // Sums 0.5·4 + 0.2, 0.5 + 0.9, 1 + 0.6 + 0.3 and 0.3 + 1.
  t.ok(distance(Object.values(answer.rewards) as number[], [2.2, 1.4, 1.9, 1.3]) < 1e-15)
  t.same(policy, [1, 0, 0, 0])
  t.equal(answer.welfare, 2.2)
})

t.test('T2: two groups against one share the chances as the exponent says', async (t) => {
  const problem = problemOf([
    [1, 0],
    [0, 1],
    [0, 1],
  ])
  for (const exponent of [0.9, 0.5, 0.1, 0, -0.5, -1, -3, -30, Number.NEGATIVE_INFINITY]) {
    const { policy } = await answerTo(problem, kindOf(exponent).request)
    const expected = 1 / (1 + 2 ** (1 / (1 - exponent)))
    t.ok(Math.abs(policy[0] - expected) < 1e-12, `exponent ${exponent}: ${policy[0]}, not ${expected}`)
  }
  const nash = await answerTo(problem, { function: 'nash' })
  t.ok(Math.abs(nash.policy[0] - 1 / 3) < 1e-14)
  const harmonic = await answerTo(problem, { function: 'power-mean', exponent: -1 })
  t.ok(Math.abs(harmonic.policy[0] - 0.414214) < half(6))
  const maximin = await answerTo(problem, { function: 'maximin' })
  t.ok(Math.abs(maximin.policy[0] - 0.5) < 1e-14)
})

t.test('on the boundary the weights are the dual optimum, not the limit of the gradient', async (t) => {
  const problem = problemOf(
    [
      [3, -1, -1],
      [2, -1, -0.5],
    ],
    { reference: [0.05, 0.5, 0.45], temperature: 50 },
  )
  const { lambda, reached, answer } = await answerTo(problem, { function: 'power-mean', exponent: -1 })
  t.ok(Math.abs(reached[0] - 0.058) < half(3), `utility ${reached[0]}`)
  t.ok(Math.abs(reached[1]) < 1e-12, `utility ${reached[1]}`)
  t.ok(lambda[0] >= 0 && lambda[0] < 1e-9, `weight ${lambda[0]}`)
  t.ok(Math.abs(lambda[1] - 35.06) < half(2), `weight ${lambda[1]}`)
  t.ok(Math.abs(answer.welfare) < 1e-6)
})

/** The Pareto front of a table of utilities, at temperature 0 unless said. */
async function frontOf(table: number[][], temperature = 0): Promise<FrontResult> {
  return (await aggregate(
    requestOf(problemOf(table, { temperature }), { function: 'pareto-front' }),
  )) as FrontResult
}

const near = (a: number | null, b: number) => a !== null && Math.abs(a - b) < 1e-9

t.test('a front of two groups by hand', async (t) => {
  // The fourth point is under the line from the first to the second, the fifth under the third.
  const { front, dominated, hypervolume, knee, certificate } = await frontOf([
    [4, 0, 2.5, 3, 2],
    [0, 4, 2.5, 0.5, 2.5],
  ])
  const items = front as FrontItem[]
  t.same(
    items.map(({ item, supported }) => [item, supported]),
    [
      [itemName(0), true],
      [itemName(1), true],
      [itemName(2), true],
      [itemName(3), false],
    ],
  )
  t.same(dominated, [{ item: itemName(4), by: [itemName(2)], count: 1 }])
  // With weight t on the first group the points are worth 4t, 4 − 4t and 2.5: they change at 3/8 and 5/8.
  const shares = items.map(({ share }) => share)
  t.ok(distance(shares, [0.375, 0.375, 0.25, 0]) < 1e-12, `shares ${shares}`)
  t.ok(items.every(({ shareError }) => shareError === 0))
  t.ok(near(items[0].weights?.[groupName(0)] ?? null, 0.8125), 'the centre of [5/8, 1]')
  t.ok(near(items[2].weights?.[groupName(0)] ?? null, 0.5), 'the centre of [3/8, 5/8]')
  t.equal(items[3].weights, null)
  // [0, 2.5]² and the 0.5 × 0.5 of the fourth point beyond it.
  t.ok(near(hypervolume, 6.5), `hypervolume ${hypervolume}`)
  t.equal((knee as FrontItem).item, itemName(2))
  t.equal(certificate.unique, false)
  t.ok(certificate.relativeGap <= 1e-9)
})

t.test('a front of three groups by hand', async (t) => {
  const { front, hypervolume, hypervolumeError } = await frontOf([
    [3, 1, 1],
    [1, 3, 1],
    [1, 1, 3],
  ])
  // Three boxes of 3 that share a cube of 1.
  t.ok(near(hypervolume, 7), `hypervolume ${hypervolume}`)
  t.equal(hypervolumeError, 0)
  for (const { supported, share, shareError } of front as FrontItem[]) {
    t.equal(supported, true)
    t.equal(shareError, 0)
    t.ok(near(share, 1 / 3), `share ${share}`)
  }
})

t.test('an item that is the best of all is the whole front', async (t) => {
  const { front, dominated, knee, certificate } = await frontOf([
    [1, 2, 0],
    [5, 6, 6],
  ])
  t.equal(front.length, 1)
  const [only] = front as FrontItem[]
  t.equal(only.item, itemName(1))
  t.equal(only.share, 1)
  t.same(
    dominated.map(({ item }) => item),
    [itemName(0), itemName(2)],
  )
  t.same(knee, only)
  t.equal(certificate.unique, true)
})

/** The refusal of a problem. */
async function refusalOf(table: number[][], welfare: Welfare, temperature = 0) {
  try {
    await aggregate(requestOf(problemOf(table, { temperature }), welfare))
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  throw new Error('was answered')
}

type Proof = { weights: Record<string, number>; largestAggregatedUtility: number }

for (const temperature of [0, 2]) {
  t.test(
    `where no lottery gives both a gain, the weights prove it, at temperature ${temperature}`,
    async (t) => {
      // What one gains the other loses twice: 2/3 and 1/3 weigh every item at zero.
      const table = [
        [-1, 0, 2, 1],
        [2, 0, -4, -2],
      ]
      for (const exponent of [0, 0.5, -3]) {
        const { kind, evidence } = await refusalOf(table, kindOf(exponent).request, temperature)
        t.equal(kind, 'no-acceptable-policy')
        const { weights, largestAggregatedUtility } = evidence.certificate as Proof
        t.ok(distance(Object.values(weights), [2 / 3, 1 / 3]) < 1e-7, JSON.stringify(weights))
        t.ok(Math.abs(largestAggregatedUtility) < 1e-8)
        t.same(evidence.indifferentGroups, [])
      }
      const maximin = await answerTo(problemOf(table, { temperature }), { function: 'maximin' })
      t.ok(Math.abs(maximin.answer.welfare) < 1e-9, 'maximin has an answer')
    },
  )
}

t.test(
  'a group that no item lifts above its anchor is proof enough, and an indifferent one is named',
  async (t) => {
    const losing = await refusalOf(
      [
        [1, 2],
        [-3, -1],
      ],
      { function: 'nash' },
    )
    t.equal(losing.kind, 'no-acceptable-policy')
    t.same({ ...(losing.evidence.certificate as Proof).weights }, { [groupName(0)]: 0, [groupName(1)]: 1 })
    t.equal((losing.evidence.certificate as Proof).largestAggregatedUtility, -1)

    const indifferent = await refusalOf(
      [
        [1, 2],
        [0, 0],
      ],
      { function: 'power-mean', exponent: 0.5 },
    )
    t.same(indifferent.evidence.indifferentGroups, [groupName(1)])
    t.match(indifferent.message, /"group 1"/)
  },
)

t.test('an indifferent group caps the maximin, and has all the weight', async (t) => {
  const table = [
    [0, 3, 1],
    [1, 1, 1],
  ]
  for (const temperature of [0, 0.25, 1e5]) {
    const { lambda, policy, answer } = await answerTo(problemOf(table, { temperature }), {
      function: 'maximin',
    })
    t.ok(Math.abs(answer.welfare - 1) < 1e-12, `welfare ${answer.welfare}`)
    t.ok(distance(lambda, [0, 1]) < 1e-12, `weights ${lambda}`)
    // The uniform reference itself gives the other group 4/3.
    t.ok(distance(policy, [1 / 3, 1 / 3, 1 / 3]) < 1e-12, `policy ${policy}`)
  }
})
