import { serialize } from 'node:v8'
import { LRUCache } from 'lru-cache'
import type { StoredComparisons, StoredSource } from '../engine/comparisons/stored.ts'
import type { Fitted } from '../engine/fitted.ts'
import type { CountsQuery, Store } from '../store/store.ts'

/** What a request must be given before it can be answered. */
export type Wanted = {
  counts: CountsQuery
  /** Requests with the same text here make the same fits of the same comparisons; null where they are not kept. */
  fits: string | null
}

/** What is known of the dataset that a request names: its counts, or what was fitted to them. */
export type Known = {
  source: StoredSource
  /** Null where the fits are there. */
  stored: StoredComparisons | null
  /** Fits of these comparisons. */
  same: Fitted | null
  /** Fits of what there was before. */
  before: Fitted | null
}

/** Fits of stored comparisons, so that another welfare function, or the next batch, does not begin anew. */
export type Fits = {
  /** Finds the fits that are wanted, or has the store count, and gives the fits of before along. */
  recall(wanted: Wanted, store: Pick<Store, 'counts' | 'state'>): Promise<Known>
  keep(wanted: Wanted, source: StoredSource, fitted: Fitted): void
}

/** The most memory that kept fits take. */
const LIMIT_BYTES = 128 * 1024 * 1024

/** Keeps fits, the least recently used first to go. */
export function keepFits(): Fits {
  const kept = new LRUCache<string, { source: StoredSource; fitted: Fitted }>({
    maxSize: LIMIT_BYTES,
    sizeCalculation: (entry) => serialize(entry).byteLength,
  })
  return {
    async recall({ counts, fits }, store) {
      const last = fits === null ? undefined : kept.get(fits)
      if (last !== undefined && (await store.state(counts)).fingerprint === last.source.fingerprint)
        return { source: last.source, stored: null, same: last.fitted, before: null }
      const stored = await store.counts(counts)
      return { source: stored.source, stored, same: null, before: last?.fitted ?? null }
    },
    keep({ fits }, source, fitted) {
      if (fits !== null) kept.set(fits, { source, fitted })
    },
  }
}
