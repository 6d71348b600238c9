import { andersonPoint, type FixedPointStep } from '../numeric/anderson.ts'
import {
  type Annotated,
  type Expectation,
  expectation,
  type Mixture,
  maximisation,
  normalise,
} from './mixture.ts'

/** Where a climb has come to. */
export type Climb = {
  mixture: Mixture
  expectation: Expectation
  /** Largest relative derivative of the log-posterior there. */
  gradientNorm: number
  /** Certified as a maximum; or on the way to one at infinity; or still climbing. */
  state: 'arrived' | 'away' | 'climbing'
}

/** At a maximum the gradient is at most the first, and the next step changes no parameter by more than the second. */
const TOLERANCE = 1e-8
const STANDSTILL = 1e-6
/** Rewards of two items that were compared do not differ by more where a flat prior has a maximum. */
const FAR_APART = 25
/** Where some rewards are farther apart, all others are settled once the gradient is no larger. */
const SETTLED = 1e-6
/** A group with fewer annotators than this, and ever fewer, is empty. */
const EMPTY = 1e-6
/** Steps that a guess is made from. */
const DEPTH = 6
/** What rounding may take from a log-posterior. */
const SLACK = 1e-13

/**
 * Climbs to a local maximum of the log-posterior of a mixture, never down: by the EM algorithm, accelerated by Anderson's
 * guesses where its steps are heading. Where a guess is lower, the step is doubled for as long as that leads higher
 * (Salakhutdinov & Roweis, ICML 2003), which is what leads away from saddle points.
 *
 * @param limit steps after which it stops, wherever it is
 */
export function climb(data: Annotated, start: Mixture, limit: number): Climb {
  let at = reach(data, start)
  let gradientNorm = Number.POSITIVE_INFINITY
  let steps: FixedPointStep[] = []
  const ended = (state: Climb['state']): Climb => ({ ...at, gradientNorm, state })
  for (let count = 0; count < limit; count++) {
    const { mixture } = at
    const step = maximisation(data, at.expectation.responsibilities, mixture)
    if (step === null) return ended('away')
    gradientNorm = step.gradientNorm
    if (gradientNorm <= TOLERANCE && step.moved <= STANDSTILL) return ended('arrived')
    if (data.prior.kind === 'none' && step.reach > FAR_APART && gradientNorm <= SETTLED) return ended('away')

    const kept = inhabited(data, mixture, step.next)
    if (kept.length < mixture.shares.length) {
      at = reach(data, restricted(step.next, kept))
      steps = []
      continue
    }
    const from = pack(mixture)
    const image = pack(step.next)
    const move = image.map((value, v) => value - from[v])
    steps = [...steps.slice(-DEPTH), { image, move }]
    const guess = steps.length > 1 ? andersonPoint(steps) : null
    const guessed = guess === null ? null : reach(data, unpack(guess, mixture.shares.length))
    if (guessed !== null && isNoLower(guessed, at)) at = guessed
    else {
      if (steps.length > 1) steps = []
      at = follow(data, at, from, move, steps.length === 0)
    }
  }
  return ended('climbing')
}

type Point = Pick<Climb, 'mixture' | 'expectation'>

function reach(data: Annotated, mixture: Mixture): Point {
  return { mixture, expectation: expectation(data, mixture) }
}

function isNoLower({ expectation: one }: Point, { expectation: other }: Point): boolean {
  return one.logPosterior >= other.logPosterior - SLACK * Math.abs(other.logPosterior)
}

/** Goes along a step: half as far while that is lower, and where it may be stretched twice as far while that is higher. */
function follow(
  data: Annotated,
  at: Point,
  from: Float64Array,
  move: Float64Array,
  stretched: boolean,
): Point {
  const groups = at.mixture.shares.length
  const along = (length: number) =>
    reach(
      data,
      unpack(
        from.map((value, v) => value + length * move[v]),
        groups,
      ),
    )
  let length = 1
  let best = along(length)
  for (let halvings = 0; halvings < 40 && !isNoLower(best, at); halvings++) {
    length /= 2
    best = along(length)
  }
  while (stretched && length >= 1 && length < 1024) {
    length *= 2
    const further = along(length)
    if (!(further.expectation.logPosterior > best.expectation.logPosterior)) break
    best = further
  }
  return best
}

/** The groups that are not about to be empty. */
function inhabited({ judgements }: Annotated, before: Mixture, { shares }: Mixture): number[] {
  return Array.from(shares.keys()).filter(
    (c) => shares[c] * judgements.annotators.length >= EMPTY || shares[c] > before.shares[c],
  )
}

/** Some groups of a mixture alone. */
function restricted({ shares, parameters }: Mixture, kept: readonly number[]): Mixture {
  const logs = Float64Array.from(kept, (c) => Math.log(shares[c]))
  normalise(logs)
  return { shares: logs, parameters: kept.map((c) => parameters[c]) }
}

/** A mixture as one vector, all of whose values stand for one: the parameters, then the logarithms of the shares. */
function pack({ shares, parameters }: Mixture): Float64Array {
  const width = parameters[0].length
  const packed = new Float64Array(shares.length * (width + 1))
  parameters.forEach((values, c) => {
    packed.set(values, c * width)
  })
  packed.set(
    shares.map((share) => Math.log(share)),
    shares.length * width,
  )
  return packed
}

function unpack(packed: Float64Array, groups: number): Mixture {
  const width = packed.length / groups - 1
  const shares = packed.slice(groups * width)
  normalise(shares)
  return {
    shares,
    parameters: Array.from({ length: groups }, (_, c) => packed.slice(c * width, (c + 1) * width)),
  }
}
