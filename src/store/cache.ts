import { LRUCache } from 'lru-cache'
import { addStored, type StoredComparisons } from '../engine/comparisons/stored.ts'
import { type Span, sortedFilters } from './counts.ts'
import type { CountsQuery } from './store.ts'
import { Turns } from './turns.ts'
import { unhurried } from './unhurried.ts'

/** The most memory that kept counts take. */
const LIMIT_BYTES = 512 * 1024 * 1024

type Kept = { dataset: number; epoch: number; upTo: number; counts: StoredComparisons }

/**
 * Keeps counts, least recently used first to go. Counts are additive: where batches have come since, those alone are
 * counted and added. An erasure makes them void.
 */
export class CountsCache {
  private readonly kept = new LRUCache<string, Kept>({
    maxSize: LIMIT_BYTES,
    sizeCalculation: ({ counts }) => bytesOf(counts),
  })
  private readonly turns = new Turns<string>()

  /**
   * Those who ask for the same counts at once wait for the first of them, and find what it has counted.
   *
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
    const counts = await this.turns.take(key, async () => {
      const counts = await this.current(key, { epoch, upTo }, count)
      this.kept.set(key, { dataset, epoch, upTo, counts })
      return counts
    })
    return { ...counts, source: { ...counts.source, fingerprint } }
  }

  /** The counts up to a batch: kept, brought up to it, or counted from the first on. */
  private async current(
    key: string,
    { epoch, upTo }: { epoch: number; upTo: number },
    count: (span: Span) => Promise<StoredComparisons>,
  ): Promise<StoredComparisons> {
    const found = this.kept.get(key)
    if (found === undefined || found.epoch !== epoch || found.upTo > upTo) return count({ after: 0, upTo })
    return found.upTo === upTo
      ? found.counts
      : unhurried(addStored(found.counts, await count({ after: found.upTo, upTo })))
  }

  forget(dataset: number): void {
    for (const [key, entry] of this.kept.entries()) if (entry.dataset === dataset) this.kept.delete(key)
  }
}

function bytesOf({ i, groups, items, annotators, squares, first, annotator }: StoredComparisons): number {
  const perEntry =
    3 * 4 + 4 * 8 + (squares === null ? 0 : 4 * 8) + (first === null ? 0 : 4) + (annotator === null ? 0 : 4)
  return i.length * perEntry + 64 * (1 + groups.length + items.length + annotators.length)
}
