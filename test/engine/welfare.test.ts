import fc from 'fast-check'
import t from 'tap'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { certify, errorOf } from '../../src/engine/welfare/certificate.ts'
import { contextOfEach, normalisedIn } from '../../src/engine/welfare/contexts.ts'
import { entropyProjection } from '../../src/engine/welfare/entropy-projection.ts'
import { innerStart, NoGains } from '../../src/engine/welfare/gains.ts'
import { divergence, gibbsPolicy } from '../../src/engine/welfare/gibbs.ts'
import { followCentralPath } from '../../src/engine/welfare/interior-point.ts'
import { advance, copyOf, type Iterate, newIterate, newVariables } from '../../src/engine/welfare/iterate.ts'
import { kolmPollak } from '../../src/engine/welfare/kolm-pollak.ts'
import { type Link, newLinear } from '../../src/engine/welfare/link.ts'
import { logMean } from '../../src/engine/welfare/mean.ts'
import { evaluate, factorise, newSystem, solve } from '../../src/engine/welfare/newton.ts'
import { optimise } from '../../src/engine/welfare/optimise.ts'
import { centredIn, orthonormal } from '../../src/engine/welfare/orthonormal.ts'
import { type Contexts, oneContext, type WelfareFunction } from '../../src/engine/welfare/problem.ts'
import { scalingOf } from '../../src/engine/welfare/scaling.ts'
import { type Found, searchAmongAll } from '../../src/engine/welfare/search.ts'
import { hasManyItems, searchAmongFew } from '../../src/engine/welfare/working-set.ts'
import { functions, guardedProblems } from '../helpers/guardrails.ts'
import { distance, kindOf, kinds, powerMeanOf, problemOf, problems } from '../helpers/problems.ts'

const floats = (values: readonly number[]) => Float64Array.from(values)
const MAXIMIN = Number.NEGATIVE_INFINITY
type LinkOf = NonNullable<WelfareFunction['link']>
const concave = kinds.filter(({ exponent }) => exponent < 1)

function expectNear(found: number, expected: number, limit: number, what: string): void {
  if (!(Math.abs(found - expected) <= limit)) throw new Error(`${what}: ${found}, not ${expected}`)
}

const positive = fc.integer({ min: -40, max: 40 }).map((tenth) => 10 ** (tenth / 20))
const positives = (length: number) => fc.array(positive, { minLength: length, maxLength: length })
const normal = (values: readonly number[]) => {
  const sum = values.reduce((a, b) => a + b, 0)
  return values.map((value) => value / sum)
}

t.test('power means are what their definition says, near exponent 0 too', async (t) => {
  const exponents = fc.constantFrom(-50, -3, -1, -1e-3, -1e-9, -1e-14, 0, 1e-14, 1e-9, 1e-3, 0.5, 1, 4)
  fc.assert(
    fc.property(exponents, positives(5), positives(5), (exponent, values, parts) => {
      const shares = normal(parts)
      const found = logMean(exponent, floats(values.map(Math.log)), floats(shares.map(Math.log)))
      const log = (value: number) => Math.log(value)
      const mean = values.reduce((sum, value, g) => sum + shares[g] * log(value), 0)
      const variance = values.reduce((sum, value, g) => sum + shares[g] * (log(value) - mean) ** 2, 0)
      // Below 1e-3 the first term of the expansion in the exponent is exact to its square.
      const expected =
        Math.abs(exponent) <= 1e-9
          ? mean + (exponent * variance) / 2
          : log(values.reduce((sum, value, g) => sum + shares[g] * value ** exponent, 0)) / exponent
      expectNear(
        found,
        expected,
        exponent === 0 || Math.abs(exponent) > 1e-3 ? 1e-13 : 1e-11,
        `exponent ${exponent}`,
      )
    }),
    { seed: 1, numRuns: 1000 },
  )
  const shares = floats([0.5, 0.5].map(Math.log))
  const zero = floats([Number.NEGATIVE_INFINITY, 0])
  t.equal(logMean(-1, zero, shares), Number.NEGATIVE_INFINITY)
  t.equal(logMean(0, zero, shares), Number.NEGATIVE_INFINITY)
  t.ok(Math.abs(logMean(0.5, zero, shares) - Math.log(0.25)) < 1e-15)
  t.ok(
    Math.abs(logMean(-1000, floats([0, 700]), floats([1e-9, 1].map(Math.log))) - Math.log(1e9) / 1000) <
      1e-12,
  )
  t.ok(
    Math.abs(logMean(0.3, floats([0, 700]), floats([1, 1e-9].map(Math.log))) - (700 + Math.log(1e-9) / 0.3)) <
      1e-11,
  )
})

t.test(
  'the Gibbs policy and its value hold at temperatures at which exponents vanish or overflow',
  async (t) => {
    const policy = new Float64Array(3)
    const reference = floats([0.2, 0.3, 0.5])
    const values = floats([1, 3, 2])
    const mean = 0.2 + 0.9 + 1
    const variance = 0.2 + 2.7 + 2 - mean ** 2
    // At high temperatures the value is the mean under the reference, and half the variance over the temperature.
    expectNear(gibbsPolicy(values, reference, 1e9, policy), mean + variance / 2e9, 1e-15, 'value')
    t.ok(
      distance(policy, [0.2 - (0.2 * 1.1) / 1e9, 0.3 + (0.3 * 0.9) / 1e9, 0.5 - (0.5 * 0.1) / 1e9]) < 1e-16,
    )
    expectNear(gibbsPolicy(values, reference, 1e-3, policy), 3 + 1e-3 * Math.log(0.3), 1e-15, 'value')
    t.same([...policy], [0, 1, 0])
    // An item of hardly any reference probability can still have all of the policy.
    const rare = floats([1e-14, 1 - 1e-14, 0])
    expectNear(gibbsPolicy(floats([100, 0, 0]), rare, 1, policy), 100 + Math.log(1e-14), 1e-12, 'value')
    const even = new Float64Array(3)
    gibbsPolicy(floats([1, 1, 1]), reference, 0.5, even)
    t.ok(distance(even, reference) < 1e-16)
  },
)

t.test('the divergence is exact for lotteries far apart and close together', async (t) => {
  const reference = floats([0.25, 0.25, 0.5])
  t.ok(Math.abs(divergence(floats([1, 0, 0]), reference) - Math.log(4)) < 1e-15)
  t.ok(Math.abs(divergence(floats([1e-30, 0.5, 0.5]), reference) - 0.5 * Math.log(2)) < 1e-15)
  t.equal(divergence(reference, reference), 0)
  for (const hair of [1e-2, 3e-4, 1e-4, 1e-8, 1e-12]) {
    const moved = floats([0.25 + hair, 0.25, 0.5 - hair])
    // Σ π(d²/2 − d³/6 + d⁴/12 − d⁵/20 + d⁶/30 − d⁷/42), with d = 4h and −2h at π = ¼ and ½.
    const series = (d: number) =>
      d ** 2 * (1 / 2 - d / 6 + d ** 2 / 12 - d ** 3 / 20 + d ** 4 / 30 - d ** 5 / 42)
    const expected = series(4 * hair) / 4 + series(-2 * hair) / 2
    // In a double, ¼ + h is off by up to 3e-17.
    t.ok(
      Math.abs(divergence(moved, reference) / expected - 1) <= 4 * hair ** 5 + 1e-16 / hair + 1e-13,
      `${hair}`,
    )
  }
})

t.test('a certificate is the gap of what it is given, and moves weights into their dual set', async (t) => {
  const problem = problemOf([
    [2, 0],
    [0, 1],
  ])
  const { welfareFunction: nash } = kindOf(0)
  const { welfareFunction: maximin } = kindOf(MAXIMIN)
  // At (½, ½): x = (1, ½), W = √½. Weights (½, 1)·√½ are on the edge of the set and optimal.
  const w = Math.SQRT1_2
  const exact = certify(problem, nash, floats([0.5, 0.5]), floats([w / 2, w]))
  t.ok(Math.abs(exact.gap) < 1e-15 && Math.abs(exact.welfare - w) < 1e-15)
  t.same([...exact.utilities], [1, 0.5])
  const outside = certify(problem, nash, floats([0.5, 0.5]), floats([w / 4, w / 2]))
  t.ok(distance(outside.weights, [w / 2, w]) < 1e-15)
  const far = certify(problem, nash, floats([0.5, 0.5]), floats([2, 2]))
  // The best item is worth 4, and the policy's welfare √½.
  t.ok(Math.abs(far.gap - (4 - w)) < 1e-15)
  t.ok(Math.abs(far.relativeGap - (4 - w) / 6) < 1e-15)
  const least = certify(problem, maximin, floats([0.5, 0.5]), floats([1, 1]))
  t.same([...least.weights], [0.5, 0.5])
  t.ok(Math.abs(least.gap - 0.5) < 1e-15)

  const negative = certify(problemOf([[-2, 2]]), nash, floats([1, 0]), floats([1]))
  t.ok(Math.abs(negative.primalResidual - 0.5) < 1e-15 && errorOf(negative) >= 0.5, 'a loss is no gain')
  const nothing = certify(problemOf([[0, 0]]), maximin, floats([1, 0]), floats([1]))
  t.equal(nothing.relativeGap, 0)
})

t.test(
  'above temperature 0 a certificate counts what the policy misses of the one that the weights want',
  async () => {
    fc.assert(
      fc.property(
        problems({ groups: [2, 4], temperature: positive }),
        positives(4),
        positives(12),
        (problem, l, p) => {
          const weights = normal(l.slice(0, problem.groups))
          const policy = normal(p.slice(0, problem.items))
          const { gap, objective } = gapBy(problem, weights, policy)
          const found = certify(problem, kindOf(MAXIMIN).welfareFunction, floats(policy), floats(weights))
          expectNear(found.gap, gap, 1e-11 * (1 + Math.abs(objective)) * (1 + problem.temperature), 'gap')
        },
      ),
      { seed: 2, numRuns: 500 },
    )
  },
)

/** D(λ) − F(p) of the maximin, with both written out. */
function gapBy(problem: ReturnType<typeof problemOf>, weights: number[], policy: number[]) {
  const { groups, items, utilities: u, reference, temperature } = problem
  const x = weights.map((_, g) => policy.reduce((sum, p, i) => sum + p * u[g * items + i], 0))
  const values = policy.map((_, i) => weights.reduce((sum, w, g) => sum + w * u[g * items + i], 0))
  const top = Math.max(...values)
  const mass = values.reduce((sum, v, i) => sum + reference[i] * Math.exp((v - top) / temperature), 0)
  const kl = policy.reduce((sum, p, i) => sum + p * Math.log(p / reference[i]), 0)
  const objective = Math.min(...x.slice(0, groups)) - temperature * kl
  return { gap: top + temperature * Math.log(mass) - objective, objective }
}

/** Both kinds of links, with the mean they stand for, at scales that make every share another. */
const links = fc
  .record({ kind: fc.constantFrom(...concave), parts: positives(3), sizes: positives(3) })
  .map(({ kind, parts, sizes }) => {
    const population = floats(normal(parts))
    const unit = kind.welfareFunction.value(floats(sizes), population)
    const scale = floats(sizes.map((size) => size / unit))
    const link = kind.welfareFunction.link?.(population, scale, unit) as Link
    // W of scaled utilities.
    const welfare = (x: Float64Array) =>
      powerMeanOf(
        kind.exponent,
        x.map((value, g) => value * scale[g]),
        population,
      )
    return { kind, link, welfare }
  })

/** The link of Kolm–Pollak in scaled units, between all but utilitarian and all but maximin. */
const softLinks = fc
  .record({ power: fc.integer({ min: -6, max: 6 }), parts: positives(3), sizes: positives(3) })
  .map(({ power, parts, sizes }) => {
    const population = floats(normal(parts))
    const unit = kolmPollak(10 ** power).value(floats(sizes), population)
    const scale = floats(sizes.map((size) => size / unit))
    const link = kolmPollak(10 ** power).link?.(population, scale, unit) as Link
    return { link, scale, population, softness: 1 / (10 ** power * unit), welfare: () => Number.NaN }
  })

t.test(
  'the link of Kolm–Pollak starts on the plane, where its weights are those of utilities and surplus',
  async () => {
    fc.assert(
      fc.property(softLinks, positives(3), ({ link, scale, population, softness }, x) => {
        const { weights, partner, welfare, product } = link.start(floats(x), 0)
        const lambda = weights.map((weight, g) => weight / scale[g])
        expectNear(
          lambda.reduce((a, b) => a + b, 0),
          1,
          1e-12,
          'sum',
        )
        for (let g = 0; g < 3; g++) {
          // λ = n e^{−κ(x − t − w)}, in units in which the welfare of the sizes is 1.
          const counted = (x[g] - partner[g]) * scale[g]
          const entropy = softness * Math.log(lambda[g] / population[g])
          expectNear(
            counted,
            welfare - entropy,
            1e-11 * (1 + Math.abs(welfare) + Math.abs(entropy) + partner[g] * scale[g]) + 1e-14 * softness,
            `group ${g}`,
          )
          if (!(partner[g] > 0 && weights[g] > 0)) throw new Error('not positive')
        }
        const mean = weights.reduce((sum, weight, g) => sum + weight * partner[g], 0) / 3
        expectNear(product, mean, 1e-12 * mean, 'product')
      }),
      { seed: 14, numRuns: 500 },
    )
  },
)

/** An iterate of three groups and no items. */
function iterateOf(values: {
  weights: number[]
  utilities: number[]
  partner: number[]
  welfare: number
  slack: number
}) {
  const problem = {
    groups: 3,
    items: 0,
    utilities: new Float64Array(0),
    reference: new Float64Array(0),
    temperature: 0,
    contexts: oneContext(0),
  }
  const { weights, utilities, partner, welfare, slack } = values
  return newIterate(problem, {
    ...newVariables(problem),
    weights: floats(weights),
    utilities: floats(utilities),
    partner: floats(partner),
    welfare,
    slack,
  })
}

t.test('a link starts where its relation holds, with products that are alike', async () => {
  fc.assert(
    fc.property(links, positives(3), fc.constantFrom(0, 1e-3, 1, 1e6), ({ link, kind }, x, product) => {
      const start = link.start(floats(x), product)
      const at = iterateOf({
        ...start,
        weights: [...start.weights],
        partner: [...start.partner],
        utilities: x,
      })
      const partner = new Float64Array(3)
      const slack = link.define(at, partner)
      const size = 1e-12 * (1 + Math.max(...start.weights, ...start.partner, Math.abs(start.welfare)))
      if (!(distance(partner, start.partner) <= size))
        throw new Error('partners that are not what they should be')
      expectNear(slack, start.slack, 1e-12 * (1 + start.slack), 'slack')
      const products = at.partner.map((t, g) => t * at[link.pairedTo][g])
      for (const each of products) {
        if (!(each >= 0.499 * start.product && each <= 1.001 * start.product))
          throw new Error(`product ${each}`)
      }
      if (kind.exponent > MAXIMIN && !(start.product >= product)) throw new Error('too small')
      if (![...at.weights, ...at.partner].every((value) => value > 0)) throw new Error('not positive')
    }),
    { seed: 3, numRuns: 500 },
  )
})

t.test("a link's linearisation is its derivative", async () => {
  fc.assert(
    fc.property(
      fc.oneof(links, softLinks),
      fc.record({ weights: positives(3), utilities: positives(3), partner: positives(3) }),
      positives(6),
      ({ link, welfare: welfareOf }, values, direction) => {
        const at = iterateOf({ ...values, welfare: 0.7, slack: 0.3 })
        const linear = newLinear(3)
        link.linearise(at, linear)
        const signed = direction.map((value, k) => (k % 2 === 0 ? value : -value) / 10)
        const dWeights = at.weights.map((value, g) => value * signed[g])
        const dUtilities = at.utilities.map((value, g) => value * signed[3 + g])
        const atStep = (step: number) => {
          const moved = iterateOf({
            weights: [...at.weights.map((value, g) => value + step * dWeights[g])],
            utilities: [...at.utilities.map((value, g) => value + step * dUtilities[g])],
            partner: [...at.partner],
            welfare: at.welfare + step * 0.05,
            slack: at.slack,
          })
          const partner = new Float64Array(3)
          const slack = link.define(moved, partner)
          return { partner, slack, mean: welfareOf(moved.utilities) }
        }
        const h = 1e-4
        const [back, ahead] = [atStep(-h), atStep(h)]
        const slope = (a: number, b: number) => (b - a) / (2 * h)
        // Where W is smooth w is not free: it is the welfare of the utilities.
        const dWelfare = link.pairedTo === 'weights' ? 0.05 : slope(back.mean, ahead.mean)
        let needed =
          link.pairedTo === 'weights' && link.bounded
            ? slope(back.slack, ahead.slack) + (at.slack / at.welfare) * dWelfare
            : slope(back.slack, ahead.slack)
        let sum = linear.bend * dWelfare
        let size = Math.abs(needed) + Math.abs(sum)
        for (let g = 0; g < 3; g++) {
          const owner = at[link.pairedTo][g]
          const dOwner = link.pairedTo === 'weights' ? dWeights[g] : dUtilities[g]
          const c = slope(back.partner[g], ahead.partner[g]) + (at.partner[g] / owner) * dOwner
          const terms = [linear.pull[g] * c, -linear.give[g] * dWeights[g], linear.along[g] * dWelfare]
          const scale = terms.reduce((total, term) => total + Math.abs(term), Math.abs(dUtilities[g]))
          expectNear(terms[0] + terms[1] + terms[2], dUtilities[g], 1e-6 * scale, `dx of group ${g}`)
          needed += linear.slopes[g] * linear.pull[g] * c
          sum += linear.along[g] * dWeights[g]
          size += Math.abs(linear.slopes[g] * linear.pull[g] * c) + Math.abs(linear.along[g] * dWeights[g])
        }
        expectNear(sum, needed, 1e-6 * size, 'the last equation')
      },
    ),
    { seed: 4, numRuns: 1000 },
  )
})

t.test('a Newton step meets the linearised equations and the products it aims at', async () => {
  const given = fc.oneof(problems({ groups: [1, 4], items: [2, 8] }), guardedProblems())
  // All but one so nearly straight that finite differences see nothing but the rounding of its logarithms.
  const curved = functions.filter(
    ({ name, welfareFunction }) => welfareFunction.link !== null && name !== 'kolm-pollak 0.000001',
  )
  fc.assert(
    fc.property(
      given,
      fc.constantFrom(...curved),
      fc.integer({ min: 1, max: 4 }),
      (problem, { welfareFunction }, steps) => {
        const scaling = scalingOf(problem, welfareFunction, welfareFunction.link as LinkOf)
        const { scaled, link } = scaling
        let at: Iterate | null = null
        let count = 0
        followCentralPath(
          scaled,
          link,
          innerStart(problem, scaling, welfareFunction.needsGains),
          (iterate) => {
            at = copyOf(scaled, iterate)
            return ++count >= steps
          },
        )
        const here = at as Iterate | null
        if (here === null) throw new Error('no step at all')
        evaluate(scaled, link, here)
        const move = newVariables(scaled)
        const system = newSystem(scaled)
        if (!factorise(scaled, here, system)) throw new Error('not positive definite')
        const { policy: p, costs: z, partner, equations } = here
        let sum = 0
        for (let i = 0; i < p.length; i++) sum += p[i] * z[i]
        const aim = (0.3 * sum) / p.length
        solve(scaled, link, here, system, { policy: aim, link: aim, after: null }, move)

        const h = 1e-5
        const [back, ahead] = [-h, h].map((step) => {
          const moved = newIterate(scaled)
          advance(scaled, here, move, step, moved)
          // What is near its definition is made equal to it: that is kept from happening here.
          moved.costs.fill(1e300)
          moved.partner.fill(1e300)
          moved.slack = 1e300
          evaluate(scaled, link, moved)
          return moved.equations
        })
        const slope = (a: number, b: number) => (b - a) / (2 * h)
        const unit = 1e-6 * (1 + Math.abs(here.level[0]) + here.weights.reduce((a, b) => Math.max(a, b)))
        problem.contexts.weights.forEach((weight, q) => {
          let sum = 0
          for (let i = problem.contexts.starts[q]; i < problem.contexts.starts[q + 1]; i++)
            sum += p[i] + move.policy[i]
          expectNear(sum, weight, 1e-9, 'Σp')
        })
        for (let i = 0; i < p.length; i++) {
          expectNear(
            p[i] * z[i] + p[i] * move.costs[i] + z[i] * move.policy[i],
            aim,
            1e-7 * sum,
            'product p∘z',
          )
          const size = unit + 1e-6 * Math.abs(move.costs[i])
          expectNear(
            z[i] + move.costs[i],
            equations.costs[i] + slope(back.costs[i], ahead.costs[i]),
            size,
            'z',
          )
        }
        const owner = here[link.pairedTo]
        for (let g = 0; g < owner.length; g++) {
          const product = owner[g] * (partner[g] + move.partner[g]) + partner[g] * move[link.pairedTo][g]
          expectNear(product, aim, 1e-7 * sum, 'product of the link')
          // Differences see the rounding of the terms that t is the sum of as well.
          const rounding = (1e-15 / h) * Math.abs(equations.linear.along[g] * here.welfare)
          const size = unit + 1e-6 * (Math.abs(move.partner[g]) + partner[g]) + rounding
          expectNear(
            partner[g] + move.partner[g],
            equations.partner[g] + slope(back.partner[g], ahead.partner[g]),
            size,
            't',
          )
        }
        if (link.bounded) {
          const product = here.welfare * (here.slack + move.slack) + here.slack * move.welfare
          expectNear(product, aim, 1e-7 * sum, 'product w·k')
          const size = 1e-6 * (1 + here.slack + Math.abs(move.slack))
          expectNear(here.slack + move.slack, equations.slack + slope(back.slack, ahead.slack), size, 'k')
        }
      },
    ),
    { seed: 5, numRuns: 500 },
  )
})

/** Six columns as one context, or in two or three. */
const blocksOfSix = (weights: Float64Array, ends: readonly number[]): Contexts => ({
  starts: Int32Array.of(0, ...ends),
  weights: floats(ends.map((end, q) => weights.subarray(ends[q - 1] ?? 0, end).reduce((a, b) => a + b))),
})
const ends = fc.constantFrom([6], [2, 6], [1, 4, 6])

t.test('Gram–Schmidt leaves an orthonormal basis, and drops what depends', async () => {
  const drawn = fc.array(positives(6), { maxLength: 4 })
  fc.assert(
    fc.property(drawn, positives(6), fc.nat(3), ends, (rows, parts, copied, ends) => {
      const weights = floats(normal(parts))
      const contexts = blocksOfSix(weights, ends)
      const given = rows.map(floats)
      const basis = orthonormal(given, weights, contexts)
      const inner = (a: Float64Array, b: Float64Array) =>
        a.reduce((sum, value, k) => sum + weights[k] * value * b[k], 0)
      basis.forEach((a, r) => {
        basis.forEach((b, c) => {
          expectNear(inner(a, b), r === c ? 1 : 0, 1e-12, 'product')
        })
      })
      for (const row of given) {
        const left = basis.reduce(
          (rest, unit) => {
            const along = inner(rest, unit)
            return rest.map((value, k) => value - along * unit[k])
          },
          centredIn(contexts, row, weights),
        )
        expectNear(Math.sqrt(inner(left, left)), 0, 1e-8 * Math.sqrt(inner(row, row)), 'what is not spanned')
      }
      if (rows.length === 0) return
      const context = contextOfEach(contexts)
      const twin = given[copied % given.length].map((value, k) => 3 * value + 1 + context[k])
      if (orthonormal([...given, twin], weights, contexts).length !== basis.length)
        throw new Error('a dependent row counts')
    }),
    { seed: 6, numRuns: 300 },
  )
})

t.test('an entropy projection meets its equations and bounds by a tilt along the rows alone', async () => {
  const halves = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 6, maxLength: 6 })
  const vectors = fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 6, maxLength: 6 }), {
    minLength: 1,
    maxLength: 4,
  })
  fc.assert(
    fc.property(vectors, fc.nat(4), positives(6), halves, ends, (drawn, equations, parts, inside, ends) => {
      // A policy that meets everything: equations exactly, bounds with room.
      const feasible = normal(inside)
      const contexts = blocksOfSix(floats(feasible), ends)
      const prior = normalisedIn(contexts, floats(parts))
      const centred = (row: Float64Array) => centredIn(contexts, row, floats(feasible))
      const basis = orthonormal(drawn.slice(0, equations).map(floats), floats(feasible), contexts).map(
        centred,
      )
      const equal = basis.length
      const bounds = drawn.slice(equations).map((row) => {
        const mean = row.reduce((sum, value, k) => sum + value * feasible[k], 0)
        return floats(row.map((value) => value - mean + 0.5))
      })
      const rows = [...basis, ...bounds]
      const found = entropyProjection(rows, equal, prior, contexts)
      contexts.weights.forEach((weight, q) => {
        const part = found.subarray(contexts.starts[q], contexts.starts[q + 1])
        expectNear(
          part.reduce((a, b) => a + b),
          weight,
          1e-14,
          'sum',
        )
      })
      const means = rows.map((row) => row.reduce((sum, value, k) => sum + value * found[k], 0))
      means.forEach((mean, a) => {
        if (a < equal) expectNear(mean, 0, 1e-11, 'equation')
        else if (!(mean >= -1e-11)) throw new Error(`bound ${mean}`)
      })
      // No lottery that meets the same is nearer: the divergence does not fall towards it, beyond the square root of what
      // rounding leaves of it.
      const gain = found.reduce((sum, p, k) => sum + (feasible[k] - p) * Math.log(p / prior[k]), 0)
      if (!(gain >= -1e-7)) throw new Error(`falls by ${gain}`)
      const tight = means.filter((mean, a) => a >= equal && mean < 1e-9).length
      if (equal === 0 && tight === 0 && !(distance(found, prior) <= 1e-12))
        throw new Error('moved for nothing')
    }),
    { seed: 7, numRuns: 500 },
  )
})

t.test('a projection comes as close to a corner as it has to', async (t) => {
  // All but a trace of the probability goes to the last item, so that the multiplier is far from 0.
  for (const trace of [0.1, 1e-3, 1e-6, 1e-9]) {
    const row = Float64Array.from({ length: 100 }, (_, k) => k / 99 - 1 + trace)
    const prior = new Float64Array(100).fill(0.01)
    const found = entropyProjection([row], 1, prior)
    const mean = found.reduce((sum, p, k) => sum + p * row[k], 0)
    t.ok(Math.abs(mean) <= 1e-13 * trace ** 0.5, `${mean} at ${trace}`)
    const slope = Math.log(found[99] / found[98])
    t.ok(Math.abs(Math.log(found[98] / found[97]) - slope) <= 1e-11 * slope, 'a tilt along the row')
  }
})

t.test('where a probability has to be zero the projection goes there', async (t) => {
  const prior = floats([0.25, 0.25, 0.5])
  const found = entropyProjection([floats([0, 1, 1])], 1, prior)
  t.ok(found[1] < 1e-14 && found[2] < 1e-14, `${found}`)
  const bound = entropyProjection([floats([1, -1, -1])], 0, prior)
  t.ok(distance(bound, [0.5, 1 / 6, 1 / 3]) < 1e-14, `${bound}`)
})

/** Groups that like items by random, from the worst. */
function randomProblem(groups: number, items: number, temperature: number) {
  const random = seededRandom(groups + items)
  const table = Array.from({ length: groups }, () => {
    const row = Array.from({ length: items }, () => random() + random() + random())
    const low = Math.min(...row)
    return row.map((value) => value - low)
  })
  return problemOf(table, { temperature })
}

for (const { exponent, welfareFunction } of [0, -1, 0.5, MAXIMIN].map(kindOf)) {
  t.test(
    `a thousand items and ten groups are solved to the last digits at exponent ${exponent}`,
    async (t) => {
      for (const temperature of [0, 0.2]) {
        const problem = randomProblem(10, 1000, temperature)
        const { certificate, welfare } = optimise(problem, welfareFunction)
        t.ok(certificate.relativeGap <= 1e-12, `${certificate.relativeGap}`)

        // Among all items at once, which temperature 0 does not need.
        const all = searchAmongAll(problem, welfareFunction, welfareFunction.link as LinkOf) as Found
        t.ok(all.iterations <= 50, `${all.iterations} iterations`)
        t.ok(Math.abs(all.certified.welfare - welfare) <= 1e-12 * welfare)
      }
    },
  )
}

t.test('among few of many items the optimum of all is found, or the proof that there is none', async (t) => {
  for (const { exponent, welfareFunction } of [0, -1, 0.5, MAXIMIN].map(kindOf)) {
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed)
      const groups = 2 + Math.floor(random() * 4)
      const items = 12 * (groups + 1) + 1 + Math.floor(random() * 200)
      // Utilities around a zero that few items or none reach for all groups; some items twice, some alike to a group.
      const zero = 0.4 + random() * 0.7
      const table = Array.from({ length: groups }, () =>
        Array.from({ length: items }, () => Math.round(8 * random()) / 8 - zero),
      )
      for (const row of table) row[1] = row[0]
      const problem = problemOf(table)
      t.ok(hasManyItems(problem))
      const few = answerOf(
        () => searchAmongFew(problem, welfareFunction, welfareFunction.link as LinkOf)?.certified,
      )
      const all = answerOf(
        () => searchAmongAll(problem, welfareFunction, welfareFunction.link as LinkOf)?.certified,
      )
      t.equal(few === null, all === null, `exponent ${exponent}, seed ${seed}`)
      if (few !== null && all !== null) t.ok(Math.abs(few - all) <= 1e-9, `${few} and ${all}`)
    }
  }
})

/** The welfare of an answer; null where there is a proof that no policy gives every group a gain. */
function answerOf(solve: () => { welfare: number } | undefined): number | null {
  try {
    return solve()?.welfare ?? Number.NaN
  } catch (error) {
    if (error instanceof NoGains) return null
    throw error
  }
}

t.test('fifty groups and two thousand items are solved as well', async (t) => {
  for (const { welfareFunction } of [0, MAXIMIN].map(kindOf)) {
    const { certificate } = optimise(randomProblem(50, 2000, 0), welfareFunction)
    t.ok(certificate.relativeGap <= 1e-12, `${certificate.relativeGap}`)
  }
})

t.test('that nobody can gain without another losing is proven at any scale', async () => {
  const opposed = fc.record({
    row: fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 4, maxLength: 4 }),
    scale: positive,
  })
  fc.assert(
    fc.property(opposed, positives(2), fc.constantFrom(...concave), ({ row, scale }, lift, kind) => {
      if (!kind.welfareFunction.needsGains || row.every((value) => value === 0)) return
      const table = [row, row.map((value) => -scale * value)].map((values, g) =>
        values.map((v) => v * lift[g] ** 3),
      )
      let proof: NoGains | null = null
      try {
        optimise(problemOf(table), kind.welfareFunction)
      } catch (error) {
        if (!(error instanceof NoGains)) throw error
        proof = error
      }
      if (proof === null) throw new Error('an answer')
      const { weights, bound } = proof
      const values = row.map((_, i) => table.reduce((sum, values, g) => sum + weights[g] * values[i], 0))
      const size = Math.max(
        ...row.map((_, i) => table.reduce((sum, values, g) => sum + weights[g] * Math.abs(values[i]), 0)),
      )
      expectNear(
        weights.reduce((a, b) => a + b, 0),
        1,
        1e-12,
        'weights',
      )
      expectNear(bound, Math.max(...values), 1e-12 * size, 'bound')
      if (!(bound <= 1e-9 * size)) throw new Error(`bound ${bound} of ${size}`)
    }),
    { seed: 8, numRuns: 300 },
  )
})
