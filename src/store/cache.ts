import { addStored, type StoredComparisons } from '../engine/comparisons/stored.ts'
import { type Span, sortedFilters } from './counts.ts'
import type { CountsQuery } from './store.ts'

/** The most memory that kept counts take. */
const LIMIT_BYTES = 512 * 1024 * 1024

type Kept = { dataset: number; epoch: number; upTo: number; counts: StoredComparisons; bytes: number }

/**
 * Keeps counts, least recently used first to go. Counts are additive: where batches have come since, those alone are
 * counted and added. An erasure makes them void.
 */
export class CountsCache {
  private readonly kept = new Map<string, Kept>()
  private bytes = 0

  /**
   * @param state the erasures and batches that the query sees
   * @param count counts the batches of a span
   */
  async read(
    dataset: number,
    query: CountsQuery,
    { epoch, upTo }: { epoch: number; upTo: number },
    count: (span: Span) => Promise<StoredComparisons>,
    fingerprint: string,
  ): Promise<StoredComparisons> {
    const { filters, groupBy, positions, annotators, squares } = query
    const key = JSON.stringify([dataset, sortedFilters(filters), groupBy, positions, annotators, squares])
    const found = this.kept.get(key)
    const usable = found !== undefined && found.epoch === epoch && found.upTo <= upTo ? found : null
    const counts =
      usable === null
        ? await count({ after: 0, upTo })
        : usable.upTo === upTo
          ? usable.counts
          : addStored(usable.counts, await count({ after: usable.upTo, upTo }))
    this.keep(key, { dataset, epoch, upTo, counts, bytes: bytesOf(counts) })
    return { ...counts, source: { ...counts.source, fingerprint } }
  }

  forget(dataset: number): void {
    for (const [key, entry] of this.kept) if (entry.dataset === dataset) this.drop(key, entry)
  }

  private keep(key: string, entry: Kept): void {
    const before = this.kept.get(key)
    if (before !== undefined) this.drop(key, before)
    this.kept.set(key, entry)
    this.bytes += entry.bytes
    for (const [oldest, old] of this.kept) {
      if (this.bytes <= LIMIT_BYTES) break
      this.drop(oldest, old)
    }
  }

  private drop(key: string, { bytes }: Kept): void {
    this.kept.delete(key)
    this.bytes -= bytes
  }
}

function bytesOf({ i, groups, items, annotators, squares, first, annotator }: StoredComparisons): number {
  const perEntry =
    3 * 4 + 4 * 8 + (squares === null ? 0 : 4 * 8) + (first === null ? 0 : 4) + (annotator === null ? 0 : 4)
  return i.length * perEntry + 64 * (groups.length + items.length + annotators.length)
}
