import { drawFromSimplex, type Random } from '../../numeric/random.ts'
import { EQUAL } from './dominance.ts'
import type { Points } from './points.ts'
import { type HalfSpaces, optimalVertex, type Vertex } from './vertex.ts'

/** A lottery over points: which, and with what probabilities, which sum to 1. */
export type Lottery = { points: number[]; probabilities: number[] }

/** What there is to say for a point: weights at which it is a best one, or a lottery that all groups prefer to it. */
export type Verdict = { weights: Float64Array; lottery: null } | { weights: null; lottery: Lottery }

/** Draws of weights whose best points are supported without more ado. */
const DRAWS = 1000
/** A point that is best with no weight below this is supported for sure; below, the lottery decides. */
const SURE = 1e-6
/** What a lottery has so little of it can do without. */
const TRACE = 1e-12

/**
 * Tells the points that some weights λ > 0 support from those that a lottery beats. Exactly one of the two holds (Gale,
 * Kuhn & Tucker 1951), and one linear program for each point proves either:
 *
 * maximise ε − α/EQUAL  subject to  λ·(u_j − u_i) ≤ α for all j,  λ_g ≥ ε ≥ 0,  α ≥ 0,  Σ λ = 1.
 *
 * Where ε > 0 the point is a best one at λ, but for α < EQUAL. Otherwise the multipliers y_j make a lottery y/Σy that no
 * group likes less than the point; among such lotteries one whose least gain is largest.
 *
 * Rivals need only be sought among the points that are known to be supported (Dulá & Helgason, European Journal of
 * Operational Research 92, 1996): whatever else beats a point at some weights is thereby found to be supported too.
 *
 * @param points different from each other, none dominated, in units of each group's range
 * @param decided told how many points are decided
 * @returns a verdict for each point, and the indices of those that are supported
 */
export function verdicts(
  points: Points,
  random: Random,
  decided: (count: number) => void,
): { verdicts: Verdict[]; supported: Int32Array } {
  const { count, groups, utilities: u } = points
  const found = new Array<Verdict | null>(count).fill(null)
  const frame = new Int32Array(count)
  let framed = 0
  const open = Int32Array.from({ length: count }, (_, i) => i)
  const place = open.slice()
  let opened = count
  const close = (i: number) => {
    const last = open[--opened]
    open[place[i]] = last
    place[last] = place[i]
  }
  const support = (i: number, weights: Float64Array) => {
    found[i] = { weights, lottery: null }
    frame[framed++] = i
    close(i)
  }

  const drawn = new Float64Array(groups)
  for (let s = Math.min(DRAWS, count); s > 0; s--) {
    drawFromSimplex(random, drawn)
    if (!drawn.every((weight) => weight > SURE)) continue
    const best = bestAt(points, drawn)
    if (found[best] === null) support(best, drawn.slice())
  }

  /** The point of a list that is worth most above i at z = (λ, ε, α), if more than α; else −1. */
  const rival = (i: number, z: Float64Array, list: Int32Array, length: number) => {
    let most = z[groups + 1] + EQUAL
    for (let g = 0; g < groups; g++) most += z[g] * u[i * groups + g]
    let best = -1
    for (let l = 0; l < length; l++) {
      const row = list[l] * groups
      let value = 0
      for (let g = 0; g < groups; g++) value += z[g] * u[row + g]
      if (value > most) {
        most = value
        best = list[l]
      }
    }
    return best
  }
  const first = groups + 3
  const program = (i: number, complete: boolean): HalfSpaces => ({
    ...supportProgram(points, i, complete ? 0 : 1),
    mostViolated(z) {
      const own = violatedSign(z, groups)
      if (own >= 0) return own
      // That some lottery beats the point is settled here; which one does so best, once all supported points are known.
      if (!complete && z[groups + 1] > SURE) return -1
      const known = rival(i, z, frame, framed)
      if (known >= 0) return first + known
      if (complete) return -1
      const other = rival(i, z, open, opened)
      if (other < 0) return -1
      if (z[groups] > SURE) support(other, onSimplex(z.subarray(0, groups)))
      return first + other
    },
  })

  const beaten: { point: number; lottery: Lottery }[] = []
  for (let i = 0; i < count; i++) {
    if (found[i] !== null) continue
    const vertex = optimalVertex(program(i, false))
    const best = vertex.z[groups] > SURE && vertex.z[groups + 1] <= EQUAL
    const lottery = best ? null : lotteryOf(points, i, vertex)
    if (lottery === null) support(i, flooredWeights(vertex.z.subarray(0, groups)))
    else {
      beaten.push({ point: i, lottery })
      close(i)
    }
    decided(count - opened)
  }
  for (const { point, lottery } of beaten) {
    const best = lotteryOf(points, point, optimalVertex(program(point, true)))
    found[point] = { weights: null, lottery: best ?? lottery }
  }
  return { verdicts: found as Verdict[], supported: frame.slice(0, framed).sort() }
}

/**
 * Everything of the program in (λ, ε, α) but which half-space to look at; rival j is half-space G + 3 + j. With a margin of 0
 * the objective has no ε, and the multipliers are those of the lottery whose least gain is largest, and of nothing else.
 */
function supportProgram(
  { groups, utilities: u }: Points,
  i: number,
  margin: 0 | 1,
): Omit<HalfSpaces, 'mostViolated'> {
  const [least, above] = [groups, groups + 1]
  const objective = new Float64Array(groups + 2)
  objective[least] = margin
  objective[above] = -1 / EQUAL
  return {
    dimension: groups + 2,
    objective,
    // Equal weights, ε as large as they are, and α = 0.
    basis: [...Array.from({ length: groups }, (_, g) => g + 1), 0, groups + 2],
    equation: 0,
    write(k, row) {
      row.fill(0)
      if (k === 0) {
        row.fill(1, 0, groups)
        return 1
      }
      if (k <= groups) {
        row[k - 1] = 1
        row[least] = -1
      } else if (k === groups + 1) row[least] = 1
      else if (k === groups + 2) row[above] = 1
      else {
        const j = k - groups - 3
        for (let g = 0; g < groups; g++) row[g] = u[i * groups + g] - u[j * groups + g]
        row[above] = 1
      }
      return 0
    },
  }
}

/** The one of λ_g ≥ ε, ε ≥ 0 and α ≥ 0 that is violated most, or −1. */
function violatedSign(z: Float64Array, groups: number): number {
  let worst = -1
  let most = TRACE
  for (let g = 0; g < groups; g++) {
    if (z[groups] - z[g] > most) {
      most = z[groups] - z[g]
      worst = g + 1
    }
  }
  if (-z[groups] > most) {
    most = -z[groups]
    worst = groups + 1
  }
  return -z[groups + 1] > most ? groups + 2 : worst
}

/** The lottery that the multipliers make, if no group likes it less than the point, and some group more; else null. */
function lotteryOf(
  { groups, utilities: u }: Points,
  i: number,
  { basis, multipliers }: Vertex,
): Lottery | null {
  let sum = 0
  basis.forEach((k, l) => {
    if (k >= groups + 3) sum += multipliers[l]
  })
  const drawn = basis
    .map((k, l) => ({ point: k - groups - 3, probability: multipliers[l] / sum }))
    .filter(({ point, probability }) => point >= 0 && probability > TRACE)
    .sort((a, b) => a.point - b.point)
  const total = drawn.reduce((all, { probability }) => all + probability, 0)
  let most = 0
  for (let g = 0; g < groups; g++) {
    let gain = 0
    for (const { point, probability } of drawn)
      gain += (probability / total) * (u[point * groups + g] - u[i * groups + g])
    if (!(gain >= -EQUAL)) return null
    most = Math.max(most, gain)
  }
  if (!(most > EQUAL)) return null
  return {
    points: drawn.map(({ point }) => point),
    probabilities: drawn.map(({ probability }) => probability / total),
  }
}

/** The point that is worth most at weights. */
function bestAt({ count, groups, utilities: u }: Points, weights: Float64Array): number {
  let best = 0
  let most = Number.NEGATIVE_INFINITY
  for (let k = 0; k < count; k++) {
    let value = 0
    for (let g = 0; g < groups; g++) value += weights[g] * u[k * groups + g]
    if (value > most) {
      most = value
      best = k
    }
  }
  return best
}

/** Weights none of which is 0: a weight of EQUAL moves no value by more than what counts as equal. */
function flooredWeights(weights: Float64Array): Float64Array {
  return onSimplex(weights.map((weight) => Math.max(weight, EQUAL)))
}

/** Weights scaled to sum to 1. */
export function onSimplex(weights: Float64Array): Float64Array {
  let sum = 0
  for (const weight of weights) sum += weight
  return weights.map((weight) => weight / sum)
}
