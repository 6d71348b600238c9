import { Problem } from '../problem.ts'
import { certify } from './certificate.ts'
import { followCentralPath, type Start } from './interior-point.ts'
import { maximin } from './maximin.ts'
import type { WelfareProblem } from './problem.ts'
import { middleOf, type Scaling, scalingOf } from './scaling.ts'
import { utilitiesOf, valuesOf } from './table.ts'

/** A worst gain is one above this, in units of each group's largest utility: fitted rewards are no more exact … */
const SOME = 1e-9
/** … and none where it is proven to be below this. */
const NONE = 1e-8
/** A utility below this part of the terms that it is the sum of may be rounding. */
const CANCELLED = 1e-6

/**
 * No policy gives every group a gain, as weights λ on the simplex prove: where max_i Σ_g λ_g u_gi ≤ 0, no lottery can
 * have every x_g > 0. The evidence is in integers; whoever knows the groups' names turns it into a {@link Problem}.
 */
export class NoGains extends Error {
  /** λ; length G. */
  readonly weights: Float64Array
  /** max_i Σ_g λ_g u_gi, at most 0 up to the 1e-8 of a group's largest utility that counts as none. */
  readonly bound: number

  constructor(weights: Float64Array, bound: number) {
    super('no policy gives every group a gain')
    this.weights = weights
    this.bound = bound
  }
}

/**
 * A start at which every group gains: the middle policy, or else one from the path to the maximin.
 *
 * @throws NoGains where there is no such policy
 */
export function gainingStart(problem: WelfareProblem, { scaled, sizes }: Scaling): Start {
  const { groups, items, utilities: u } = problem
  const x = new Float64Array(groups)
  for (let g = 0; g < groups; g++) {
    const best = u.subarray(g * items, (g + 1) * items).reduce((a, b) => Math.max(a, b))
    if (best <= 0)
      throw new NoGains(
        Float64Array.from(x, (_, k) => (k === g ? 1 : 0)),
        best,
      )
  }
  const middle = middleOf(scaled)
  const terms = new Float64Array(groups)
  utilitiesOf(scaled, middle.policy, x)
  utilitiesOf({ ...scaled, utilities: scaled.utilities.map(Math.abs) }, middle.policy, terms)
  if (x.every((gain, g) => gain > CANCELLED * terms[g])) return middle

  const relaxed: WelfareProblem = { ...problem, utilities: scaled.utilities, temperature: 0 }
  const ascent = scalingOf(relaxed, maximin, maximin.link)
  let found: Start | null = null
  let proof = new Float64Array(groups)
  let bound = Number.POSITIVE_INFINITY
  followCentralPath(ascent.scaled, ascent.link, middleOf(ascent.scaled), ({ policy, weights }) => {
    const { welfare, gap } = certify(relaxed, maximin, policy, weights)
    if (welfare > SOME && gap <= welfare)
      found = {
        policy: policy.slice(),
        tilt: policy.map((share, i) => Math.log(share / problem.reference[i])),
      }
    if (welfare + gap < bound) {
      bound = welfare + gap
      proof = weights.slice()
    }
    return found !== null || gap < 1e-14
  })
  if (found !== null) return found
  if (!(bound <= NONE)) {
    throw new Problem(
      'not-converged',
      'Whether some policy gives every group a gain is beyond double precision.',
    )
  }
  // λ for the scaled utilities, brought back to the simplex of the given ones.
  for (let g = 0; g < groups; g++) proof[g] /= sizes[g]
  maximin.project(proof)
  const values = new Float64Array(items)
  valuesOf(problem, proof, values)
  throw new NoGains(
    proof,
    values.reduce((a, b) => Math.max(a, b)),
  )
}
