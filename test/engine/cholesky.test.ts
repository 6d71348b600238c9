import fc from 'fast-check'
import t from 'tap'
import { choleskyFactor, choleskyInverseDiagonal, choleskySolve } from '../../src/engine/numeric/cholesky.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { fitBradleyTerry, posteriorOf } from '../../src/engine/rewards/fit-group.ts'
import { newtonStep } from '../../src/engine/rewards/newton-step.ts'
import {
  informationAt,
  inverse,
  item,
  largest,
  type Prior,
  pairCounts,
  randomGames,
  scoreAt,
  won,
} from '../helpers/fit.ts'

/** A·Aᵀ + I of a random A: symmetric, with every eigenvalue at least 1. */
function positiveDefinite(n: number, seed: number): number[][] {
  const random = seededRandom(seed)
  const a = Array.from({ length: n }, () => Array.from({ length: n }, () => 2 * random() - 1))
  return a.map((row, i) =>
    a.map((other, j) => row.reduce((sum, value, k) => sum + value * other[k], 0) + (i === j ? 1 : 0)),
  )
}

const matrices = fc
  .tuple(fc.integer({ min: 1, max: 24 }), fc.nat(1_000_000))
  .map(([n, seed]) => positiveDefinite(n, seed))
/** Rows of the storage may be longer than those of the matrix. */
const slacks = fc.nat(3)

/** The lower triangle in rows of the stride; everything that must not be read is NaN. */
function stored(matrix: number[][], stride: number): Float64Array {
  const a = new Float64Array(matrix.length * stride).fill(Number.NaN)
  matrix.forEach((row, i) => {
    a.set(row.slice(0, i + 1), i * stride)
  })
  return a
}

t.test('the factor times its transpose is the matrix, of which only the lower triangle is read', async () => {
  fc.assert(
    fc.property(matrices, slacks, (matrix, slack) => {
      const n = matrix.length
      const r = stored(matrix, n + slack)
      if (choleskyFactor(r, n, n + slack) !== -1) return false
      const at = (i: number, j: number) => (j > i ? 0 : r[i * (n + slack) + j])
      const errors = matrix.flatMap((row, i) =>
        row.map((value, j) => value - row.reduce((sum, _, k) => sum + at(i, k) * at(j, k), 0)),
      )
      return largest(errors) < 1e-13 * n
    }),
    { seed: 1, numRuns: 200 },
  )
})

t.test('solutions are those of the inverse', async () => {
  fc.assert(
    fc.property(matrices, slacks, fc.nat(1_000_000), (matrix, slack, seed) => {
      const n = matrix.length
      const random = seededRandom(seed)
      const b = Float64Array.from({ length: n }, () => 2 * random() - 1)
      const r = stored(matrix, n + slack)
      choleskyFactor(r, n, n + slack)
      const x = b.slice()
      choleskySolve(r, n, x, n + slack)
      const expected = inverse(matrix).map((row) => row.reduce((sum, value, k) => sum + value * b[k], 0))
      return largest(expected.map((value, k) => value - x[k])) < 1e-12
    }),
    { seed: 2, numRuns: 200 },
  )
})

t.test('the diagonal of the inverse is that of the whole inverse', async () => {
  fc.assert(
    fc.property(matrices, (matrix) => {
      const n = matrix.length
      const r = stored(matrix, n)
      choleskyFactor(r, n)
      const diagonal = choleskyInverseDiagonal(r, n)
      return largest(inverse(matrix).map((row, i) => row[i] - diagonal[i])) < 1e-12
    }),
    { seed: 3, numRuns: 200 },
  )
})

t.test('a matrix that is not positive definite is refused at its first bad pivot', async (t) => {
  const indefinite = [
    [4, 2, 0],
    [2, 1, 0],
    [0, 0, 1],
  ]
  t.equal(choleskyFactor(stored(indefinite, 3), 3), 1, 'singular')
  t.equal(choleskyFactor(Float64Array.of(-1), 1), 0, 'negative')
  t.equal(choleskyFactor(Float64Array.of(1, 0, Number.NaN, 1), 2), 1, 'not a number')
})

t.test('conjugate gradients solve the Newton system as well as a factorisation does', async (t) => {
  const { counts } = pairCounts(randomGames(5, 0, 320, 1500))
  const random = seededRandom(6)
  const theta = Float64Array.from(counts.items, () => 4 * random() - 2)
  for (const prior of [
    { kind: 'none' },
    { kind: 'gaussian', standardDeviation: 0.5 },
    { kind: 'pseudo-item', strength: 3 },
  ] satisfies Prior[]) {
    const { posterior } = posteriorOf(counts, { ties: 'half-win', positionEffect: false }, prior, null)
    posterior.linearise(theta)
    const delta = new Float64Array(320)
    t.ok(newtonStep(posterior, 1e-13, delta))

    // The residual, from the full matrix of the test's own.
    const score = scoreAt(theta, counts, prior)
    const left = informationAt(theta, counts, prior).map((row, i) =>
      row.reduce((sum, value, k) => sum + value * delta[k], -score[i]),
    )
    t.ok(largest(left) < 1e-10, `${prior.kind}: ${largest(left)}`)
    if (prior.kind === 'none') t.ok(Math.abs(delta.reduce((a, b) => a + b, 0)) < 1e-10, 'centred')
  }
})

t.test('on both sides of the crossover the same data have the same estimate', async (t) => {
  // An item that met only one other leaves the rewards of all others as they are.
  const games = randomGames(7, 0, 290, 1200)
  const pendants = Array.from({ length: 30 }, (_, k) => [
    won(item(7 * k), item(290 + k), 2),
    won(item(290 + k), item(7 * k), 3),
  ]).flat()
  const small = fitBradleyTerry(pairCounts(games).counts, { kind: 'none' }).rewards
  const large = fitBradleyTerry(pairCounts([...games, ...pendants]).counts, { kind: 'none' }).rewards
  t.equal(large.length, 320)
  const shift = large[0] - small[0]
  t.ok(largest(small.map((value, k) => large[k] - value - shift)) < 1e-11)
  const odds = Array.from({ length: 30 }, (_, k) => large[290 + k] - large[7 * k] - Math.log(1.5))
  t.ok(largest(odds) < 1e-11)
})

t.test('with a prior two groups of 200 in one fit have the estimates of two fits', async (t) => {
  const first = randomGames(8, 0, 200, 800)
  const second = randomGames(9, 200, 200, 800)
  for (const prior of [
    { kind: 'gaussian', standardDeviation: 1.5 },
    { kind: 'pseudo-item', strength: 0.5 },
  ] satisfies Prior[]) {
    const raw = (rows: typeof first) => {
      const { rewards, unseenReward } = fitBradleyTerry(pairCounts(rows).counts, prior)
      return rewards.map((value) => value - unseenReward)
    }
    const apart = [...raw(first), ...raw(second)]
    const together = raw([...first, ...second])
    t.ok(largest(together.map((value, k) => value - apart[k])) < 1e-11, prior.kind)
  }
})
