/** What is believed of an annotator's reliability before any comparison: Beta(α, β). */
export type ReliabilityPrior = { alpha: number; beta: number }

/** Judgements of all annotators: wins and losses (a tie is half of each) on entries whose σ(d) and σ(−d) are given. */
export type Judged = {
  /** The judgements of annotator a are offsets[a] … offsets[a + 1]. */
  offsets: Int32Array
  /** The entry of each judgement. */
  entry: Int32Array
  wins: Float64Array
  losses: Float64Array
  /** σ(d) and σ(−d) of each entry. */
  up: Float64Array
  down: Float64Array
}

/** One annotator's reliability as its judgements have it: values that stand for all, each with its probability. */
export type Nodes = {
  /** log ∫ η^(α−1) (1 − η)^(β−1) Π_k P^w (1 − P)^l dη. */
  log: number
  /** Probabilities; they sum to 1. */
  weights: number[]
  /** η and 1 − η, each with all of its digits. */
  meant: number[]
  slips: number[]
}

/** Between nodes in u; and e to the minus the other of the largest is where nodes end. The integral is right to 1e-11. */
const SPACING = 0.1
const CUTOFF = 34
/** sinh u and log cosh u at 0, SPACING, 2·SPACING, …, farther than any integrand reaches. */
const SINH = Float64Array.from({ length: 200 }, (_, n) => Math.sinh(n * SPACING))
const LOG_COSH = Float64Array.from({ length: 200 }, (_, n) => Math.log(Math.cosh(n * SPACING)))

/**
 * Integrates over one annotator's η: in x = log(η/(1 − η)), where the integrand has one peak, is analytic for
 * |Im x| < π, and falls exponentially on both sides. With x = peak + width · sinh u it falls doubly so, and sums of
 * equally spaced values converge geometrically (Takahasi & Mori, Publ. RIMS 9, 1974).
 */
export function reliabilityNodes(
  judged: Judged,
  annotator: number,
  { alpha, beta }: ReliabilityPrior,
): Nodes {
  const peak = peakOf(judged, annotator, { alpha, beta })
  const middle = Math.log(peak.eta / (1 - peak.eta))
  const width = Math.min(1, 1 / (Math.sqrt(peak.curvature) * peak.eta * (1 - peak.eta)))
  const nodes: Nodes = { log: 0, weights: [], meant: [], slips: [] }
  let top = Number.NEGATIVE_INFINITY
  for (const side of [1, -1]) {
    for (let n = side === 1 ? 0 : 1; n < SINH.length; n++) {
      const x = middle + side * width * SINH[n]
      const odds = Math.exp(-x)
      const meant = 1 / (1 + odds)
      const slip = odds * meant
      // The prior, times dη/dx = η (1 − η) and dx/du.
      const density = LOG_COSH[n] - (alpha + beta) * Math.log(1 + odds) - beta * x
      const height = density + logLikelihood(judged, annotator, meant, slip)
      if (height > top) top = height
      if (!(height >= top - CUTOFF)) break
      nodes.weights.push(height)
      nodes.meant.push(meant)
      nodes.slips.push(slip)
    }
  }
  const { weights } = nodes
  let sum = 0
  for (let n = 0; n < weights.length; n++) {
    weights[n] = Math.exp(weights[n] - top)
    sum += weights[n]
  }
  for (let n = 0; n < weights.length; n++) weights[n] /= sum
  nodes.log = top + Math.log(sum * width * SPACING)
  return nodes
}

/** log Π_k P^w (1 − P)^l. Whole and half judgements, which are most, are multiplied: one logarithm serves many. */
function logLikelihood(
  { offsets, entry, wins, losses, up, down }: Judged,
  annotator: number,
  meant: number,
  slip: number,
): number {
  let sum = 0
  let whole = 1
  let half = 1
  for (let b = offsets[annotator]; b < offsets[annotator + 1]; b++) {
    const s = up[entry[b]]
    const t = down[entry[b]]
    const won = wins[b]
    const lost = losses[b]
    if (won > 0) {
      const p = meant * s + slip * t
      if (won === 1) whole *= p
      else if (won === 0.5) half *= p
      else sum += won * Math.log(p)
    }
    if (lost > 0) {
      const q = meant * t + slip * s
      if (lost === 1) whole *= q
      else if (lost === 0.5) half *= q
      else sum += lost * Math.log(q)
    }
    if (whole < 1e-150 || half < 1e-150) {
      sum += Math.log(whole) + Math.log(half) / 2
      whole = half = 1
    }
  }
  if (half < 1) sum += Math.log(half) / 2
  return sum + Math.log(whole)
}

/**
 * Where the integrand in x is largest, as η, and minus the second derivative of its logarithm in η: by Newton's method
 * within a bracket, as the first derivative falls with η. It is only where the nodes are put, and need not be exact.
 */
function peakOf(
  { offsets, entry, wins, losses, up, down }: Judged,
  annotator: number,
  { alpha, beta }: ReliabilityPrior,
): { eta: number; curvature: number } {
  let low = 0
  let high = 1
  let eta = alpha / (alpha + beta)
  let curvature = 0
  for (let steps = 0; steps < 100; steps++) {
    let slope = alpha / eta - beta / (1 - eta)
    curvature = alpha / (eta * eta) + beta / ((1 - eta) * (1 - eta))
    for (let b = offsets[annotator]; b < offsets[annotator + 1]; b++) {
      const s = up[entry[b]]
      const t = down[entry[b]]
      const towards = (s - t) / (eta * s + (1 - eta) * t)
      const away = (t - s) / (eta * t + (1 - eta) * s)
      slope += wins[b] * towards + losses[b] * away
      curvature += wins[b] * towards * towards + losses[b] * away * away
    }
    if (slope > 0) low = eta
    else high = eta
    let next = eta + slope / curvature
    if (!(next > low && next < high)) next = (low + high) / 2
    const change = Math.abs(next - eta)
    eta = next
    if (change <= 1e-3 * Math.min(eta, 1 - eta)) break
  }
  return { eta, curvature }
}
