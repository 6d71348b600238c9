/** How long something took, in milliseconds. */
export type Timing = {
  /** The first run, before anything was warm. */
  first: number
  median: number
  min: number
  max: number
  /** Runs that the median is of; 1 where the first run took so long that it was left at that. */
  runs: number
}

/** A first run longer than this, in milliseconds, is the only one. */
const PATIENCE = 3000
/** After the first run, repeat for about this long: at least thrice, at most a hundred times. */
const BUDGET = 2000

/** Times a call: one run to warm up, then the median of several. peers.py does the same. */
export async function measure(run: () => unknown): Promise<Timing> {
  const time = async () => {
    const start = performance.now()
    await run()
    return performance.now() - start
  }
  const first = await time()
  if (first > PATIENCE) return { first, median: first, min: first, max: first, runs: 1 }
  const times: number[] = []
  for (let spent = 0; times.length < 3 || (spent < BUDGET && times.length < 100); ) {
    const took = await time()
    times.push(took)
    spent += took
  }
  times.sort((a, b) => a - b)
  return {
    first,
    median: quantile(times, 0.5),
    min: times[0],
    max: times[times.length - 1],
    runs: times.length,
  }
}

/** The quantile q of numbers sorted ascending, interpolated. */
export function quantile(sorted: number[], q: number): number {
  const at = q * (sorted.length - 1)
  const low = Math.floor(at)
  return sorted[low] + (at - low) * (sorted[Math.ceil(at)] - sorted[low])
}

/** The median of numbers in any order. */
export function median(values: number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  )
}
