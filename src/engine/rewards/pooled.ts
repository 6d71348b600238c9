import {
  choleskyBackSubstitute,
  choleskyFactor,
  choleskyInverse,
  choleskySolve,
} from '../numeric/cholesky.ts'
import { peakOf } from '../numeric/peak.ts'
import { normal } from '../numeric/random.ts'
import type { Covariance } from './covariance.ts'
import type { Likelihood } from './likelihood.ts'
import { largest, TOLERANCE } from './maximise.ts'

/** All groups' parameters, each normal around the population's: ψ_g = ψ_0 + u_g, u_g ~ N(0, τ²I). */
export type PooledFit = {
  /** τ: given, or where the marginal likelihood is largest; 0 where it has no maximum above. */
  standardDeviation: number
  /** σ of the population's rewards around 0; null where their prior is flat. */
  populationDeviation: number | null
  /** log p(data | τ, σ) at what was estimated, up to a constant; null where all was given. */
  logMarginal: number | null
  /** ψ_0; rewards with mean zero where ℓ is shift-invariant. */
  population: Float64Array
  /** ψ_g; G of them. */
  groups: Float64Array[]
  /** 0 where a group's data speak for themselves, 1 where it has none: 1 − tr(H(H + I/τ²)⁻¹)/rank. */
  shrinkage: Float64Array
  /** The posterior covariance of ψ_g, ψ_0's own uncertainty included. */
  covariances: Covariance[]
  gradientNorm: number
  errorEstimate: number
  iterations: number
}

const MAX_STEPS = 200
/** Where standard deviations are looked for, in logits; below the first all are the same to all intents. */
const LEAST_DEVIATION = 1e-3
const MOST_DEVIATION = 100
/** How well log τ is found: a marginal likelihood is flat at its peak, so that more digits would be of its rounding. */
const PRECISION = 1e-4
/** Rounds in which τ and σ are found in turn. */
const ROUNDS = 12

/** Standard deviations of the groups around the population, τ, and of the population's rewards around 0, σ; null: flat. */
type Deviations = { tau: number; sigma: number | null }

/**
 * Maximises Σ_g [ℓ_g(ψ_0 + u_g) − ‖u_g‖²/(2τ²)] over ψ_0 and all u_g; with σ the population's rewards have the
 * log-density −‖θ_0‖²/(2σ²) besides.
 *
 * With M_g = (I + τ²H_g)⁻¹ the Newton system reduces to (S + I/σ²) δ_0 = Σ_g M_g (g_g + H_g u_g) − θ_0/σ² with
 * S = Σ_g H_g M_g, and u_g + δ_g = M_g (δ_0 + τ²(g_g + H_g u_g)) − δ_0: written so, neither τ → 0 (one fit of all) nor
 * τ → ∞ (a fit of each) divides by anything small.
 *
 * Deviations that are not given maximise the marginal likelihood in Laplace's approximation, with u_g and ψ_0 integrated
 * out: ℓ − Σ‖u‖²/(2τ²) − ‖θ_0‖²/(2σ²) − m log σ − ½ Σ log det(I + τ²H_g) − ½ log det(S + I/σ²).
 *
 * @param likelihoods ℓ_g of all groups, over the same parameters
 * @param standardDeviation τ; null to estimate it
 * @param population σ; 'flat' for none, which asks that all data together have a finite estimate; null to estimate it
 * @returns null where ψ_0 has no finite maximum
 */
export function fitPooled(
  likelihoods: readonly Likelihood[],
  standardDeviation: number | null,
  population: number | 'flat' | null,
): PooledFit | null {
  const state = newState(likelihoods)
  const chosen: Deviations = {
    tau: standardDeviation ?? 1,
    sigma: population === 'flat' ? null : (population ?? 1),
  }
  const marginal = (at: Deviations) => maximiseAt(state, at, false)?.logMarginal ?? Number.NEGATIVE_INFINITY
  const free = (['tau', 'sigma'] as const).filter((of) =>
    of === 'tau' ? standardDeviation === null : population === null,
  )
  for (let round = 0; round < ROUNDS && free.length > 0; round++) {
    const before = { ...chosen }
    for (const of of free) {
      // After the first round the peak is not far from where it was.
      const centre = Math.log(chosen[of] as number)
      const low = round === 0 ? Math.log(LEAST_DEVIATION) : Math.max(Math.log(LEAST_DEVIATION), centre - 1)
      const high = round === 0 ? Math.log(MOST_DEVIATION) : Math.min(Math.log(MOST_DEVIATION), centre + 1)
      const log = peakOf((x) => marginal({ ...chosen, [of]: Math.exp(x) }), low, high, PRECISION)
      chosen[of] = Math.exp(log)
    }
    const moved = free.map((of) => Math.abs(Math.log((chosen[of] as number) / (before[of] as number))))
    if (free.length === 1 || Math.max(...moved) < 10 * PRECISION) break
  }
  if (standardDeviation === null && marginal({ ...chosen, tau: 0 }) >= marginal(chosen)) chosen.tau = 0
  const found = maximiseAt(state, chosen, true)
  return found === null ? null : describe(state, found, chosen, free.length > 0)
}

/** The iterate, kept between one τ and the next, and room for the matrices; p parameters, G groups. */
type State = {
  likelihoods: readonly Likelihood[]
  p: number
  /** ψ_0, and the u_g. */
  population: Float64Array
  offsets: Float64Array[]
  /** H_g whole, and the factor of I + τ²H_g; p × p each. */
  curvatures: Float64Array[]
  factors: Float64Array[]
  /** H_g M_g summed over groups, then its factor with the last reward grounded where ℓ is shift-invariant. */
  schur: Float64Array
  /** Newton steps taken so far, at all deviations. */
  steps: number
  totals: Float64Array
}

type Found = { gradientNorm: number; errorEstimate: number; iterations: number; logMarginal: number }

function newState(likelihoods: readonly Likelihood[]): State {
  const p = likelihoods[0].size
  const totals = new Float64Array(p)
  for (const likelihood of likelihoods) for (let a = 0; a < p; a++) totals[a] += likelihood.totals[a]
  const square = () => new Float64Array(p * p)
  return {
    likelihoods,
    p,
    population: new Float64Array(p),
    offsets: likelihoods.map(() => new Float64Array(p)),
    curvatures: likelihoods.map(square),
    factors: likelihoods.map(square),
    schur: square(),
    steps: 0,
    totals,
  }
}

/** @param polished whether to go on, once converged, to the last digit */
function maximiseAt(state: State, deviations: Deviations, polished: boolean): Found | null {
  const { tau } = deviations
  const { likelihoods, p, population, offsets } = state
  const { rewards: m } = likelihoods[0]
  if (tau === 0) for (const offset of offsets) offset.fill(0)
  let best: { population: Float64Array; offsets: Float64Array[]; found: Found } | null = null
  for (let iterations = 0; iterations <= MAX_STEPS; iterations++) {
    const step = newtonStep(state, deviations)
    if (step === null) break
    const { toPopulation, toOffsets, gradientNorm, logMarginal } = step
    const errorEstimate = Math.max(largest(toPopulation), ...toOffsets.map(largest))
    if (!Number.isFinite(errorEstimate)) break
    const close = gradientNorm <= TOLERANCE && errorEstimate <= TOLERANCE
    if (close && best !== null && errorEstimate > best.found.errorEstimate / 2) break
    if (close) {
      best = {
        population: population.slice(),
        offsets: offsets.map((offset) => offset.slice()),
        found: { gradientNorm, errorEstimate, iterations: ++state.steps, logMarginal },
      }
      if (!polished) break
    }
    state.steps++
    // Where a step is long it is halved until the log-posterior no longer falls.
    let length = 1
    const reach = Math.max(
      ...likelihoods.map((likelihood, g) =>
        likelihood.reach(toOffsets[g].map((u, a) => u + toPopulation[a])),
      ),
    )
    const moved = (by: number) =>
      objective(
        likelihoods,
        population.map((value, a) => value + by * toPopulation[a]),
        offsets.map((offset, g) => offset.map((u, a) => u + by * toOffsets[g][a])),
        m,
        deviations,
      )
    if (reach > 1.5) {
      const before = moved(0)
      while (length > 1e-12 && !(moved(length) >= before)) length /= 2
    }
    for (let a = 0; a < p; a++) population[a] += length * toPopulation[a]
    offsets.forEach((offset, g) => {
      for (let a = 0; a < p; a++) offset[a] += length * toOffsets[g][a]
    })
  }
  if (best === null) return null
  population.set(best.population)
  offsets.forEach((offset, g) => {
    offset.set((best as NonNullable<typeof best>).offsets[g])
  })
  // Leaves all matrices, and with them the covariances, at the maximum.
  newtonStep(state, deviations)
  return best.found
}

function objective(
  likelihoods: readonly Likelihood[],
  population: Float64Array,
  offsets: Float64Array[],
  m: number,
  { tau, sigma }: Deviations,
): number {
  let sum = 0
  if (sigma !== null) for (let v = 0; v < m; v++) sum -= (population[v] / sigma) ** 2 / 2
  likelihoods.forEach((likelihood, g) => {
    sum += likelihood.value(offsets[g].map((u, a) => u + population[a]))
    if (tau > 0) for (const u of offsets[g]) sum -= (u / tau) ** 2 / 2
  })
  return sum
}

/** The Newton step at the state's iterate, with the relative gradient and the marginal log-likelihood there. */
function newtonStep(state: State, deviations: Deviations) {
  const { tau, sigma } = deviations
  const { likelihoods, p, population, offsets, curvatures, factors, schur, totals } = state
  const variance = tau * tau
  const right = new Float64Array(p)
  const forces: Float64Array[] = []
  const gradient0 = new Float64Array(p)
  let gradientNorm = 0
  const { rewards: m } = likelihoods[0]
  let logMarginal = objective(likelihoods, population, offsets, m, deviations)
  schur.fill(0)
  for (let g = 0; g < likelihoods.length; g++) {
    const likelihood = likelihoods[g]
    const at = offsets[g].map((u, a) => u + population[a])
    likelihood.linearise(at)
    const curvature = curvatures[g]
    curvature.fill(0)
    likelihood.addCurvature(curvature, p)
    mirror(curvature, p)
    const factor = factors[g]
    for (let a = 0; a < p * p; a++) factor[a] = variance * curvature[a]
    for (let a = 0; a < p; a++) factor[a * p + a] += 1
    if (choleskyFactor(factor, p) >= 0) return null
    for (let a = 0; a < p; a++) logMarginal -= Math.log(factor[a * p + a])

    for (let a = 0; a < p; a++) {
      gradient0[a] += likelihood.gradient[a]
      if (tau > 0) {
        const own = likelihood.gradient[a] - offsets[g][a] / variance
        gradientNorm = Math.max(gradientNorm, Math.abs(own) / totals[a])
      }
    }
    // g_g + H_g u_g, and M_g times it.
    const force = multiply(curvature, offsets[g])
    for (let a = 0; a < p; a++) force[a] += likelihood.gradient[a]
    forces.push(force)
    const pulled = force.slice()
    choleskySolve(factor, p, pulled)
    for (let a = 0; a < p; a++) right[a] += pulled[a]
    addShrunk(curvature, factor, p, schur)
  }
  const precision = sigma === null ? 0 : 1 / (sigma * sigma)
  for (let v = 0; v < m && sigma !== null; v++) {
    gradient0[v] -= precision * population[v]
    right[v] -= precision * population[v]
    schur[v * p + v] += precision
    logMarginal -= Math.log(sigma)
  }
  for (let a = 0; a < p; a++) gradientNorm = Math.max(gradientNorm, Math.abs(gradient0[a]) / totals[a])

  const ground = groundOf(likelihoods[0], deviations)
  const grounded = without(schur, p, ground)
  const order = ground === p ? p : p - 1
  if (choleskyFactor(grounded, order) >= 0) return null
  for (let a = 0; a < order; a++) logMarginal -= Math.log(grounded[a * order + a])
  schur.set(grounded)

  const solved = right.filter((_, a) => a !== ground)
  choleskySolve(grounded, order, solved)
  const toPopulation = Float64Array.from({ length: p }, (_, a) =>
    a === ground ? 0 : solved[a < ground ? a : a - 1],
  )
  // Where the iterate's rewards have mean zero and the step's too, so has the sum.
  if (ground < p) {
    let mean = 0
    for (let v = 0; v < m; v++) mean += (population[v] + toPopulation[v]) / m
    for (let v = 0; v < m; v++) toPopulation[v] -= mean
  }
  const toOffsets = offsets.map((offset, g) => {
    const next = forces[g].map((force, a) => toPopulation[a] + variance * force)
    choleskySolve(factors[g], p, next)
    return next.map((value, a) => value - toPopulation[a] - offset[a])
  })
  return { toPopulation, toOffsets, gradientNorm, logMarginal }
}

/** The reward that is held at zero: the last, where nothing else fixes a constant added to all; p for none. */
function groundOf({ size, rewards, shiftInvariant }: Likelihood, { sigma }: Deviations): number {
  return shiftInvariant && sigma === null ? rewards - 1 : size
}

function describe(state: State, found: Found, deviations: Deviations, estimated: boolean): PooledFit {
  const { likelihoods, p, population, offsets, factors, schur } = state
  const { tau } = deviations
  const { rewards: m, shiftInvariant } = likelihoods[0]
  const ground = groundOf(likelihoods[0], deviations)
  const order = ground === p ? p : p - 1
  const rank = shiftInvariant ? p - 1 : p
  const populationInverse = choleskyInverse(schur.slice(0, order * order), order)
  const shrinkage = new Float64Array(likelihoods.length)
  const covariances = likelihoods.map((_, g): Covariance => {
    const inverse = choleskyInverse(factors[g], p)
    // tr(τ²H M) = p − tr M.
    let trace = 0
    for (let a = 0; a < p; a++) trace += 1 - inverse[a * p + a]
    shrinkage[g] = 1 - trace / rank

    /** M_g applied to N(0, S⁻) plus τ M_g^{1/2} applied to N(0, I): the two sources of uncertainty. */
    const draw: Covariance['draw'] = (random) => {
      const own = new Float64Array(p)
      for (let a = 0; a < p; a++) own[a] = normal(random)
      choleskyBackSubstitute(factors[g], p, own)
      const common = new Float64Array(order)
      for (let a = 0; a < order; a++) common[a] = normal(random)
      choleskyBackSubstitute(schur, order, common)
      const spread = Float64Array.from({ length: p }, (_, a) =>
        a === ground ? 0 : common[a < ground ? a : a - 1],
      )
      choleskySolve(factors[g], p, spread)
      return own.map((value, a) => tau * value + spread[a])
    }
    const matrix = () => {
      const whole = new Float64Array(p * p)
      // M S⁻ M, column by column of M.
      const middle = new Float64Array(p * p)
      for (let a = 0; a < order; a++) {
        const row = a < ground ? a : a + 1
        for (let b = 0; b < order; b++)
          middle[row * p + (b < ground ? b : b + 1)] = populationInverse[a * order + b]
      }
      const half = product(inverse, middle, p)
      const sandwiched = product(half, inverse, p)
      for (let a = 0; a < p * p; a++) whole[a] = tau * tau * inverse[a] + sandwiched[a]
      return shiftInvariant ? centredMatrix(whole, p, m) : whole
    }
    let kept: Float64Array | null = null
    const wholeMatrix = () => {
      kept ??= matrix()
      return kept
    }
    return {
      relativeError: 0,
      times: (c) => multiply(wholeMatrix(), c),
      variances: () => Float64Array.from({ length: p }, (_, a) => wholeMatrix()[a * p + a]),
      matrix: wholeMatrix,
      draw(random) {
        const drawn = draw(random)
        if (shiftInvariant) {
          let mean = 0
          for (let v = 0; v < m; v++) mean += drawn[v] / m
          for (let v = 0; v < m; v++) drawn[v] -= mean
        }
        return drawn
      },
    }
  })
  const { gradientNorm, errorEstimate, iterations, logMarginal } = found
  return {
    standardDeviation: tau,
    populationDeviation: deviations.sigma,
    logMarginal: estimated ? logMarginal : null,
    population: population.slice(),
    groups: offsets.map((offset) => offset.map((u, a) => u + population[a])),
    shrinkage,
    covariances,
    gradientNorm,
    errorEstimate,
    iterations,
  }
}

/** Copies the lower triangle of a p × p matrix to the upper one. */
function mirror(matrix: Float64Array, p: number): void {
  for (let a = 0; a < p; a++) for (let b = 0; b < a; b++) matrix[b * p + a] = matrix[a * p + b]
}

/** A symmetric p × p matrix times a vector. */
function multiply(matrix: Float64Array, x: Float64Array): Float64Array {
  const p = x.length
  const out = new Float64Array(p)
  for (let a = 0; a < p; a++) {
    let sum = 0
    for (let b = 0; b < p; b++) sum += matrix[a * p + b] * x[b]
    out[a] = sum
  }
  return out
}

function product(a: Float64Array, b: Float64Array, p: number): Float64Array {
  const out = new Float64Array(p * p)
  for (let i = 0; i < p; i++) {
    for (let k = 0; k < p; k++) {
      const value = a[i * p + k]
      if (value !== 0) for (let j = 0; j < p; j++) out[i * p + j] += value * b[k * p + j]
    }
  }
  return out
}

/** Adds H·M, with M = (R·Rᵀ)⁻¹, to the sum; the two commute, so the product is symmetric up to rounding. */
function addShrunk(curvature: Float64Array, factor: Float64Array, p: number, sum: Float64Array): void {
  const column = new Float64Array(p)
  for (let a = 0; a < p; a++) {
    column.set(curvature.subarray(a * p, (a + 1) * p))
    choleskySolve(factor, p, column)
    for (let b = 0; b < p; b++) sum[a * p + b] += column[b]
  }
}

/** A p × p matrix without the row and the column of one index; the same where the index is p. */
function without(matrix: Float64Array, p: number, index: number): Float64Array {
  if (index === p) return matrix.slice()
  const order = p - 1
  const out = new Float64Array(order * order)
  for (let a = 0; a < order; a++) {
    for (let b = 0; b < order; b++) {
      out[a * order + b] = matrix[(a < index ? a : a + 1) * p + (b < index ? b : b + 1)]
    }
  }
  return out
}

/** C·A·C with C = I − 11ᵀ/m on the rewards. */
function centredMatrix(matrix: Float64Array, p: number, m: number): Float64Array {
  const out = matrix.slice()
  for (const [step, start] of [
    [1, p],
    [p, 1],
  ]) {
    for (let a = 0; a < p; a++) {
      let mean = 0
      for (let v = 0; v < m; v++) mean += out[a * start + v * step] / m
      for (let v = 0; v < m; v++) out[a * start + v * step] -= mean
    }
  }
  return out
}
