import type { Preferences } from '../preferences.ts'
import type { GroupRewards } from '../rewards/rewards.ts'
import { type Margins, marginsOf } from './margins.ts'
import { addWins } from './wins.ts'

/** The margins that preferences lead to, and what they rest on. */
export type FoundMargins = {
  margins: Margins
  /** n × n, row-major: how often two items were compared; null where that is not known. */
  support: Float64Array | null
  /** Of every group; null where margins are of counts. */
  rewards: GroupRewards[] | null
}

/** Margins that are no whole numbers are exact to about this, relative to what they were made of. */
const ROUNDING = 1e-12
/** Sums of whole numbers below this are exact. */
const EXACT = Number.MAX_SAFE_INTEGER

/**
 * Margins from what was said.
 *
 * By group m_ij = Σ_g n_g (w_g,ij − w_g,ji)/(w_g,ij + w_g,ji), where a group that never compared the two adds 0; in one heap
 * the wins minus the losses themselves, which are exact where they are whole numbers.
 *
 * @param heap whether all is in one heap, a single group
 */
export function marginsFromCounts(preferences: Preferences, heap: boolean): FoundMargins {
  const { items, population, source } = preferences
  if (source.kind !== 'comparisons') throw new Error('there is nothing to count')
  const n = items.length
  const raw = new Float64Array(n * n)
  const support = new Float64Array(n * n)
  let most = 0
  let total = 0
  let whole = true
  source.groups.forEach(({ counts }, g) => {
    const won = new Float64Array(n * n)
    addWins(counts, n, won)
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        const [forth, back] = [won[i * n + j], won[j * n + i]]
        const met = forth + back
        if (met === 0) continue
        support[i * n + j] += met
        support[j * n + i] += met
        raw[i * n + j] += heap ? forth - back : (population[g] * (forth - back)) / met
        // Halves are exact too, and doubled they are whole.
        whole &&= Number.isInteger(2 * forth) && Number.isInteger(2 * back)
        most = Math.max(most, met)
        total += met
      }
    }
  })
  const exact = heap && whole && 4 * total * n < EXACT
  const tolerance = exact ? 0 : ROUNDING * (heap ? most : 1)
  return { margins: marginsOf(raw, n, tolerance), support, rewards: null }
}

/**
 * Margins from rewards: m_ij = Σ_g n_g tanh((u_gi − u_gj)/2), the chance to win minus that to lose under Bradley–Terry.
 *
 * A reward that is off by ε moves a margin by no more than ε/2, so that the errors of the fits bound what can be told apart.
 */
export function marginsFromRewards(preferences: Preferences, rewards: GroupRewards[]): FoundMargins {
  const { items, population } = preferences
  const n = items.length
  const raw = new Float64Array(n * n)
  let error = 0
  rewards.forEach(({ values: u, fitted }, g) => {
    for (let i = 0; i < n; i++)
      for (let j = i + 1; j < n; j++) raw[i * n + j] += population[g] * Math.tanh((u[i] - u[j]) / 2)
    error += population[g] * (fitted?.fit.errorEstimate ?? 0)
  })
  const margins = marginsOf(raw, n, Math.max(ROUNDING, 2 * error))
  return { margins, support: supportOf(preferences), rewards }
}

/** How often every two items were compared; null where rewards were given, or comparisons name no items. */
function supportOf({ items, source }: Preferences): Float64Array | null {
  if (source.kind === 'rewards' || !source.groups.every((group) => group.named)) return null
  const n = items.length
  const won = new Float64Array(n * n)
  for (const { counts } of source.groups) addWins(counts, n, won)
  return won.map((wins, at) => wins + won[(at % n) * n + Math.floor(at / n)])
}
