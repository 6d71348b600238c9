import { choleskyFactor, choleskySolve } from '../numeric/cholesky.ts'
import type { Choices } from './choices.ts'
import { differencesAt, type Slope, slopeAt, valueAt } from './likelihood.ts'

/** The weights and the sensitivity that suit the choices best at one exponent. */
export type Fitted = {
  /** c = κw; length G; all 0 where the best is to choose by a toss. */
  c: Float64Array
  /** ℓ per unit of mass. */
  value: number
  /** What is left of the slope: by log c_g where c_g > 0, and where it is 0 what is above 0 of κ ∂ℓ/∂c_g. */
  gradientNorm: number
  /** Whether ℓ still rises as κ grows without bound: then c is a point on the way. */
  unbounded: boolean
}

/** The slope, per unit of mass, below which a point is stationary … */
const STATIONARY = 1e-10
const MAX_ITERATIONS = 300
/** … the part of κ below which a weight is tried at 0, and the κ, times the largest log-ratio, below which κ is. */
const NO_WEIGHT = 1e-10
const NO_SENSITIVITY = 1e-7
/** κ times the largest log-ratio above this is without bound: choices would be certain to 1 in e^1e5. */
const NO_BOUND = 1e5
/** D above this is all but certain, and values of ℓ that differ by less than this are equal. */
const CERTAIN = 25
const EQUAL = 1e-11
/** A rise of ℓ that is lost in its rounding. */
const ROUNDING = 1e-13
/** The longest step, in log c. */
const LONGEST = 2

/**
 * The best of the stationary points that are reached from several starts: equal weights, nearly all weight on each group,
 * and the points given. ℓ is not concave but at ρ = 0, so there may be better ones.
 *
 * @returns the best, and how many of the starts came to the same value
 */
export function bestFit(
  choices: Choices,
  exponent: number,
  known: readonly Fitted[],
): { fitted: Fitted; starts: number; agreeing: number } {
  const starts = [...startsOf(choices, exponent), ...known.flatMap(({ c }) => (sum(c) > 0 ? [c] : []))]
  const found = starts.map((start) => climb(choices, exponent, start))
  const fitted = found.reduce((best, other) => (other.value > best.value ? other : best))
  const agreeing = found.filter(({ value }) => value > fitted.value - 1e-9).length
  const unbounded = growsWithoutBound(choices, exponent, fitted)
  return { fitted: { ...fitted, unbounded }, starts: starts.length, agreeing }
}

/** The stationary point that is reached from known ones. */
export function refit(choices: Choices, exponent: number, known: readonly Fitted[]): Fitted {
  const starts = known.filter(({ c }) => sum(c) > 0)
  if (starts.length === 0) return known[0]
  const found = starts.map(({ c }) => climb(choices, exponent, c))
  const fitted = found.reduce((best, other) => (other.value > best.value ? other : best))
  return { ...fitted, unbounded: growsWithoutBound(choices, exponent, fitted) }
}

function startsOf(choices: Choices, exponent: number): Float64Array[] {
  const size = choices.groups.length
  const equal = new Float64Array(size).fill(1 / size)
  const single = (g: number) => equal.map((_, h) => (size === 1 ? 1 : h === g ? 0.9 : 0.1 / (size - 1)))
  const list = size === 1 ? [equal] : [equal, ...Array.from(equal, (_, g) => single(g))]
  return list.map((weights) => {
    // A sensitivity at which choices are neither certain nor a toss.
    const sizes = differencesAt(choices, exponent, weights).map(Math.abs)
    const mean = sizes.reduce((a, b) => a + b) / sizes.length
    return weights.map((weight) => weight / (mean > 0 ? mean : 1))
  })
}

/** Newton's method in log c, damped until ℓ rises (Levenberg, 1944; Marquardt, 1963); weights that vanish are put to 0. */
function climb(choices: Choices, exponent: number, start: Float64Array): Fitted {
  const spread = spreadOf(choices)
  const size = start.length
  let c = start.slice()
  let damping = 1e-3
  let slope = slopeAt(choices, exponent, c)
  let tries = 0
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
    const kappa = sum(c)
    if (!(kappa * spread >= NO_SENSITIVITY)) return toss()
    if (separates(choices, exponent, c, spread)) return { ...ended(true), value: supremum(choices) }
    if (kappa * spread > NO_BOUND) return ended(true)
    const free = Array.from(c.keys()).filter((g) => c[g] > 0)
    if (free.every((g) => Math.abs(slope.gradient[g]) <= STATIONARY)) {
      const wanted = Array.from(c.keys()).find((g) => c[g] === 0 && kappa * slope.added[g] > STATIONARY)
      if (wanted === undefined || tries++ > size) break
      c[wanted] = welcome(wanted)
      slope = slopeAt(choices, exponent, c)
      continue
    }
    const step = newtonStep(slope, free, damping)
    const next = c.slice()
    free.forEach((g, k) => {
      next[g] *= Math.exp(step[k])
    })
    const other = valueAt(choices, exponent, next)
    // Where the rise is lost in rounding, a slope that falls tells as much.
    const rise = step.reduce((total, part, k) => total + part * slope.gradient[free[k]], 0)
    const flatter = () => steepest(slopeAt(choices, exponent, next), free) < steepest(slope, free)
    if (!(other >= slope.value) && !(rise < ROUNDING && other > slope.value - ROUNDING && flatter())) {
      if (damping > 1e12) break
      damping = Math.max(1e-12, damping * 8)
      continue
    }
    damping = damping < 1e-9 ? 0 : damping / 8
    c = next
    const gone = Array.from(c.keys()).filter((g) => c[g] > 0 && c[g] < NO_WEIGHT * sum(c))
    if (gone.length > 0) {
      const without = c.map((part, g) => (gone.includes(g) ? 0 : part))
      if (valueAt(choices, exponent, without) >= other - 1e-12) c = without
    }
    slope = slopeAt(choices, exponent, c)
  }
  return ended(false)

  function ended(unbounded: boolean): Fitted {
    return { c, value: slope.value, gradientNorm: residual(), unbounded }
  }

  function toss(): Fitted {
    return { c: new Float64Array(size), value: -Math.LN2, gradientNorm: 0, unbounded: false }
  }

  function residual(): number {
    const kappa = sum(c)
    let most = 0
    for (let g = 0; g < size; g++) {
      const left = c[g] > 0 ? Math.abs(slope.gradient[g]) : Math.max(0, kappa * slope.added[g])
      most = Math.max(most, left)
    }
    return most
  }

  /** A c_g above 0 at which ℓ is higher. */
  function welcome(g: number): number {
    for (let part = 1e-2 * sum(c); part > 0; part /= 8) {
      const next = c.map((own, h) => (h === g ? part : own))
      if (valueAt(choices, exponent, next) > slope.value) return part
    }
    return 0
  }
}

/**
 * Whether the likelihood would be as high with ever more of one group's c_g, or of all: from ten times as much the climb
 * goes back nowhere near, and from a tenth it comes back.
 */
function growsWithoutBound(choices: Choices, exponent: number, fitted: Fitted): boolean {
  const { c, value, unbounded } = fitted
  // Only choices that are all but certain leave that possible.
  if (unbounded || !differencesAt(choices, exponent, c).some((difference) => difference > CERTAIN))
    return unbounded
  const from = (g: number, factor: number) =>
    climb(
      choices,
      exponent,
      c.map((part, h) => (h === g || g < 0 ? part * factor : part)),
    )
  for (let g = -1; g < c.length; g++) {
    if (g >= 0 && c[g] === 0) continue
    const size = (at: Float64Array) => (g < 0 ? sum(at) : at[g])
    const more = from(g, 10)
    if (more.unbounded) return true
    if (more.value < value - EQUAL || size(more.c) < 3 * size(c)) continue
    const less = from(g, 0.1)
    if (less.value < value - EQUAL || size(less.c) > size(c) / 3) return true
  }
  return false
}

/** Whether at these weights every choice that is one goes the way that it was made: then ever larger κ suits them better. */
function separates(choices: Choices, exponent: number, c: Float64Array, spread: number): boolean {
  const size = c.length
  const kappa = sum(c)
  return differencesAt(choices, exponent, c).every((difference, k) => {
    if (difference > 1e-9 * kappa * spread) return true
    const row = (logs: Float64Array) => logs.subarray(k * size, (k + 1) * size)
    return row(choices.preferred).every((value, g) => value === row(choices.rejected)[g])
  })
}

/** What ℓ tends to as κ grows, where every choice goes its way: those between two equal vectors stay a toss. */
function supremum({ preferred, rejected, mass }: Choices): number {
  const size = preferred.length / mass.length
  let tosses = 0
  let total = 0
  mass.forEach((m, k) => {
    const row = (logs: Float64Array) => logs.subarray(k * size, (k + 1) * size)
    if (row(preferred).every((value, g) => value === row(rejected)[g])) tosses += m
    total += m
  })
  return -Math.LN2 * (tosses / total)
}

/** The largest difference between log-utilities of one group in one choice. */
export function spreadOf({ preferred, rejected }: Choices): number {
  let spread = 0
  for (let k = 0; k < preferred.length; k++) spread = Math.max(spread, Math.abs(preferred[k] - rejected[k]))
  return spread
}

function steepest({ gradient }: Slope, free: readonly number[]): number {
  return free.reduce((most, g) => Math.max(most, Math.abs(gradient[g])), 0)
}

function newtonStep({ gradient, curvature }: Slope, free: readonly number[], damping: number): Float64Array {
  const order = free.length
  const size = gradient.length
  let largest = 0
  for (const g of free) largest = Math.max(largest, Math.abs(curvature[g * size + g]))
  const unit = largest > 0 ? largest : 1
  for (let ridge = damping; ; ridge = Math.max(1e-12, ridge * 8)) {
    const matrix = new Float64Array(order * order)
    free.forEach((g, a) => {
      free.forEach((h, b) => {
        matrix[a * order + b] = -curvature[g * size + h]
      })
      matrix[a * order + a] += ridge * (unit + Math.abs(curvature[g * size + g]))
    })
    if (choleskyFactor(matrix, order) >= 0) continue
    const step = Float64Array.from(free, (g) => gradient[g])
    choleskySolve(matrix, order, step)
    const longest = step.reduce((most, part) => Math.max(most, Math.abs(part)), 0)
    if (!Number.isFinite(longest)) continue
    return longest > LONGEST ? step.map((part) => (part * LONGEST) / longest) : step
  }
}

function sum(values: Float64Array): number {
  let total = 0
  for (const value of values) total += value
  return total
}
