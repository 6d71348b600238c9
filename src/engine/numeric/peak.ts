const GOLDEN = (3 - Math.sqrt(5)) / 2

/**
 * Finds where a function of one variable with a single peak has it, within an interval: parabolas through the best three
 * points, and golden sections where a parabola would not help (Brent, Algorithms for Minimization without Derivatives,
 * 1973, chapter 5).
 *
 * @param tolerance how far from the peak the answer may be
 * @param settled told which part of the wanted digits is known
 */
export function peakOf(
  f: (x: number) => number,
  from: number,
  to: number,
  tolerance: number,
  settled: (part: number) => void = () => {},
): number {
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
    settled(digits(to - from, high - low, 2 * tolerance))
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

/** Which part of the way from one width to a smaller one has been gone, in digits. */
function digits(from: number, now: number, to: number): number {
  return from > to ? Math.min(1, Math.log(from / now) / Math.log(from / to)) : 1
}

/** How well the first round looks, in the units of the variables, and how far from there those after it. */
const ROUGH = 0.05
const NEAR = 1
const MAX_ROUNDS = 20

/**
 * Finds where a function of few variables with a single peak has it, within a cube: along each variable in turn, and then
 * along the way that these took together (Powell, Comput. J. 7, 1964), until that gets no further.
 *
 * @param tolerance how far from the peak the answer may be, in each variable
 * @param settled told which part of the wanted digits is known
 */
export function peakOfMany(
  f: (x: readonly number[]) => number,
  from: readonly number[],
  low: number,
  high: number,
  tolerance: number,
  settled: (part: number) => void = () => {},
): number[] {
  let x = [...from]
  let known = 0
  settled(known)
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = x
    const rough = round === 0 && x.length > 1
    const span = round === 0 ? high - low : NEAR
    const fine = rough ? Math.max(ROUGH, tolerance) : tolerance
    for (let k = 0; k < x.length; k++) {
      const at = (value: number) => x.map((old, l) => (l === k ? value : old))
      const [least, most] = [Math.max(low, x[k] - span), Math.min(high, x[k] + span)]
      x = at(peakOf((value) => f(at(value)), least, most, fine, x.length === 1 ? settled : undefined))
    }
    if (x.length === 1) return x
    const way = x.map((value, k) => value - before[k])
    const length = Math.max(...way.map(Math.abs))
    known = Math.max(known, digits(high - low, length, 2 * tolerance))
    settled(known)
    if (!rough && length <= 2 * tolerance) return x
    // As far along it again as the cube allows, and twice as far at most.
    const room = Math.min(2, ...way.map((step, k) => (step > 0 ? (high - x[k]) / step : (low - x[k]) / step)))
    const along = (t: number) => x.map((value, k) => value + t * way[k])
    if (room > 0 && round > 0) x = along(peakOf((t) => f(along(t)), -0.5, room, tolerance / length))
  }
  return x
}
