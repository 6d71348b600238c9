import t from 'tap'
import type { AggregateRequest, OptimumResult } from '../../schemas/aggregate.ts'
import type { Utility, UtilitySettings } from '../../schemas/policy.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import type { Rewards } from '../../src/engine/fitted.ts'
import { type Anchor, utilitiesOf } from '../../src/engine/utilities/utilities.ts'
import { distance } from '../helpers/problems.ts'

const SCALES = ['none', 'unit-range', 'standard-deviation', 'win-probability'] as const
const ANCHORS = ['worst', 'zero', 'reference', { item: 2 }] as const
type Scale = UtilitySettings['scale']

function given(values: number[]): Rewards {
  return {
    values: Float64Array.from(values),
    seen: new Uint8Array(values.length).fill(1),
    weights: null,
    fit: null,
    extras: {},
  }
}

/** Rewards as a fit would leave them; the fit itself is not looked at. */
function fitted(values: number[], seen: number[]): Rewards {
  return {
    values: Float64Array.from(values),
    seen: Uint8Array.from(seen),
    weights: null,
    fit: {} as Rewards['fit'],
    extras: {},
  }
}

const reference = Float64Array.of(0.5, 0.25, 0.25)

// Rewards 1, 3, 5: range 4, population standard deviation √(8/3), and chances to beat σ(±2) and σ(±4).
const deviation = Math.sqrt(8 / 3)
const two = 1 / (1 + Math.exp(-2))
const four = 1 / (1 + Math.exp(-4))
const scaled: Record<Scale, [number, number, number]> = {
  none: [1, 3, 5],
  'unit-range': [0.25, 0.75, 1.25],
  'standard-deviation': [1 / deviation, 3 / deviation, 5 / deviation],
  'win-probability': [(1 - two + (1 - four)) / 2, 0.5, (two + four) / 2],
}
const factors: Record<Scale, number | null> = {
  none: 1,
  'unit-range': 0.25,
  'standard-deviation': 1 / deviation,
  'win-probability': null,
}

for (const scale of SCALES) {
  t.test(`under scale ${scale} every anchor is subtracted after scaling`, async (t) => {
    const values = scaled[scale]
    const anchors = {
      worst: values[0],
      zero: 0,
      reference: 0.5 * values[0] + 0.25 * values[1] + 0.25 * values[2],
      item: values[2],
    }
    for (const anchor of ANCHORS) {
      const expected = anchors[typeof anchor === 'string' ? anchor : 'item']
      const found = utilitiesOf(given([1, 3, 5]), scale, anchor, reference)
      const label = JSON.stringify(anchor)
      t.ok(Math.abs(found.anchor - expected) < 1e-15, label)
      t.ok(
        distance(
          found.values,
          values.map((value) => value - expected),
        ) < 1e-15,
        label,
      )
      t.equal(found.scaleFactor, factors[scale], label)
      t.equal(found.indifferent, false, label)
    }
  })
}

t.test('the worst item is at exactly zero, and so is the item that is the anchor', async (t) => {
  for (const scale of SCALES) {
    t.equal(utilitiesOf(given([1.1, 3.3, 5.7]), scale, 'worst', reference).values[0], 0)
    t.equal(utilitiesOf(given([1.1, 3.3, 5.7]), scale, { item: 1 }, reference).values[1], 0)
  }
})

t.test('win probabilities hold for rewards that are far apart', async (t) => {
  const { values } = utilitiesOf(given([-1e4, 0, 1e4]), 'win-probability', 'zero', reference)
  t.same([...values], [0, 0.5, 1])
})

t.test('two items have win probabilities that sum to one', async (t) => {
  const { values } = utilitiesOf(
    given([0, Math.log(3)]),
    'win-probability',
    'zero',
    Float64Array.of(0.5, 0.5),
  )
  t.ok(distance(values, [0.25, 0.75]) < 1e-15)
})

t.test(
  'the zero of given rewards is their own, that of fitted ones the mean of the items compared',
  async (t) => {
    // The item that was never seen has the reward 3, and counts for range and deviation but not for the zero.
    const rewards = fitted([-1, 1, 3], [1, 1, 0])
    t.same([...utilitiesOf(rewards, 'none', 'zero', reference).values], [-1, 1, 3])
    t.same([...utilitiesOf(rewards, 'unit-range', 'zero', reference).values], [-0.25, 0.25, 0.75])
    const { values, anchor } = utilitiesOf(rewards, 'win-probability', 'zero', reference)
    const mean = ((1 - two + (1 - four)) / 2 + 0.5) / 2
    t.ok(Math.abs(anchor - mean) < 1e-15)
    t.ok(
      distance(
        values,
        scaled['win-probability'].map((value) => value - mean),
      ) < 1e-15,
    )
    t.same([...utilitiesOf(given([-1, 1, 3]), 'none', 'zero', reference).values], [-1, 1, 3])
    t.equal(utilitiesOf(given([4, 5, 6]), 'none', 'zero', reference).anchor, 0)
    t.equal(utilitiesOf(fitted([4, 5, 6], [1, 1, 1]), 'none', 'zero', reference).anchor, 5)
  },
)

t.test(
  'to an indifferent group all items are at exactly the anchor, and nothing is divided by its range',
  async (t) => {
    for (const scale of SCALES) {
      for (const anchor of ['worst', 'reference', { item: 0 }] as Anchor[]) {
        const found = utilitiesOf(given([0.1, 0.1, 0.1]), scale, anchor, reference)
        t.equal(found.indifferent, true)
        t.same([...found.values], [0, 0, 0], `${scale}, ${JSON.stringify(anchor)}`)
        t.equal(found.scaleFactor, scale === 'win-probability' ? null : 1)
      }
      const { values } = utilitiesOf(given([2, 2, 2]), scale, 'zero', reference)
      const level = scale === 'win-probability' ? 0.5 : 2
      t.same([...values], [level, level, level], `${scale} from zero`)
    }
  },
)

t.test('differences below what rewards can tell apart are indifference', async (t) => {
  const indifferent = (rewards: Rewards) => utilitiesOf(rewards, 'none', 'worst', reference).indifferent
  t.equal(indifferent(fitted([0, 5e-10, 0], [1, 1, 1])), true, 'below the error of a fit')
  t.equal(indifferent(fitted([0, 5e-9, 0], [1, 1, 1])), false)
  t.equal(indifferent(given([0, 5e-10, 0])), false, 'given rewards are taken at their word')
  t.equal(indifferent(given([1e6, 1e6 + 5e-7, 1e6])), true, 'up to rounding')
  t.equal(indifferent(given([1e6, 1e6 + 5e-6, 1e6])), false)
})

async function answer(utility: Utility, rest: Partial<AggregateRequest> = {}) {
  const request: AggregateRequest = {
    rewards: { g: { a: 1, b: 3, c: 5 }, h: { a: 2, b: 2, c: 2 } },
    policy: { reference: { a: 0.5, b: 0.25, c: 0.25 } },
    utility,
    welfare: { function: 'utilitarian' },
    ...rest,
  }
  return (await aggregate(request)) as OptimumResult
}

t.test(
  'an answer tells the utilities, anchor and scale of every group, and who is indifferent',
  async (t) => {
    const { groups, settings } = await answer({ scale: 'unit-range', anchor: { item: 'b' } })
    t.same(settings.utility, { scale: 'unit-range', anchor: { item: 'b' } })
    t.same({ ...groups[0].utilities }, { a: -0.5, b: 0, c: 0.5 })
    t.same({ ...groups[0].rewards }, { a: 1, b: 3, c: 5 })
    t.equal(groups[0].anchor, 0.75)
    t.equal(groups[0].scaleFactor, 0.25)
    t.equal(groups[0].indifferent, false)
    t.same({ ...groups[1].utilities }, { a: 0, b: 0, c: 0 })
    t.equal(groups[1].indifferent, true)
  },
)

t.test('without a choice rewards are not scaled and start from the worst item', async (t) => {
  const { groups, settings } = await answer({})
  t.same(settings.utility, { scale: 'none', anchor: 'worst' })
  t.same({ ...groups[0].utilities }, { a: 0, b: 2, c: 4 })
})

t.test('an item that a group never compared has the mean of its rewards', async (t) => {
  const comparisons = [
    { group: 'g', winner: 'a', loser: 'b', count: 3 },
    { group: 'g', winner: 'b', loser: 'a' },
    { group: 'h', winner: 'a', loser: 'c', count: 2 },
    { group: 'h', winner: 'c', loser: 'a' },
  ]
  const policy = { reference: { a: 0.5, b: 0.25, c: 0.25 } }
  const { groups } = await answer({ anchor: 'zero' }, { rewards: undefined, comparisons, policy })
  t.same(groups[0].unseenItems, ['c'])
  const half = Math.log(3) / 2
  t.ok(distance(Object.values(groups[0].utilities), [half, -half, 0]) < 1e-12)
  t.same(groups[1].unseenItems, ['b'])
})
