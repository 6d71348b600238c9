import type { RankingCounts, RankingJudgements } from '../comparisons/ranking-counts.ts'
import { normal, type Random } from '../numeric/random.ts'
import { gatherScores, type Likelihood, onceAt, type Scores } from './likelihood.ts'
import type { Extra } from './model.ts'
import { plackettLuce } from './plackett-luce.ts'
import { extremes, NEAR } from './shared-odds.ts'

/** The log-likelihood of rankings, with what the uncertainty of its maximum needs besides. */
export type RankingLikelihood = Likelihood & {
  kind: 'rankings'
  counts: RankingCounts
  /** Where to begin: rewards all the same, and ties about as frequent as they were; in rewards and extras. */
  start: Float64Array
  /**
   * The scores of single rankings: the score of each different one, times the root of its sum of squared weights.
   *
   * @param squares Σ count·weight² of each different ranking
   * @param at ψ in rewards and extras; the linearisation is moved there
   */
  rankingScores(squares: Float64Array, at: Float64Array): Scores
  /** The score of each annotator: the sum over all rankings that the annotator gave. */
  annotatorScores(judgements: RankingJudgements, at: Float64Array): Scores
}

/** The parameter of ties among so many items. */
const TIE_EXTRAS: Record<number, Extra> = { 2: 'logTie', 3: 'logTie3', 4: 'logTie4' }

/**
 * The log-likelihood of one group's rankings: Plackett–Luce, or with ties the model of Davidson and Luce (Turner, van
 * Etten, Firth & Kosmidis, Comput. Statist. 35, 2020).
 *
 * At each stage of a ranking a set C shares the next place, out of all items A that are left, with probability
 * ∝ δ_k (∏_{i∈C} α_i)^{1/k}, where k = |C|, α = e^θ, δ_1 = 1, and η_k = log δ_k are the extras. Only sizes k of ties that
 * occur have a δ_k: of the others the likeliest value is 0. For two items it is Davidson's model, with ν = δ_2.
 *
 * A stage is a chain of decisions. First k is drawn, with P(k) ∝ δ_k e_k(α^{1/k}), e_k the elementary symmetric
 * polynomial over A. Then the items of A are gone through in the order of the ranking: where j more are wanted, item u is
 * taken with probability π = σ(d), d = θ_u/k + log e_{j−1} − log e_j, the polynomials now of the items after u. (For
 * j = k = 1, d compares the item with the sum of all after it.) All stages of a ranking share these decisions and only
 * begin at different items.
 *
 * So nothing cancels where an outcome is all but certain, and as the decisions of a chain are martingale differences, the
 * curvature is that of independent ones, Σ w vvᵀ with v = ∂d/∂ψ and w the mass that comes to the decision times
 * π(1 − π), besides that of the draws of k. Every sweep along a ranking takes time in its length; only the dense
 * curvature takes the square.
 */
export function rankingLikelihood(counts: RankingCounts): RankingLikelihood {
  const { offsets, order, tied, mass, sizes } = counts
  const m = counts.items.length
  const extras = sizes.slice(1).map((k) => TIE_EXTRAS[k])
  const size = m + extras.length
  const kinds = sizes.length
  const { share, goesOn, start, states } = statesOf(sizes)
  const { opens, decision } = decisionsOf(counts)
  const longest = longestOf(offsets)
  const totals = totalsOf(counts, size)

  const gradient = new Float64Array(size)
  const diagonal = new Float64Array(size)
  // Of entry e in state s, at e·states + s: π, 1 − π, and the weight w of the decision.
  const take = new Float64Array(order.length * states)
  const pass = new Float64Array(order.length * states)
  const weight = new Float64Array(order.length * states)
  // P(k) of the stage that begins at entry e, at e·kinds + o; not needed where k is always 1.
  const draw = new Float64Array(kinds === 1 ? 0 : order.length * kinds)

  // Of one ranking: how far each decision, and each draw of k, pulls; and what that comes to for each item and extra.
  const pulls = new Float64Array(longest * states)
  const drawPulls = new Float64Array(longest * kinds)
  const itemSums = new Float64Array(longest)
  const extraSums = new Float64Array(kinds)
  const carry = new Float64Array(states)

  /** Goes through a ranking from its end, where the polynomials are of nothing; returns its ℓ, and keeps all decisions if asked. */
  const decide = (at: Float64Array, r: number, keep: boolean): number => {
    const logs = carry.fill(Number.NEGATIVE_INFINITY)
    let sum = 0
    for (let e = offsets[r + 1] - 1; e >= offsets[r]; e--) {
      const theta = at[order[e]]
      for (let s = states - 1; s >= 0; s--) {
        const taken = theta / share[s] + (s > 0 && goesOn[s - 1] === 1 ? logs[s - 1] : 0)
        const passed = logs[s]
        if (taken === Number.NEGATIVE_INFINITY) {
          // More are wanted than are left.
          if (keep) take[e * states + s] = pass[e * states + s] = 0
          continue
        }
        const d = taken - passed
        const small = Math.exp(-Math.abs(d))
        const inverse = 1 / (1 + small)
        const log = Math.log1p(small)
        logs[s] = Math.max(taken, passed) + log
        if (s === decision[e]) sum -= d >= 0 ? log : log - d
        if (!keep) continue
        take[e * states + s] = d >= 0 ? inverse : small * inverse
        pass[e * states + s] = d >= 0 ? small * inverse : inverse
      }
      if (kinds > 1 && opens[e] === 1) sum += drawAt(at, e, logs, keep)
    }
    return mass[r] * sum
  }

  /** The draw of k at the stage that begins at entry e; returns the logarithm of its chance. */
  const drawAt = (at: Float64Array, e: number, logs: Float64Array, keep: boolean): number => {
    const logit = (o: number) => logs[start[o]] + (o === 0 ? 0 : at[m + o - 1])
    const drawn = sizes.indexOf(tied[e])
    let top = 0
    for (let o = 1; o < kinds; o++) if (logit(o) > logit(top)) top = o
    let rest = 0
    for (let o = 0; o < kinds; o++) if (o !== top) rest += Math.exp(logit(o) - logit(top))
    if (keep)
      for (let o = 0; o < kinds; o++) draw[e * kinds + o] = Math.exp(logit(o) - logit(top)) / (1 + rest)
    return logit(drawn) - logit(top) - Math.log1p(rest)
  }

  /** Follows the mass of all stages from where they begin through the decisions. */
  const follow = (r: number): void => {
    const flow = carry.fill(0)
    for (let e = offsets[r]; e < offsets[r + 1]; e++) {
      if (opens[e] === 1)
        for (let o = 0; o < kinds; o++)
          flow[start[o]] += kinds === 1 ? mass[r] : mass[r] * draw[e * kinds + o]
      for (let s = 0; s < states; s++) {
        const at = e * states + s
        weight[at] = flow[s] * take[at] * pass[at]
        flow[s] = flow[s] * pass[at] + (goesOn[s] === 1 ? flow[s + 1] * take[at + 1] : 0)
      }
    }
  }

  /** Pulls of what was observed, `times` over: (1 − π) on every decision that was taken. */
  const observe = (r: number, times: number): void => {
    const from = offsets[r]
    pulls.fill(0, 0, (offsets[r + 1] - from) * states)
    for (let e = from; e < offsets[r + 1]; e++) {
      pulls[(e - from) * states + decision[e]] = times * pass[e * states + decision[e]]
      if (kinds === 1 || opens[e] === 0) continue
      const drawn = sizes.indexOf(tied[e])
      let others = 0
      for (let o = 0; o < kinds; o++) if (o !== drawn) others += draw[e * kinds + o]
      for (let o = 0; o < kinds; o++)
        drawPulls[(e - from) * kinds + o] = times * (o === drawn ? others : -draw[e * kinds + o])
    }
  }

  /** Pulls w·(v·x) of a direction x. */
  const project = (r: number, x: Float64Array): void => {
    const from = offsets[r]
    const means = carry.fill(0)
    for (let e = offsets[r + 1] - 1; e >= from; e--) {
      const own = x[order[e]]
      for (let s = states - 1; s >= 0; s--) {
        const at = e * states + s
        const taken = own / share[s] + (s > 0 && goesOn[s - 1] === 1 ? means[s - 1] : 0)
        pulls[(e - from) * states + s] = weight[at] * (taken - means[s])
        means[s] = take[at] * taken + pass[at] * means[s]
      }
      if (kinds === 1 || opens[e] === 0) continue
      let mean = 0
      for (let o = 0; o < kinds; o++)
        mean += draw[e * kinds + o] * (means[start[o]] + (o === 0 ? 0 : x[m + o - 1]))
      for (let o = 0; o < kinds; o++) {
        const slope = means[start[o]] + (o === 0 ? 0 : x[m + o - 1]) - mean
        drawPulls[(e - from) * kinds + o] = mass[r] * draw[e * kinds + o] * slope
      }
    }
  }

  /** Random pulls, whose sum has the ranking's curvature as its covariance. */
  const shake = (r: number, random: Random): void => {
    const from = offsets[r]
    for (let e = from; e < offsets[r + 1]; e++) {
      for (let s = 0; s < states; s++)
        pulls[(e - from) * states + s] = Math.sqrt(weight[e * states + s]) * normal(random)
      if (kinds === 1 || opens[e] === 0) continue
      let sum = 0
      for (let o = 0; o < kinds; o++) {
        const root = Math.sqrt(draw[e * kinds + o]) * normal(random)
        drawPulls[(e - from) * kinds + o] = root
        sum += root
      }
      for (let o = 0; o < kinds; o++) {
        const at = (e - from) * kinds + o
        drawPulls[at] = Math.sqrt(mass[r]) * (drawPulls[at] - draw[e * kinds + o] * sum)
      }
    }
  }

  /** Σ pull · v over all decisions and draws of a ranking, into itemSums and extraSums. */
  const spread = (r: number): void => {
    const from = offsets[r]
    carry.fill(0)
    extraSums.fill(0)
    for (let e = from; e < offsets[r + 1]; e++) {
      if (kinds > 1 && opens[e] === 1) {
        for (let o = 0; o < kinds; o++) {
          const pull = drawPulls[(e - from) * kinds + o]
          carry[start[o]] += pull
          extraSums[o] += pull
        }
      }
      let sum = 0
      for (let s = 0; s < states; s++) {
        const at = e * states + s
        const pull = pulls[(e - from) * states + s]
        sum += (pull + carry[s] * take[at]) / share[s]
        carry[s] = carry[s] * pass[at] - pull
        if (goesOn[s] === 1) carry[s] += carry[s + 1] * take[at + 1] + pulls[(e - from) * states + s + 1]
      }
      itemSums[e - from] = sum
    }
  }

  /** Adds what was spread to a vector. */
  const addSums = (r: number, out: Float64Array): void => {
    const from = offsets[r]
    for (let e = from; e < offsets[r + 1]; e++) out[order[e]] += itemSums[e - from]
    for (let o = 1; o < kinds; o++) out[m + o - 1] += extraSums[o]
  }

  const value = (at: Float64Array): number => {
    let sum = 0
    for (let r = 0; r < mass.length; r++) sum += decide(at, r, false)
    return sum
  }

  const linearise = onceAt((at) => {
    gradient.fill(0)
    diagonal.fill(0)
    for (let r = 0; r < mass.length; r++) {
      decide(at, r, true)
      follow(r)
      observe(r, mass[r])
      spread(r)
      addSums(r, gradient)
      addForm(r, diagonal, null)
    }
  })

  const multiply = (x: Float64Array, out: Float64Array): void => {
    out.fill(0)
    for (let r = 0; r < mass.length; r++) {
      project(r, x)
      spread(r)
      addSums(r, out)
    }
  }

  // The lower triangle of a quadratic form in the states, that form times one vector, and rows that border it.
  const form = new Float64Array(states * states)
  const image = new Float64Array(states)
  const along = new Float64Array(states)
  const drawRows = new Float64Array(kinds * states)
  // Of one entry, for each state: π/k, and the chances to stay in it and to come to it from the next.
  const part = new Float64Array(states)
  const stay = new Float64Array(states)
  const come = new Float64Array(states)

  /**
   * Adds a ranking's curvature: its diagonal, or where there is a matrix its lower triangle.
   *
   * What v has for an item further on is a sum over states, of the chance to be in it there times π/k; so `form` is the
   * curvature of all decisions so far as a quadratic form in the states at an entry, and `drawRows` border it.
   */
  const addForm = (r: number, diagonal: Float64Array | null, into: Dense | null): void => {
    const end = offsets[r + 1]
    form.fill(0)
    drawRows.fill(0)
    for (let e = offsets[r]; e < end; e++) {
      if (kinds > 1 && opens[e] === 1) openForm(r, e, diagonal, into)
      for (let s = 0; s < states; s++) {
        const at = e * states + s
        part[s] = take[at] / share[s]
        stay[s] = pass[at]
        come[s] = goesOn[s] === 1 ? take[at + 1] : 0
      }
      multiplyForm()
      let own = 0
      for (let s = 0; s < states; s++)
        own += weight[e * states + s] / (share[s] * share[s]) + part[s] * image[s]
      if (diagonal !== null) diagonal[order[e]] += own
      if (into !== null) {
        into.add(order[e], order[e], own)
        addAlong(e, end, into)
        addBorders(e, into)
      }
      moveForm(e)
    }
  }

  /** image = form · part. */
  const multiplyForm = (): void => {
    for (let s = 0; s < states; s++) {
      let sum = form[s * states + s] * part[s]
      for (let u = 0; u < s; u++) {
        const value = form[s * states + u]
        sum += value * part[u]
        image[u] += value * part[s]
      }
      image[s] = sum
    }
  }

  /** A stage begins at entry e: the covariance of its draw of k. */
  const openForm = (r: number, e: number, diagonal: Float64Array | null, into: Dense | null): void => {
    for (let o = 0; o < kinds; o++) {
      let others = 0
      for (let q = 0; q < kinds; q++) if (q !== o) others += draw[e * kinds + q]
      for (let q = 0; q < kinds; q++) {
        const covariance = mass[r] * draw[e * kinds + o] * (q === o ? others : -draw[e * kinds + q])
        drawRows[o * states + start[q]] += covariance
        if (q > o) continue
        form[start[o] * states + start[q]] += covariance
        if (q === 0) continue
        if (diagonal !== null && q === o) diagonal[m + o - 1] += covariance
        if (into !== null) into.add(m + o - 1, m + q - 1, covariance)
      }
    }
  }

  /** The entries of item e with all items after it. */
  const addAlong = (e: number, end: number, into: Dense): void => {
    for (let s = 0; s < states; s++) {
      const at = e * states + s
      along[s] = image[s] * stay[s] - weight[at] / share[s]
      if (goesOn[s] === 1) along[s] += image[s + 1] * come[s] + weight[at + 1] / share[s]
    }
    for (let f = e + 1; f < end; f++) {
      let sum = 0
      for (let s = 0; s < states; s++) {
        const at = f * states + s
        sum += (along[s] * take[at]) / share[s]
        along[s] *= pass[at]
        if (goesOn[s] === 1) along[s] += along[s + 1] * take[at + 1]
      }
      into.add(order[e], order[f], sum)
    }
  }

  /** The entries of the extras with item e. */
  const addBorders = (e: number, into: Dense): void => {
    for (let o = 1; o < kinds; o++) {
      let sum = 0
      for (let s = 0; s < states; s++) {
        const row = o * states + s
        sum += drawRows[row] * part[s]
        drawRows[row] *= stay[s]
        if (goesOn[s] === 1) drawRows[row] += drawRows[row + 1] * come[s]
      }
      into.add(m + o - 1, order[e], sum)
    }
  }

  /** From the states at entry e to those at the next; in place, as a state is come to only from the one after it. */
  const moveForm = (e: number): void => {
    for (let s = 0; s < states; s++) {
      const row = s * states
      const below = goesOn[s] === 1 ? row + states : row
      for (let u = 0; u < s; u++) {
        form[row + u] =
          stay[s] * (stay[u] * form[row + u] + come[u] * form[row + u + 1]) +
          come[s] * (stay[u] * form[below + u] + come[u] * form[below + u + 1])
      }
      // Of the diagonal the entry to its right is the one below.
      const next = goesOn[s] === 1 ? form[below + s + 1] : 0
      form[row + s] =
        stay[s] * (stay[s] * form[row + s] + 2 * come[s] * form[below + s]) + come[s] * come[s] * next
    }
    for (let s = 0; s < states; s++) {
      const w = weight[e * states + s]
      form[s * states + s] += w
      if (s === 0 || goesOn[s - 1] === 0) continue
      form[(s - 1) * states + s - 1] += w
      form[s * states + s - 1] -= w
    }
  }

  const addCurvature = (matrix: Float64Array, total: number): void => {
    const kept = total - extras.length
    const add = (a: number, b: number, curvature: number): void => {
      if (a < m && a >= kept) return
      if (b < m && b >= kept) return
      const row = a < m ? a : a - m + kept
      const column = b < m ? b : b - m + kept
      matrix[Math.max(row, column) * total + Math.min(row, column)] += curvature
    }
    for (let r = 0; r < mass.length; r++) addForm(r, null, { add })
  }

  /** At most the largest change of a difference between the log-odds of two sets that could share a place. */
  const reach = (step: Float64Array): number => {
    let lowest = 0
    let highest = 0
    for (let o = 1; o < kinds; o++) {
      lowest = Math.min(lowest, step[m + o - 1])
      highest = Math.max(highest, step[m + o - 1])
    }
    // Where no two items move apart by more than is of interest, how far they do is said at once.
    const ends = extremes(step, m)
    const bound = ends.high - ends.low + highest - lowest
    if (bound <= NEAR) return bound
    let largest = 0
    for (let r = 0; r < mass.length; r++) {
      let low = Number.POSITIVE_INFINITY
      let high = Number.NEGATIVE_INFINITY
      for (let e = offsets[r]; e < offsets[r + 1]; e++) {
        low = Math.min(low, step[order[e]])
        high = Math.max(high, step[order[e]])
      }
      const range = high - low + highest - lowest
      if (!(range <= largest)) largest = range
    }
    return largest
  }

  const drawScore = (random: Random): Float64Array => {
    const sum = new Float64Array(size)
    for (let r = 0; r < mass.length; r++) {
      shake(r, random)
      spread(r)
      addSums(r, sum)
    }
    return sum
  }

  const rankingScores = (squares: Float64Array, at: Float64Array): Scores => {
    linearise(at)
    const gather = gatherScores(mass.length, order.length + mass.length * extras.length)
    for (let r = 0; r < mass.length; r++) {
      observe(r, Math.sqrt(squares[r]))
      spread(r)
      for (let e = offsets[r]; e < offsets[r + 1]; e++) gather.entry(order[e], itemSums[e - offsets[r]])
      for (let o = 1; o < kinds; o++) gather.entry(m + o - 1, extraSums[o])
      gather.close()
    }
    return gather.scores()
  }

  const annotatorScores = (judgements: RankingJudgements, at: Float64Array): Scores => {
    linearise(at)
    const annotators = judgements.offsets.length - 1
    let entries = annotators * extras.length
    for (const r of judgements.ranking) entries += offsets[r + 1] - offsets[r]
    const gather = gatherScores(annotators, entries)
    const sums = new Float64Array(size)
    const touched = new Set<number>()
    for (let a = 0; a < annotators; a++) {
      for (let k = judgements.offsets[a]; k < judgements.offsets[a + 1]; k++) {
        const r = judgements.ranking[k]
        observe(r, judgements.mass[k])
        spread(r)
        addSums(r, sums)
        for (let e = offsets[r]; e < offsets[r + 1]; e++) touched.add(order[e])
      }
      for (let b = m; b < size; b++) touched.add(b)
      for (const b of touched) {
        gather.entry(b, sums[b])
        sums[b] = 0
      }
      touched.clear()
      gather.close()
    }
    return gather.scores()
  }

  const likelihood: RankingLikelihood = {
    kind: 'rankings',
    counts,
    start: Float64Array.of(...new Float64Array(m), ...tieStartOf(counts)),
    size,
    rewards: m,
    extras,
    dense: false,
    shiftInvariant: true,
    totals,
    value,
    linearise,
    gradient,
    diagonal,
    multiply,
    addCurvature,
    reach,
    lift: (step) => step,
    lower: (gradient) => gradient,
    drawScore,
    rankingScores,
    annotatorScores,
  }
  return kinds === 1 ? plackettLuce(likelihood) : likelihood
}

/** Where entries of a symmetric matrix are added, by the indices of rewards and extras. */
type Dense = { add(a: number, b: number, curvature: number): void }

/**
 * The states of a chain: while a tie of k is gathered, and j of its items are wanted; for each size k in turn, j from 1
 * to k.
 */
function statesOf(sizes: readonly number[]) {
  const share: number[] = []
  const goesOn: number[] = []
  const start: number[] = []
  for (const k of sizes) {
    for (let j = 1; j <= k; j++) {
      share.push(k)
      // Whether the next state is one from which an item taken leads to this one.
      goesOn.push(j < k ? 1 : 0)
    }
    start.push(share.length - 1)
  }
  return {
    share: Float64Array.from(share),
    goesOn: Uint8Array.from(goesOn),
    start: Int32Array.from(start),
    states: share.length,
  }
}

/** Whether a stage begins at each entry, and in which state the entry was taken. */
function decisionsOf({ order, tied, sizes }: RankingCounts) {
  const opens = new Uint8Array(order.length)
  const decision = new Uint8Array(order.length)
  const { start } = statesOf(sizes)
  for (let e = 0; e < order.length; e += tied[e]) {
    opens[e] = 1
    const first = start[sizes.indexOf(tied[e])]
    for (let k = 0; k < tied[e]; k++) decision[e + k] = first - k
  }
  return { opens, decision }
}

function longestOf(offsets: Int32Array): number {
  let longest = 0
  for (let r = 0; r + 1 < offsets.length; r++) longest = Math.max(longest, offsets[r + 1] - offsets[r])
  return longest
}

/**
 * For each size k of ties log(N_k/N_1), the ratio of the stages that ended so to those that ended without a tie, less the
 * mean of log(C(A, k)/A), the ratio of the sets there were, A items being left.
 */
function tieStartOf({ offsets, tied, mass, sizes }: RankingCounts): Float64Array {
  const ended = new Float64Array(sizes.length).fill(0.5)
  const sets = new Float64Array(sizes.length)
  const stages = new Float64Array(sizes.length)
  for (let r = 0; r < mass.length; r++) {
    for (let e = offsets[r]; e < offsets[r + 1] - 1; e += tied[e]) {
      const left = offsets[r + 1] - e
      ended[sizes.indexOf(tied[e])] += mass[r]
      let ratio = 0
      let counted = 1
      sizes.forEach((k, o) => {
        for (; counted < k && k <= left; counted++) ratio += Math.log((left - counted) / (counted + 1))
        if (k > left) return
        sets[o] += mass[r] * ratio
        stages[o] += mass[r]
      })
    }
  }
  return Float64Array.from(sizes.slice(1), (_, o) => {
    const mean = stages[o + 1] > 0 ? sets[o + 1] / stages[o + 1] : 0
    return Math.log(ended[o + 1] / ended[0]) - mean
  })
}

/** The mass of the choices that each item stood for, and for the extras of all of them. */
function totalsOf({ items, offsets, order, tied, mass }: RankingCounts, size: number): Float64Array {
  const totals = new Float64Array(size)
  let all = 0
  for (let r = 0; r < mass.length; r++) {
    let stages = 0
    for (let e = offsets[r]; e < offsets[r + 1]; e += tied[e]) {
      // The last item of all is no choice.
      if (e < offsets[r + 1] - 1) stages++
      for (let k = e; k < e + tied[e]; k++) totals[order[k]] += mass[r] * stages
    }
    all += mass[r] * stages
  }
  return totals.fill(all, items.length)
}
