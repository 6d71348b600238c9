import { gatherScores, type Scores } from './likelihood.ts'
import type { RankingLikelihood } from './ranking-likelihood.ts'

/** A sum of rewards and extras, by their index: what one set that could share a place gains over another. */
type Gain = { index: number; coefficient: number }[]

/**
 * For every place of every ranking, what its log-odds against the sets that could have had it instead gain, in rewards
 * and extras: ℓ falls nowhere along a direction where none of these is negative.
 *
 * Along such a direction the items of a place are not below those of the next, so that of the sets of each size only
 * those that take the best items count: whole places in turn, and some items of the last.
 *
 * @param limit of the number of entries
 * @returns each different gain; null where there are more
 */
export function rankingGains({ counts, rewards: m }: RankingLikelihood, limit: number): Scores | null {
  const { offsets, order, tied, sizes } = counts
  const gains = new Map<string, Gain>()
  let entries = 0
  const add = (gain: Gain) => {
    const key = gain.map(({ index, coefficient }) => `${index}:${coefficient}`).join()
    if (gains.has(key)) return
    gains.set(key, gain)
    entries += gain.length
  }
  const mean = (items: readonly number[], sign: number): Gain => {
    const size = sizes.indexOf(items.length)
    const shares = items.map((index) => ({ index, coefficient: sign / items.length }))
    return size === 0 ? shares : [{ index: m + size - 1, coefficient: sign }, ...shares]
  }
  for (let r = 0; r + 1 < offsets.length; r++) {
    for (let e = offsets[r]; e < offsets[r + 1] - 1; e += tied[e]) {
      const next = e + tied[e]
      const own = Array.from(order.subarray(e, next))
      const after = next === offsets[r + 1] ? [] : Array.from(order.subarray(next, next + tied[next]))
      for (const i of own) for (const j of after) add([...mean([i], 1), ...mean([j], -1)])
      for (const size of sizes) {
        if (size === own.length || size > offsets[r + 1] - e) continue
        const whole: number[] = []
        let last = e
        while (whole.length + tied[last] < size) {
          whole.push(...order.subarray(last, last + tied[last]))
          last += tied[last]
        }
        const candidates = Array.from(order.subarray(last, last + tied[last]))
        for (const some of subsets(candidates, size - whole.length))
          add([...mean(own, 1), ...mean([...whole, ...some], -1)])
      }
      if (entries > limit) return null
    }
  }
  const gather = gatherScores(gains.size, entries)
  for (const gain of gains.values()) {
    for (const { index, coefficient } of gain) gather.entry(index, coefficient)
    gather.close()
  }
  return gather.scores()
}

/** All ways to take so many of a few. */
function subsets(list: readonly number[], size: number): number[][] {
  if (size === 0) return [[]]
  if (list.length < size) return []
  const [first, ...rest] = list
  return [...subsets(rest, size - 1).map((some) => [first, ...some]), ...subsets(rest, size)]
}
