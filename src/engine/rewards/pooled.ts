import { peakOfMany } from '../numeric/peak.ts'
import { type Done, untold } from '../parts.ts'
import type { Covariance } from './covariance.ts'
import { groupPosteriors } from './pooled-covariance.ts'
import {
  type Deviations,
  type Joint,
  type Member,
  maximiseJointly,
  newJoint,
  type Population,
} from './pooled-maximum.ts'

/** All groups' parameters, each normal around the population's: ψ_g = ψ_0 + u_g, u_g ~ N(0, τ²I). */
export type PooledFit = {
  /** τ: given, or where the marginal likelihood is largest; 0 where it has no maximum above. */
  standardDeviation: number
  /** σ of the population's rewards around 0; null where their prior is flat. */
  populationDeviation: number | null
  /** log p(data | τ, σ) at what was estimated, up to a constant; null where all was given. */
  logMarginal: number | null
  /** ψ_0; rewards with mean zero where ℓ is shift-invariant and their prior flat. */
  population: Float64Array
  /** ψ_g, over all p parameters: what a group never compared is as in the population. G of them. */
  groups: Float64Array[]
  /** 0 where a group's data speak for themselves, 1 where it has none. */
  shrinkage: Float64Array
  /** The posterior covariance of ψ_g, ψ_0's own uncertainty included. */
  covariances: Covariance[]
  gradientNorm: number
  errorEstimate: number
  iterations: number
}

/** Where standard deviations are looked for, in logits; below the first all are the same to all intents. */
const LEAST_DEVIATION = 1e-3
const MOST_DEVIATION = 100
/** How well log τ is found: a marginal likelihood is flat at its peak, so that more digits would be of its rounding. */
const PRECISION = 1e-4
/** The error of the joint maximum at which a marginal likelihood is taken. */
const WHILE_SEARCHING = 1e-8
/** Marginal likelihoods that differ by less, relatively, are the same. */
const SAME = 1e-10

/**
 * Partial pooling: maximises Σ_g [ℓ_g(ψ_0 + u_g) − ‖u_g‖²/(2τ²)] over ψ_0 and all u_g; with σ the population's rewards have
 * the log-density −‖θ_0‖²/(2σ²) besides.
 *
 * Deviations that are not given maximise the marginal likelihood in Laplace's approximation, with u_g and ψ_0 integrated
 * out: ℓ − Σ‖u‖²/(2τ²) − ‖θ_0‖²/(2σ²) − m log σ − ½ Σ log det(I + τ²H_g) − ½ log det(S + I/σ²), with
 * S = Σ H_g (I + τ²H_g)⁻¹.
 *
 * @param members ℓ_g of all groups, with the population's parameters that each is of
 * @param standardDeviation τ; null to estimate it
 * @param populationDeviation σ; 'flat' for none, which asks that all data together have a finite estimate; null to
 *   estimate it
 * @param start of ψ_0
 * @param done told which part of the digits of the deviations is known
 * @returns null where ψ_0 has no finite maximum
 */
export function fitPooled(
  members: readonly Member[],
  population: Population,
  standardDeviation: number | null,
  populationDeviation: number | 'flat' | null,
  start: Float64Array = new Float64Array(population.size),
  done: Done = untold,
): PooledFit | null {
  const joint = newJoint(members, population, start)
  const chosen: Deviations = {
    tau: standardDeviation ?? 1,
    sigma: populationDeviation === 'flat' ? null : (populationDeviation ?? 1),
  }
  const free = (['tau', 'sigma'] as const).filter(
    (of) => (of === 'tau' ? standardDeviation : populationDeviation) === null,
  )
  // What has no maximum here has none at other deviations.
  if (free.length > 0 && !search(joint, chosen, free, done)) return null
  const found = maximiseJointly(joint, chosen, 0)
  if (found === null) return null

  const { gradientNorm, errorEstimate, logMarginal } = found
  const posteriors = groupPosteriors(joint, chosen.tau)
  return {
    standardDeviation: chosen.tau,
    populationDeviation: chosen.sigma,
    logMarginal: free.length > 0 ? logMarginal : null,
    population: joint.centre.slice(),
    groups: joint.groups.map(({ index, offset }) => {
      const at = joint.centre.slice()
      index.forEach((b, a) => {
        at[b] += offset[a]
      })
      return at
    }),
    shrinkage: Float64Array.from(posteriors, ({ shrinkage }) => shrinkage),
    covariances: posteriors.map(({ covariance }) => covariance),
    gradientNorm,
    errorEstimate,
    iterations: joint.steps,
  }
}

/** Moves the free deviations to where the marginal likelihood is largest; false where there is no joint maximum. */
function search(joint: Joint, chosen: Deviations, free: readonly ('tau' | 'sigma')[], done: Done): boolean {
  const marginal = (at: Deviations) =>
    maximiseJointly(joint, at, WHILE_SEARCHING)?.logMarginal ?? Number.NEGATIVE_INFINITY
  if (marginal(chosen) === Number.NEGATIVE_INFINITY) return false
  const deviationsAt = (logs: readonly number[]): Deviations => ({
    ...chosen,
    ...Object.fromEntries(free.map((of, k) => [of, Math.exp(logs[k])])),
  })
  const low = Math.log(LEAST_DEVIATION)
  const high = Math.log(MOST_DEVIATION)
  const peak = peakOfMany(
    (logs) => marginal(deviationsAt(logs)),
    free.map(() => 0),
    low,
    high,
    PRECISION,
    done,
  )
  Object.assign(chosen, deviationsAt(peak))
  if (free.includes('tau')) {
    const reached = marginal(chosen)
    if (marginal({ ...chosen, tau: 0 }) >= reached - SAME * Math.abs(reached)) chosen.tau = 0
  }
  return true
}
