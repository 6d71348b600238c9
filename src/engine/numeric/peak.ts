const GOLDEN = (3 - Math.sqrt(5)) / 2

/**
 * Finds where a function of one variable with a single peak has it, within an interval: parabolas through the best three
 * points, and golden sections where a parabola would not help (Brent, Algorithms for Minimization without Derivatives,
 * 1973, chapter 5).
 *
 * @param tolerance how far from the peak the answer may be
 */
export function peakOf(f: (x: number) => number, from: number, to: number, tolerance: number): number {
  let low = from
  let high = to
  // The best point, the second best, and the second best before that.
  let best = low + GOLDEN * (high - low)
  let second = best
  let third = best
  let atBest = f(best)
  let atSecond = atBest
  let atThird = atBest
  let step = 0
  let stepBefore = 0
  while (Math.abs(best - (low + high) / 2) > tolerance - (high - low) / 2) {
    let parabolic = false
    if (Math.abs(stepBefore) > tolerance / 2) {
      const r = (best - second) * (atThird - atBest)
      const q = (best - third) * (atSecond - atBest)
      const denominator = 2 * (q - r)
      const jump = ((best - second) * r - (best - third) * q) / denominator
      const inside = best + jump > low && best + jump < high
      if (Number.isFinite(jump) && inside && Math.abs(jump) < Math.abs(stepBefore) / 2) {
        stepBefore = step
        step = jump
        parabolic = true
      }
    }
    if (!parabolic) {
      stepBefore = best < (low + high) / 2 ? high - best : low - best
      step = GOLDEN * stepBefore
    }
    // Points closer than this could not be told apart.
    const trial = best + (Math.abs(step) >= tolerance / 3 ? step : (Math.sign(step) || 1) * (tolerance / 3))
    const atTrial = f(trial)
    if (atTrial >= atBest) {
      if (trial < best) high = best
      else low = best
      third = second
      atThird = atSecond
      second = best
      atSecond = atBest
      best = trial
      atBest = atTrial
      continue
    }
    if (trial < best) low = trial
    else high = trial
    if (atTrial >= atSecond || second === best) {
      third = second
      atThird = atSecond
      second = trial
      atSecond = atTrial
    } else if (atTrial >= atThird || third === best || third === second) {
      third = trial
      atThird = atTrial
    }
  }
  return best
}
