import fc from 'fast-check'
import t from 'tap'
import type { FitRequest } from '../../schemas/fit.ts'
import { fit } from '../../src/engine/fit.ts'
import { peakOf, peakOfMany } from '../../src/engine/numeric/peak.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { posteriorOf } from '../../src/engine/rewards/fit-group.ts'
import type { Likelihood } from '../../src/engine/rewards/likelihood.ts'
import { maximise } from '../../src/engine/rewards/maximise.ts'
import type { OutcomeModel } from '../../src/engine/rewards/model.ts'
import { fitPooled, type PooledFit } from '../../src/engine/rewards/pooled.ts'
import { maximiseJointly, newJoint } from '../../src/engine/rewards/pooled-maximum.ts'
import {
  centred,
  type FullRow,
  groupOf,
  inverseInformation,
  itemsOf,
  MODELS,
  newtonStepAt,
  posteriorAt,
  type Sample,
  samples,
  shapeOf,
} from '../helpers/definition.ts'
import { inverse, item, largest, type Prior, refusal, won } from '../helpers/fit.ts'

const none: Prior = { kind: 'none' }

/** Where the parameters of one sample are among those of all. */
function placeOf(sample: Sample, all: Sample, model: OutcomeModel): number[] {
  const { rewards, size } = shapeOf(all, model)
  const items = itemsOf(all.rows)
  const own =
    sample.features === null
      ? itemsOf(sample.rows).map((name) => items.indexOf(name))
      : Array.from({ length: rewards }, (_, a) => a)
  return [...own, ...Array.from({ length: size - rewards }, (_, e) => rewards + e)]
}

/** All comparisons of all groups as those of one. */
function together(groups: readonly Sample[]): Sample {
  return { ...groups[0], rows: groups.flatMap(({ rows }) => rows) }
}

function pool(
  groups: readonly Sample[],
  model: OutcomeModel,
  tau: number | null,
  sigma: number | 'flat' | null,
): PooledFit {
  const all = together(groups)
  const { rewards, size } = shapeOf(all, model)
  const members = groups.map((sample) => {
    const { counts, features } = groupOf(sample, model)
    const { posterior } = posteriorOf(counts, model, none, features)
    return { likelihood: posterior, index: Int32Array.from(placeOf(sample, all, model)) }
  })
  const shiftInvariant = groups[0].features === null
  const found = fitPooled(members, { size, rewards, shiftInvariant }, tau, sigma)
  if (found === null) throw new Error('no maximum')
  return found
}

/** The joint log-posterior of ψ_0 and all u_g by its definition: gradient and minus the Hessian, ψ_0 first. */
function jointAt(
  groups: readonly Sample[],
  model: OutcomeModel,
  tau: number,
  sigma: number | null,
  found: PooledFit,
) {
  const all = together(groups)
  const { rewards, size: p } = shapeOf(all, model)
  const order = p * (groups.length + 1)
  const score = new Array<number>(order).fill(0)
  const information = Array.from({ length: order }, () => new Array<number>(order).fill(0))
  groups.forEach((sample, g) => {
    const place = placeOf(sample, all, model)
    const psi = place.map((a) => found.groups[g][a])
    const own = posteriorAt(sample, model, none, psi)
    // ψ_g = ψ_0 + u_g: what ψ_g feels, both do.
    const spots = (a: number) => [place[a], p * (g + 1) + place[a]]
    place.forEach((_, a) => {
      for (const i of spots(a)) {
        score[i] += own.score[a]
        place.forEach((_, b) => {
          for (const j of spots(b)) information[i][j] += own.information[a][b]
        })
      }
    })
    for (let a = 0; a < p; a++) {
      const at = p * (g + 1) + a
      score[at] -= (found.groups[g][a] - found.population[a]) / tau ** 2
      information[at][at] += 1 / tau ** 2
    }
  })
  for (let v = 0; sigma !== null && v < rewards; v++) {
    score[v] -= found.population[v] / sigma ** 2
    information[v][v] += 1 / sigma ** 2
  }
  return { score, information, p, rewards }
}

/** Two or three groups that need not have compared the same items. */
const pooledSamples = fc
  .tuple(fc.constantFrom(...MODELS), fc.constantFrom('items' as const, 'features' as const))
  .chain(([model, linear]) =>
    fc.record({
      model: fc.constant(model),
      groups: fc
        .array(samples(linear, { items: 5, extra: 8 }), { minLength: 2, maxLength: 3 })
        .map((groups) => (linear === 'items' ? groups : withOneTable(groups))),
      sigma: fc.constantFrom<number | null>(null, 0.8),
    }),
  )

/** The groups' items have the same features in all. */
function withOneTable(groups: Sample[]): Sample[] {
  const widest = groups.reduce((a, b) => (itemsOf(a.rows).length >= itemsOf(b.rows).length ? a : b))
  return groups.map((sample) => ({ ...sample, features: widest.features }))
}

t.test('the joint posterior is flat at what was found, row by row', async () => {
  fc.assert(
    fc.property(pooledSamples, fc.constantFrom(0.02, 0.5, 3, 40), ({ model, groups, sigma }, tau) => {
      const found = pool(groups, model, tau, sigma ?? 'flat')
      const { score } = jointAt(groups, model, tau, sigma, found)
      return (
        largest(score) < 1e-9 * (1 + 1e-6 / tau ** 2) &&
        found.gradientNorm <= 1e-10 &&
        found.errorEstimate <= 1e-10 &&
        Array.from(found.shrinkage).every((share) => share >= 0 && share <= 1)
      )
    }),
    { seed: 1, numRuns: 100 },
  )
})

t.test('covariances are blocks of the inverse of the joint Hessian', async () => {
  fc.assert(
    fc.property(pooledSamples, fc.constantFrom(0.05, 0.5, 3), ({ model, groups, sigma }, tau) => {
      const found = pool(groups, model, tau, sigma ?? 'flat')
      const { information, p, rewards } = jointAt(groups, model, tau, sigma, found)
      const items = groups[0].features === null
      // A shift of the population that no prior holds is given a curvature, and taken away again by the gauge.
      const regular = information.map((row, a) =>
        row.map((value, b) => value + (items && sigma === null && a < rewards && b < rewards ? 1 : 0)),
      )
      const joint = inverse(regular)
      return groups.every((_, g) => {
        const block = Array.from({ length: p }, (_, a) =>
          Array.from({ length: p }, (_, b) => {
            const [u, v] = [p * (g + 1) + a, p * (g + 1) + b]
            return joint[a][b] + joint[a][v] + joint[u][b] + joint[u][v]
          }),
        )
        const expected = items ? centred(block, rewards) : block
        const { covariances } = found
        const matrix = covariances[g].matrix() as Float64Array
        const scale = largest(expected.flat())
        const c = Float64Array.from({ length: p }, (_, a) =>
          a === 0 ? 1 : a === 1 ? -1 : a >= rewards ? 0.5 : 0,
        )
        const image = covariances[g].times(c)
        return (
          largest(expected.flat().map((value, k) => value - matrix[k])) < 1e-9 * scale &&
          largest(expected.map((row, a) => row[a] - covariances[g].variances()[a])) < 1e-9 * scale &&
          largest(expected.map((row, a) => row.reduce((sum, value, b) => sum + value * c[b], -image[a]))) <
            1e-9 * scale
        )
      })
    }),
    { seed: 2, numRuns: 60 },
  )
})

t.test('draws of a pooled group have its covariance, unseen items included', async (t) => {
  const [first, second] = fc.sample(samples('items', { items: 4, extra: 6 }), { seed: 5, numRuns: 2 })
  const wide = fc.sample(samples('items', { items: 6, extra: 6 }), { seed: 8, numRuns: 20 })
  const largestSample = wide.reduce((a, b) => (itemsOf(a.rows).length >= itemsOf(b.rows).length ? a : b))
  const groups = [first, second, largestSample]
  const { covariances } = pool(groups, MODELS[3], 0.9, 'flat')
  t.ok(itemsOf(first.rows).length < itemsOf(largestSample.rows).length)
  const matrix = covariances[0].matrix() as Float64Array
  const p = Math.sqrt(matrix.length)
  const random = seededRandom(3)
  const draws = 20_000
  const sums = new Float64Array(p * p)
  for (let k = 0; k < draws; k++) {
    const drawn = covariances[0].draw(random)
    for (let a = 0; a < p; a++) for (let b = 0; b < p; b++) sums[a * p + b] += (drawn[a] * drawn[b]) / draws
  }
  const errors = sums.map((sum, k) => {
    const [a, b] = [Math.floor(k / p), k % p]
    const spread = Math.sqrt((matrix[a * p + a] * matrix[b * p + b] + matrix[k] ** 2) / draws)
    return (sum - matrix[k]) / spread
  })
  t.ok(largest(errors) < 4.5, `within 4.5 standard errors: ${largest(errors)}`)
})

// The limits.

t.test('with τ = 0 all groups have the one fit of all comparisons, and close to it for small τ', async () => {
  fc.assert(
    fc.property(pooledSamples, ({ model, groups }) => {
      const all = together(groups)
      const { counts, features } = groupOf(all, model)
      const one = maximise(posteriorOf(counts, model, none, features).posterior, false)?.at
      if (one === undefined) return false
      const [still, close] = [0, 1e-5].map((tau) => pool(groups, model, tau, 'flat'))
      const off = (found: PooledFit) =>
        largest(found.groups.flatMap((psi) => Array.from(psi, (value, a) => value - one[a])))
      const covariance = inverseInformation(all, model, none, one)
      const matrix = still.covariances[0].matrix() as Float64Array
      return (
        off(still) < 1e-10 &&
        off(close) < 1e-7 &&
        still.shrinkage.every((share) => share === 1) &&
        largest(covariance.flat().map((value, k) => value - matrix[k])) < 1e-10
      )
    }),
    { seed: 3, numRuns: 60 },
  )
})

t.test('as τ grows the groups’ fits tend to those of each alone, to the last digits', async () => {
  fc.assert(
    fc.property(pooledSamples, ({ model, groups }) => {
      const all = together(groups)
      const { rewards } = shapeOf(all, model)
      const items = groups[0].features === null
      return [1e3, 1e6].every((tau) => {
        const found = pool(groups, model, tau, 'flat')
        return groups.every((sample, g) => {
          const place = placeOf(sample, all, model)
          const { counts, features } = groupOf(sample, model)
          const alone = maximise(posteriorOf(counts, model, none, features).posterior, false)?.at
          if (alone === undefined) return false
          const psi = place.map((a) => found.groups[g][a])
          const shift = items ? psi[0] - alone[0] : 0
          const apart = psi.map((value, a) => value - alone[a] - (place[a] < rewards ? shift : 0))
          // The prior pulls by 1/τ².
          const covariance = inverseInformation(sample, model, none, alone)
          const pull = largest(covariance.flat()) / tau ** 2
          const c = new Float64Array(shapeOf(all, model).size)
          const [first, second] = items ? [place[0], place[1]] : [0, 1]
          c[first] = 1
          if (items) c[second] = -1
          const image = found.covariances[g].times(c)
          const variance = image[first] - (items ? image[second] : 0)
          const expected = items
            ? covariance[0][0] + covariance[1][1] - 2 * covariance[0][1]
            : covariance[0][0]
          const close = (found: number) => Math.abs(found / expected - 1) < 1e-7 + 1e3 * pull
          // What a group never compared has a variance of τ², in whose rounding contrasts would be lost.
          const p = c.length
          const matrix = found.covariances[g].matrix() as Float64Array
          const whole =
            matrix[first * p + first] +
            (items ? matrix[second * p + second] - 2 * matrix[first * p + second] : 0)
          return largest(apart) < 1e-9 + 1e3 * pull && close(variance) && (place.length < p || close(whole))
        })
      })
    }),
    { seed: 4, numRuns: 40 },
  )
})

t.test(
  'separate estimates need not exist where groups are pooled, and the answer says how far each was drawn',
  async (t) => {
    const comparisons = [
      ...[won('a', 'b', 3), won('b', 'c', 2), won('c', 'a', 1)].map((row) => ({ ...row, group: 'many' })),
      { ...won('a', 'b'), group: 'one' },
    ]
    const { groups } = await fit({
      comparisons,
      model: { prior: { kind: 'pooled', standardDeviation: 1 } },
    } as FitRequest)
    const [many, one] = groups
    t.same(
      Object.keys(one.rewards),
      ['a', 'b', 'c'],
      'an item that it never compared is as in the population',
    )
    t.same(one.unseenItems, ['c'])
    t.ok((one.pooling?.shrinkage as number) > (many.pooling?.shrinkage as number))
    t.equal(one.covariance, 'posterior')
    t.equal(one.pooling?.standardDeviation, 1)
    t.equal(one.pooling?.logMarginal, null)
  },
)

// The marginal likelihood.

/**
 * A group whose log-likelihood is −‖ψ − y‖²/(2v): all integrals are of normal densities, and Laplace's approximation is
 * no approximation.
 */
function quadratic(y: readonly number[], v: number): Likelihood {
  const p = y.length
  const gradient = new Float64Array(p)
  return {
    size: p,
    rewards: p,
    extras: [],
    dense: true,
    shiftInvariant: false,
    totals: new Float64Array(p).fill(1),
    value: (at) => -at.reduce((sum, x, a) => sum + (x - y[a]) ** 2, 0) / (2 * v),
    linearise(at) {
      for (let a = 0; a < p; a++) gradient[a] = (y[a] - at[a]) / v
    },
    gradient,
    diagonal: new Float64Array(p).fill(1 / v),
    multiply(x, out) {
      for (let a = 0; a < p; a++) out[a] = x[a] / v
    },
    addCurvature(matrix, order) {
      for (let a = 0; a < order; a++) matrix[a * order + a] += 1 / v
    },
    reach: (step) => largest(step),
    lift: (step) => step,
    lower: (slope) => slope,
    drawScore: null,
  }
}

const tables = fc.tuple(fc.integer({ min: 3, max: 8 }), fc.integer({ min: 2, max: 6 })).chain(([groups, p]) =>
  fc.array(
    fc.array(
      fc.integer({ min: -3000, max: 3000 }).map((x) => x / 1000),
      { minLength: p, maxLength: p },
    ),
    { minLength: groups, maxLength: groups },
  ),
)

t.test('for normal data the deviations are those of the analysis of variance', async () => {
  fc.assert(
    fc.property(tables, fc.constantFrom(0.01, 0.3, 2), (table, v) => {
      const groups = table.length
      const p = table[0].length
      const members = table.map((y) => ({
        likelihood: quadratic(y, v),
        index: Int32Array.from({ length: p }, (_, a) => a),
      }))
      const means = Array.from({ length: p }, (_, a) => table.reduce((sum, y) => sum + y[a] / groups, 0))
      const within = table.reduce((sum, y) => sum + y.reduce((s, x, a) => s + (x - means[a]) ** 2, 0), 0)
      const total = within / (p * (groups - 1))
      const tau2 = total - v
      const sigma2 = means.reduce((sum, mean) => sum + mean * mean, 0) / p - total / groups
      fc.pre(Math.abs(tau2) > 0.05 * v && sigma2 > 0.05 && Math.max(tau2, sigma2) < 1000)
      const shape = { size: p, rewards: p, shiftInvariant: false }
      const flat = fitPooled(members, shape, null, 'flat')
      const both = fitPooled(members, shape, null, null)
      if (flat === null || both === null) return false
      const close = (found: number, wanted: number) => Math.abs(Math.log(found / wanted)) < 3e-4
      if (tau2 < 0) return flat.standardDeviation === 0
      // log p(data | τ) with a flat population, up to what does not depend on τ.
      const exact = (t2: number) => -within / (2 * (t2 + v)) - ((groups - 1) * p * Math.log(t2 + v)) / 2
      const given = [0.3, 1.7].map((tau) => {
        const joint = newJoint(members, shape, new Float64Array(p))
        return maximiseJointly(joint, { tau, sigma: null }, 0)?.logMarginal ?? Number.NaN
      })
      return (
        close(flat.standardDeviation, Math.sqrt(tau2)) &&
        close(both.standardDeviation, Math.sqrt(tau2)) &&
        close(both.populationDeviation as number, Math.sqrt(sigma2)) &&
        Math.abs(given[1] - given[0] - (exact(1.7 ** 2) - exact(0.3 ** 2))) < 1e-9 * (1 + Math.abs(given[0]))
      )
    }),
    { seed: 5, numRuns: 150 },
  )
})

/** log ∫ p(data | τ) over ψ_0 and both groups' deviations, for two items: of the difference alone, on a grid. */
function bruteMarginal(table: readonly (readonly [number, number])[], tau: number): number {
  const logSigmoid = (d: number) => (d >= 0 ? -Math.log1p(Math.exp(-d)) : d - Math.log1p(Math.exp(d)))
  const step = 0.02
  const grid = Array.from({ length: 1001 }, (_, k) => (k - 500) * step)
  const likelihoods = table.map(([wins, losses]) =>
    grid.map((d) => Math.exp(wins * logSigmoid(d) + losses * logSigmoid(-d))),
  )
  // The difference of two rewards, each with standard deviation τ.
  const variance = 2 * tau * tau
  const kernel = Array.from({ length: 2001 }, (_, k) =>
    Math.exp(-(((k - 1000) * step) ** 2) / (2 * variance)),
  )
  const mass = kernel.reduce((a, b) => a + b, 0)
  let sum = 0
  grid.forEach((_, centre) => {
    let product = 1
    for (const likelihood of likelihoods) {
      let inner = 0
      likelihood.forEach((value, k) => {
        inner += (value * kernel[k - centre + 1000]) / mass
      })
      product *= inner
    }
    sum += product * step
  })
  return Math.log(sum)
}

t.test(
  'Laplace’s τ is near where the marginal likelihood, integrated by brute force, is largest',
  async (t) => {
    const table = [
      [34, 11],
      [12, 25],
    ] as const
    const comparisons = table.flatMap(([wins, losses], g) =>
      [won('a', 'b', wins), won('b', 'a', losses)].map((row): FullRow => ({ ...row, group: `group ${g}` })),
    )
    const { groups } = await fit({ comparisons, model: { prior: { kind: 'pooled' } } } as FitRequest)
    const tau = groups[0].pooling?.standardDeviation as number
    const best = Math.exp(
      peakOf((log) => bruteMarginal(table, Math.exp(log)), Math.log(0.1), Math.log(5), 1e-3),
    )
    t.ok(best > 0.5 && best < 2, `the truth is within, ${best}`)
    t.ok(Math.abs(Math.log(tau / best)) < 0.05, `τ is ${tau}, and ${best} by integration`)
    t.ok(
      bruteMarginal(table, best) - bruteMarginal(table, tau) < 0.001,
      'so near that the data hardly tell the two apart',
    )
  },
)

t.test('groups that do not differ are one, and a single group too', async (t) => {
  const alike = ['x', 'y', 'z'].flatMap((group) =>
    [won('a', 'b', 30), won('b', 'a', 20), won('b', 'c', 10), won('c', 'b', 9)].map((row) => ({
      ...row,
      group,
    })),
  )
  for (const comparisons of [alike, alike.filter(({ group }) => group === 'x')]) {
    const { groups } = await fit({ comparisons, model: { prior: { kind: 'pooled' } } } as FitRequest)
    for (const { pooling, rewards } of groups) {
      t.equal(pooling?.standardDeviation, 0)
      t.equal(pooling?.shrinkage, 1)
      t.equal(pooling?.populationDeviation, null)
      t.ok(Math.abs(rewards.a - rewards.b - Math.log(1.5)) < 1e-12)
    }
  }
})

t.test('τ is found again in simulated groups', async (t) => {
  const random = seededRandom(12)
  const normal = () => Math.sqrt(-2 * Math.log1p(-random())) * Math.cos(2 * Math.PI * random())
  const items = 8
  const common = Array.from({ length: items }, normal)
  const comparisons: FullRow[] = []
  for (let g = 0; g < 30; g++) {
    const theta = common.map((value) => value + 0.6 * normal())
    for (let a = 0; a < items; a++) {
      for (let b = 0; b < a; b++) {
        const wins = Array.from({ length: 12 }, () => random() < 1 / (1 + Math.exp(theta[b] - theta[a])))
        for (const won of wins)
          comparisons.push({ group: `group ${g}`, winner: item(won ? a : b), loser: item(won ? b : a) })
      }
    }
  }
  const { groups } = await fit({ comparisons, model: { prior: { kind: 'pooled' } } } as FitRequest)
  const tau = groups[0].pooling?.standardDeviation as number
  // 30·7 deviations and the noise of their estimates: a standard error of about 6%.
  t.ok(Math.abs(tau / 0.6 - 1) < 0.15, `τ is ${tau}`)
})

t.test('without a joint maximum there is no number', async (t) => {
  const model = { ties: 'davidson', prior: { kind: 'pooled' } } as const
  const comparisons = ['x', 'y'].flatMap((group) =>
    [won('a', 'b', 3), won('b', 'a', 2)].map((row) => ({ ...row, group })),
  )
  const noTies = await refusal(fit({ comparisons, model } as FitRequest))
  t.equal(noTies.kind, 'no-finite-estimate')
  // Nobody ever lost to b; that a tie is so likely hides it from rounding.
  const lossless = ['x', 'y'].flatMap((group) =>
    [won('a', 'b', 3), { ...won('a', 'b', 10), tie: true }].map((row) => ({ ...row, group })),
  )
  const neverLost = await refusal(fit({ comparisons: lossless, model } as FitRequest))
  t.equal(neverLost.kind, 'no-finite-estimate')
  const orders = comparisons.map((row) => ({ ...row, first: 'a' }))
  const position = { positionEffect: true, prior: { kind: 'pooled' } } as const
  const alwaysFirst = await refusal(fit({ comparisons: orders, model: position } as FitRequest))
  t.equal(alwaysFirst.kind, 'collinear-features')
  t.match(alwaysFirst.message, /who was shown first says no more than which two items/)
})

t.test('a peak of two variables is found along a narrow ridge', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -50, max: 30 }),
      fc.integer({ min: -50, max: 30 }),
      fc.integer({ min: -95, max: 95 }),
      (x, y, tilt) => {
        const [peakX, peakY, rho] = [x / 10, y / 10, tilt / 100]
        const f = ([a, b]: readonly number[]) => {
          const [u, v] = [a - peakX, b - peakY]
          return -(u * u + v * v - 2 * rho * u * v) - 0.01 * u ** 4
        }
        const found = peakOfMany(f, [0, 0], -7, 5, 1e-4)
        return Math.abs(found[0] - peakX) < 3e-3 && Math.abs(found[1] - peakY) < 3e-3
      },
    ),
    { seed: 6, numRuns: 200 },
  )
})

t.test('the population’s own estimate needs no group to have one', async () => {
  fc.assert(
    fc.property(pooledSamples, ({ model, groups, sigma }) => {
      const found = pool(groups, model, 0, sigma ?? 'flat')
      const all = together(groups)
      const prior: Prior = sigma === null ? none : { kind: 'gaussian', standardDeviation: sigma }
      return largest(newtonStepAt(all, model, prior, found.population)) < 1e-10
    }),
    { seed: 7, numRuns: 40 },
  )
})
