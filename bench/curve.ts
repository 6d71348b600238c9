import { countPairs, type PairCounts } from '../src/engine/comparisons/pairs.ts'
import { fitBradleyTerry } from '../src/engine/rewards/fit-group.ts'
import { comparisonsOf, randomComparisons } from './data.ts'
import { measure } from './measure.ts'
import { figure, scientific } from './report.ts'

/**
 * What a fit costs per pair, from a thousand pairs to ten million and to 100,000 items in one group.
 *
 * Run by hand: `node bench/curve.ts`. Two comparisons of each pair on average, random pairs, rewards from N(0, 1), and the
 * prior of a pseudo-item, so that every draw has an estimate.
 */

const SIZES: [items: number, comparisons: number][] = [
  [50, 2_000],
  [200, 20_000],
  [300, 60_000],
  [350, 80_000],
  [1_000, 700_000],
  [3_000, 2_000_000],
  [6_500, 14_000_000],
  [30_000, 2_000_000],
  [100_000, 2_000_000],
]

process.stdout.write(
  '| items | pairs | fit | per pair | Newton steps | error |\n| --- | --- | --- | --- | --- | --- |\n',
)
for (const [items, comparisons] of SIZES) {
  const [counts] = countPairs(comparisonsOf(randomComparisons(items, comparisons, 1)), 1, items)
  process.stdout.write(`${await rowOf(counts)}\n`)
}

async function rowOf(counts: PairCounts): Promise<string> {
  const fit = () => fitBradleyTerry(counts, { kind: 'pseudo-item', strength: 0.1 })
  const { iterations, errorEstimate } = fit()
  const { median } = await measure(fit)
  const nanoseconds = (1e6 * median) / counts.pairs
  const cells = [counts.items.length, counts.pairs].map((size) => size.toLocaleString('en'))
  return `| ${[...cells, `${figure(median)} ms`, `${figure(nanoseconds)} ns`, iterations, scientific(errorEstimate)].join(' | ')} |`
}
