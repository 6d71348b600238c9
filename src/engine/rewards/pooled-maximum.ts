import { choleskyFactor, choleskyInverse, choleskySolve, dotRows } from '../numeric/cholesky.ts'
import type { Likelihood } from './likelihood.ts'
import {
  FAR,
  HIDDEN,
  largest,
  ROUNDING,
  relativeGradient,
  SAFE_CHANGE,
  STILL_GROWING,
  TOLERANCE,
} from './maximise.ts'
import { centre } from './newton-step.ts'

/** Standard deviations of the groups around the population, τ, and of the population's rewards around 0, σ; null: flat. */
export type Deviations = { tau: number; sigma: number | null }

/** A group: ℓ_g in its own k parameters, and which of the population's p parameters these are, ascending. */
export type Member = { likelihood: Likelihood; index: Int32Array }

/** The population's parameters: p of them, m rewards first; `shiftInvariant` as every ℓ_g is. */
export type Population = { size: number; rewards: number; shiftInvariant: boolean }

/** The iterate, kept between one τ and the next, and the matrices at it. */
export type Joint = {
  population: Population
  /** ψ_0, and where the search for it began. */
  centre: Float64Array
  start: Float64Array
  groups: JointGroup[]
  /** The factor of S + I/σ², p × p; where that is singular along (1, …, 1, 0), it has a curvature there. */
  factor: Float64Array
  /** Newton steps taken so far, at all deviations. */
  steps: number
  /** Comparisons that bear on each of the p parameters. */
  totals: Float64Array
}

export type JointGroup = Member & {
  /** u_g; rewards sum to zero where ℓ_g is shift-invariant. */
  offset: Float64Array
  /** H_g, k × k. */
  curvature: Float64Array
  /** The factor of I + τ²H_g, and the inverse M_g; where H_g is singular along (1, …, 1, 0), of 1 + `lift` there. */
  factor: Float64Array
  inverse: Float64Array
  lift: number
}

/** The joint maximum, or what is left to go to it, and the log-marginal likelihood in Laplace's approximation. */
export type Found = { gradientNorm: number; errorEstimate: number; logMarginal: number }

export function newJoint(members: readonly Member[], population: Population, start: Float64Array): Joint {
  const { size } = population
  const totals = new Float64Array(size)
  for (const { likelihood, index } of members)
    index.forEach((at, a) => {
      totals[at] += likelihood.totals[a]
    })
  return {
    population,
    centre: start.slice(),
    start,
    groups: members.map((member) => {
      const k = member.index.length
      const square = () => new Float64Array(k * k)
      const offset = new Float64Array(k)
      return { ...member, offset, curvature: square(), factor: square(), inverse: square(), lift: 0 }
    }),
    factor: new Float64Array(size * size),
    steps: 0,
    totals,
  }
}

const MAX_STEPS = 200

/**
 * Maximises Σ_g [ℓ_g(ψ_0 + u_g) − ‖u_g‖²/(2τ²)] − ‖θ_0‖²/(2σ²) over ψ_0 and all u_g by Newton's method, from the iterate
 * of before; leaves the matrices at the maximum.
 *
 * @param tolerance of the error; the gradient's is 1e-10. At 0 it goes on to the last digit
 * @returns null where it does not converge
 */
export function maximiseJointly(joint: Joint, deviations: Deviations, tolerance: number): Found | null {
  const { groups } = joint
  if (deviations.tau === 0) for (const { offset } of groups) offset.fill(0)
  const finite = groups.every(({ likelihood }) => likelihood.extras.length === 0 && !likelihood.dense)
  let best: { found: Found; centre: Float64Array; offsets: Float64Array[] } | null = null
  for (let iteration = 0; iteration <= MAX_STEPS; iteration++) {
    const step = newtonStep(joint, deviations)
    if (step === null) break
    const { toCentre, toOffsets, gradientNorm, logMarginal } = step
    const errorEstimate = groups[0].likelihood.dense
      ? reachOf(joint, step)
      : Math.max(largest(toCentre), ...toOffsets.map(largest))
    if (!Number.isFinite(errorEstimate)) break
    joint.steps++
    const isHidden = !finite && distanceOf(joint) > HIDDEN
    const close = !isHidden && gradientNorm <= TOLERANCE && errorEstimate <= Math.max(tolerance, TOLERANCE)
    const shrinks = best === null || errorEstimate <= best.found.errorEstimate / 2
    if (close && shrinks) {
      const found = { gradientNorm, errorEstimate, logMarginal }
      if (tolerance > 0) return found
      best = { found, centre: joint.centre.slice(), offsets: groups.map(({ offset }) => offset.slice()) }
    } else if (close) break
    if (close && errorEstimate <= ROUNDING) break
    if (!advance(joint, deviations, step, finite)) break
  }
  if (best === null) return null
  joint.centre.set(best.centre)
  groups.forEach(({ offset }, g) => {
    offset.set((best as NonNullable<typeof best>).offsets[g])
  })
  newtonStep(joint, deviations)
  return best.found
}

/** How far log-odds of comparisons are from where the search began, at most. */
function distanceOf(joint: Joint): number {
  const { groups, start } = joint
  const distances = groups.map((group) => {
    const point = pointOf(joint, group)
    return group.likelihood.reach(point.map((value, a) => value - start[group.index[a]]))
  })
  return Math.max(...distances)
}

/** The most that a step changes the log-odds of a comparison. */
function reachOf({ groups }: Joint, { toCentre, toOffsets }: Step): number {
  const reaches = groups.map(({ likelihood, index }, g) =>
    likelihood.reach(toOffsets[g].map((u, a) => u + toCentre[index[a]])),
  )
  return Math.max(...reaches)
}

/** ψ_g = ψ_0 + u_g over the group's own parameters. */
function pointOf({ centre }: Joint, { index, offset }: JointGroup): Float64Array {
  return offset.map((u, a) => centre[index[a]] + u)
}

/** The log-posterior at the iterate, with a step of some length taken. */
function logPosterior(joint: Joint, { tau, sigma }: Deviations, step?: Step, length = 0): number {
  const { population, groups } = joint
  const centre = joint.centre.map((value, a) => value + (step === undefined ? 0 : length * step.toCentre[a]))
  let sum = 0
  if (sigma !== null) for (let v = 0; v < population.rewards; v++) sum -= (centre[v] / sigma) ** 2 / 2
  groups.forEach(({ likelihood, index, offset }, g) => {
    const moved = offset.map((u, a) => u + (step === undefined ? 0 : length * step.toOffsets[g][a]))
    sum += likelihood.value(moved.map((u, a) => centre[index[a]] + u))
    if (tau > 0) for (const u of moved) sum -= (u / tau) ** 2 / 2
  })
  return sum
}

/**
 * Moves along a step, the whole way where that is safe, else half as far while the log-posterior would fall.
 *
 * @returns false where the step leads far away without end
 */
function advance(joint: Joint, deviations: Deviations, step: Step, finite: boolean): boolean {
  const { centre, groups } = joint
  const reach = reachOf(joint, step)
  if (!finite && reach > STILL_GROWING && distanceOf(joint) > FAR) return false
  let length = 1
  if (reach > SAFE_CHANGE) {
    const before = logPosterior(joint, deviations)
    while (length > 1e-12 && !(logPosterior(joint, deviations, step, length) >= before)) length /= 2
  }
  for (let a = 0; a < centre.length; a++) centre[a] += length * step.toCentre[a]
  groups.forEach(({ offset }, g) => {
    for (let a = 0; a < offset.length; a++) offset[a] += length * step.toOffsets[g][a]
  })
  return true
}

type Step = { toCentre: Float64Array; toOffsets: Float64Array[] }

/**
 * The Newton step at the iterate, with the relative gradient and the log-marginal likelihood there.
 *
 * With M_g = (I + τ²H_g)⁻¹ the system reduces to (S + I/σ²) δ_0 = Σ_g M_g f_g − θ_0/σ², with S = Σ_g H_g M_g and
 * f_g = g_g + H_g u_g, and u_g + δ_g = M_g (δ_0 + τ²f_g) − δ_0: written so, neither τ → 0 (one fit of all) nor τ → ∞ (a fit
 * of each) divides by anything small. A shift of all rewards of a shift-invariant ℓ_g changes nothing but ‖u_g‖, so that
 * each u_g sums to zero.
 */
function newtonStep(joint: Joint, deviations: Deviations): (Step & Found) | null {
  const { population, centre: at, groups, factor, totals } = joint
  const { size: p, rewards: m, shiftInvariant } = population
  const { tau, sigma } = deviations
  const right = new Float64Array(p)
  const gradient = new Float64Array(p)
  const forces: Float64Array[] = []
  let gradientNorm = 0
  let logMarginal = logPosterior(joint, deviations)
  factor.fill(0)
  for (const group of groups) {
    const { likelihood, index, offset } = group
    likelihood.linearise(pointOf(joint, group))
    const logDeterminant = shrink(group, tau)
    if (logDeterminant === null) return null
    logMarginal -= logDeterminant / 2
    addShrunk(group, tau, factor, p)

    const force = multiply(group.curvature, offset)
    for (let a = 0; a < force.length; a++) force[a] += likelihood.gradient[a]
    if (shiftInvariant) centre(force, likelihood.rewards)
    forces.push(force)
    const pulled = multiply(group.inverse, force)
    index.forEach((b, a) => {
      right[b] += pulled[a]
      gradient[b] += likelihood.gradient[a]
    })
    if (tau > 0) {
      const own = likelihood.gradient.map((slope, a) => slope - offset[a] / (tau * tau))
      const ownTotals = Float64Array.from(index, (b) => totals[b])
      gradientNorm = Math.max(gradientNorm, relativeGradient({ gradient: own, totals: ownTotals }))
    }
  }
  if (sigma !== null) {
    const precision = 1 / (sigma * sigma)
    for (let v = 0; v < m; v++) {
      right[v] -= precision * at[v]
      gradient[v] -= precision * at[v]
      factor[v * p + v] += precision
    }
    logMarginal -= m * Math.log(sigma)
  }
  gradientNorm = Math.max(gradientNorm, relativeGradient({ gradient, totals }))
  const singular = shiftInvariant && sigma === null
  if (singular) logMarginal += Math.log(liftShift(factor, p, m)) / 2
  if (choleskyFactor(factor, p) >= 0) return null
  logMarginal -= logDeterminantOf(factor, p) / 2

  const toCentre = right
  if (singular) centre(toCentre, m)
  choleskySolve(factor, p, toCentre)
  if (singular) centre(toCentre, m)
  const toOffsets = groups.map(({ likelihood, index, offset, factor }, g) => {
    const common = Float64Array.from(index, (b) => toCentre[b])
    if (shiftInvariant) centre(common, likelihood.rewards)
    const next = common.map((value, a) => value + tau * tau * forces[g][a])
    choleskySolve(factor, next.length, next)
    for (let a = 0; a < next.length; a++) next[a] -= common[a]
    if (shiftInvariant) centre(next, likelihood.rewards)
    return next.map((u, a) => u - offset[a])
  })
  return { toCentre, toOffsets, gradientNorm, logMarginal, errorEstimate: Number.NaN }
}

/** Fills H_g, the factor of I + τ²H_g and M_g; returns log det(I + τ²H_g), or null where rounding makes it indefinite. */
function shrink(group: JointGroup, tau: number): number | null {
  const { likelihood, curvature, factor } = group
  const { size: k, rewards, shiftInvariant } = likelihood
  curvature.fill(0)
  likelihood.addCurvature(curvature, k)
  for (let a = 0; a < k; a++) for (let b = 0; b < a; b++) curvature[b * k + a] = curvature[a * k + b]
  const variance = tau * tau
  for (let a = 0; a < k * k; a++) factor[a] = variance * curvature[a]
  group.lift = shiftInvariant ? liftShift(factor, k, rewards) : 0
  for (let a = 0; a < k; a++) factor[a * k + a] += 1
  if (choleskyFactor(factor, k) >= 0) return null
  group.inverse = choleskyInverse(factor, k)
  return logDeterminantOf(factor, k) - Math.log1p(group.lift)
}

/**
 * Gives a matrix that is singular along (1, …, 1, 0) the mean of its diagonal as curvature there, in its lower triangle.
 *
 * @returns that curvature
 */
function liftShift(matrix: Float64Array, order: number, m: number): number {
  let curvature = 0
  for (let a = 0; a < m; a++) curvature += matrix[a * order + a] / m
  for (let a = 0; a < m; a++) for (let b = 0; b <= a; b++) matrix[a * order + b] += curvature / m
  return curvature
}

function logDeterminantOf(factor: Float64Array, order: number): number {
  let sum = 0
  for (let a = 0; a < order; a++) sum += 2 * Math.log(factor[a * order + a])
  return sum
}

/**
 * Adds H M to the lower triangle of a p × p matrix: as it is where τ²H is small, and as (I − M)/τ² where it is not, so
 * that the error is always one of rounding relative to H M itself.
 */
function addShrunk(
  { likelihood, index, curvature, inverse }: JointGroup,
  tau: number,
  sum: Float64Array,
  p: number,
): void {
  const k = index.length
  const m = likelihood.rewards
  const variance = tau * tau
  let steepest = 0
  for (let a = 0; a < k; a++) steepest = Math.max(steepest, curvature[a * k + a])
  if (variance * steepest <= 1) {
    for (let a = 0; a < k; a++)
      for (let b = 0; b <= a; b++)
        sum[index[a] * p + index[b]] += dotRows(curvature, a * k, inverse, b * k, k)
    return
  }
  // M is 1 along a shift of all rewards, which leaves nothing of I − M there.
  const means = new Float64Array(k)
  let mean = 0
  for (let a = 0; likelihood.shiftInvariant && a < k; a++) {
    for (let b = 0; b < m; b++) means[a] -= inverse[a * k + b] / m
    if (a >= m) continue
    means[a] += 1 / m
    mean += means[a] / m
  }
  for (let a = 0; a < k; a++) {
    for (let b = 0; b <= a; b++) {
      let value = (a === b ? 1 : 0) - inverse[a * k + b]
      if (b < m) value -= means[a]
      if (a < m) value -= means[b] - mean
      sum[index[a] * p + index[b]] += value / variance
    }
  }
}

/** A symmetric matrix times a vector. */
function multiply(matrix: Float64Array, x: Float64Array): Float64Array {
  const k = x.length
  return x.map((_, a) => dotRows(matrix, a * k, x, 0, k))
}
