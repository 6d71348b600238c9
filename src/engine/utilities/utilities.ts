import type { UtilitySettings } from '../../../schemas/policy.ts'
import type { Rewards } from '../fitted.ts'
import { sigmoid } from '../numeric/sigmoid.ts'

/** A group's rewards on the scale and from the anchor that the request chose. */
export type GroupUtilities = {
  /** u = scaled reward − anchor; length n. */
  values: Float64Array
  /** d: what was subtracted. */
  anchor: number
  /** What rewards were multiplied by; null for win-probability, which is not linear. */
  scaleFactor: number | null
  /** Whether all items are the same to the group, to within what its rewards can tell apart. */
  indifferent: boolean
}

/** What can be chosen in a context, and how much it counts. */
type Situation = { weight: number; items: Int32Array }

/** An anchor with its item resolved to an index. */
export type Anchor = 'worst' | 'zero' | 'reference' | { item: number }

/** Differences between fitted rewards below this are the error of the fit; between given ones, relative, rounding. */
const FITTED_RESOLUTION = 1e-9
const GIVEN_RESOLUTION = 1e-12

/**
 * Utilities of one group: the rewards divided by the scale, then minus the anchor.
 *
 * All items count. `unit-range` divides by max − min, `standard-deviation` by the population standard deviation,
 * `win-probability` replaces each reward by the mean over the other items of σ(r_i − r_j). An indifferent group's
 * utilities are all exactly 0 under every anchor but `zero`, and its rewards are not divided by anything.
 *
 * @param reference π, over all contexts; length n
 * @param contexts where policies choose: the worst is the worst that a policy can give, Σ_q w_q min_i; null where every item
 *   can be chosen
 */
export function utilitiesOf(
  { values: rewards, seen, fit }: Pick<Rewards, 'values' | 'seen' | 'fit'>,
  scale: UtilitySettings['scale'],
  anchor: Anchor,
  reference: Float64Array,
  contexts: readonly Situation[] | null = null,
): GroupUtilities {
  const { low, high } = extremes(rewards)
  const resolution =
    fit === null ? GIVEN_RESOLUTION * Math.max(Math.abs(low), Math.abs(high)) : FITTED_RESOLUTION
  const indifferent = high - low <= resolution
  const level = indifferent ? new Float64Array(rewards.length).fill(mean(rewards)) : rewards

  let scaleFactor: number | null = 1
  let scaled = level
  if (scale === 'win-probability') {
    scaleFactor = null
    scaled = winProbabilities(level)
  } else if (!indifferent && scale !== 'none') {
    scaleFactor = 1 / (scale === 'unit-range' ? high - low : standardDeviation(level))
    scaled = level.map((value) => value * (scaleFactor as number))
  }
  const d = anchorOf(scaled, anchor, reference, fit === null ? null : seen, contexts)
  return { values: scaled.map((value) => value - d), anchor: d, scaleFactor, indifferent }
}

function anchorOf(
  scaled: Float64Array,
  anchor: Anchor,
  reference: Float64Array,
  seenByFit: Uint8Array | null,
  contexts: readonly Situation[] | null,
): number {
  if (typeof anchor === 'object') return scaled[anchor.item]
  // Lotteries over one value have that value, which a rounded sum would miss.
  const { low, high } = extremes(scaled)
  if (anchor === 'worst' && contexts !== null && low < high) return worstOf(scaled, contexts)
  if (anchor === 'worst' || (anchor === 'reference' && low === high)) return low
  if (anchor === 'reference') {
    // Summed from the lowest value up, so that what cancels is small.
    let sum = 0
    for (let i = 0; i < scaled.length; i++) sum += reference[i] * (scaled[i] - low)
    return low + sum
  }
  return seenByFit === null ? 0 : mean(scaled.filter((_, i) => seenByFit[i] === 1))
}

/** Σ_q w_q min_i u_i over the items of each context. */
function worstOf(scaled: Float64Array, contexts: readonly Situation[]): number {
  return contexts.reduce((sum, { weight, items }) => {
    const worst = items.reduce((low, item) => Math.min(low, scaled[item]), Number.POSITIVE_INFINITY)
    return sum + weight * worst
  }, 0)
}

/** v_i = mean over j ≠ i of σ(r_i − r_j). */
function winProbabilities(rewards: Float64Array): Float64Array {
  const n = rewards.length
  const sums = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const p = sigmoid(rewards[i] - rewards[j])
      sums[i] += p
      sums[j] += 1 - p
    }
  }
  return sums.map((sum) => sum / (n - 1))
}

function extremes(values: Float64Array): { low: number; high: number } {
  let low = values[0]
  let high = values[0]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return { low, high }
}

function mean(values: Float64Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

function standardDeviation(values: Float64Array): number {
  const centre = mean(values)
  let squares = 0
  for (const value of values) squares += (value - centre) ** 2
  return Math.sqrt(squares / values.length)
}
