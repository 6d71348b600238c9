import { connectivity } from '../src/engine/comparisons/connectivity.ts'
import { countPairs } from '../src/engine/comparisons/pairs.ts'
import { type Fit, fitBradleyTerry } from '../src/engine/rewards/fit-group.ts'
import { chain, comparisonsOf, type Outcomes, randomComparisons, twoClusters } from './data.ts'
import { measure } from './measure.ts'
import type { Peers } from './peers.ts'
import {
  milliseconds,
  type Section,
  scientific,
  type Target,
  TIMING_HEADER,
  target,
  timingCells,
} from './report.ts'

const HEADER = ['', ...TIMING_HEADER, 'error']
const OURS = 'Commonweal'

/** One group's rewards from integer columns, as the engine computes them. */
function fit(outcomes: Outcomes): Fit {
  const [counts] = countPairs(comparisonsOf(outcomes), 1, outcomes.items)
  if (connectivity(counts).components.length > 1) throw new Error('the data have no finite estimate')
  return fitBradleyTerry(counts, { kind: 'none' })
}

/** A million comparisons of a thousand items. */
export async function largeFit(peers: Peers): Promise<Section> {
  const outcomes = randomComparisons(1000, 1_000_000, 1)
  const { rewards, errorEstimate } = fit(outcomes)
  const { rows, ours, others } = await race(outcomes, rewards, errorEstimate, peers, 15)
  const exact = others.filter(({ error }) => error <= 1e-8)
  const native = others.filter(({ peer }) => peer.startsWith('evalica bradley_terry, default'))
  const ratioTo = (aim: string, rivals: Rival[]): Target => {
    if (rivals.length === 0)
      return { aim, measured: peers === null ? 'no peers in this run' : 'no such peer', met: null }
    const fastest = rivals.reduce((a, b) => (b.median < a.median ? b : a))
    return target(aim, fastest.median / ours, 'at least', 5, ` times faster than ${fastest.peer}`)
  }
  return {
    title: 'Fit: 1,000 items, 1,000,000 comparisons',
    about:
      'From integer columns in memory to rewards: counting pairs, connectivity and the fit. Pairs are drawn at random, rewards ' +
      'from N(0, 1). The error is the largest difference from our rewards, both with mean zero; for our own it is ‖L⁺g‖∞, ' +
      'which bounds it to first order. Peers get whatever form suits them best (arrays, lists or a matrix of counts, ' +
      'converted beforehand, but for the matrix, which is part of the work); only the call is timed.',
    header: HEADER,
    rows,
    targets: [
      ratioTo('at least 5 times faster than the fastest peer whose error is at most 1e-8', exact),
      ratioTo("at least 5 times faster than evalica's native bradley_terry at its defaults", native),
    ],
  }
}

/** Item k beats item k + 1 nine times in ten: neighbours are log 9 apart, exactly. */
export function chainFit(peers: Peers): Promise<Section> {
  const items = 200
  const exact = Float64Array.from({ length: items }, (_, k) => ((items - 1) / 2 - k) * Math.log(9))
  return hardFit(
    `Fit: a chain of ${items} items`,
    'Every item won nine of ten games against the next and met no other, so that neighbours are log 9 apart, exactly. ' +
      'Errors are differences from that. Methods that move one item at a time creep along the chain: those that stop ' +
      'on the change of the iterate stop early, or take long.',
    chain(items),
    exact,
    peers,
  )
}

/** Two clusters with one bridge: each is its own fit, and the bridge's ends are log(7/3) apart, exactly. */
export function clusterFit(peers: Peers): Promise<Section> {
  const size = 100
  const { within, bridge, outcomes } = twoClusters(size, 1)
  const [left, right] = within.map((cluster) => fit(cluster).rewards)
  const apart = left[0] - right[0] - Math.log(bridge.wins / bridge.losses)
  const exact = centred([...left, ...right.map((reward) => reward + apart)])
  return hardFit(
    `Fit: two clusters of ${size} items joined by 10 games`,
    'Two thousand random games within each cluster, and ten between their first items, seven of which the first cluster won. ' +
      'Errors are differences from what theory gives: each cluster fitted by itself, the ends of the bridge log(7/3) apart.',
    outcomes,
    exact,
    peers,
  )
}

async function hardFit(
  title: string,
  about: string,
  outcomes: Outcomes,
  exact: Float64Array,
  peers: Peers,
): Promise<Section> {
  const error = difference(fit(outcomes).rewards, exact)
  const { rows, ours } = await race(outcomes, exact, error, peers, 10)
  return {
    title,
    about,
    header: HEADER,
    rows,
    targets: [
      {
        aim: 'exact to 1e-9 in milliseconds (less than 50)',
        measured: `${scientific(error)} in ${milliseconds(ours)}`,
        met: error <= 1e-9 && ours < 50,
      },
    ],
  }
}

/** A peer that finished. */
type Rival = { peer: string; median: number; error: number }

/** Times our fit and the peers', and measures the peers' errors against `exact`. */
async function race(outcomes: Outcomes, exact: Float64Array, error: number, peers: Peers, limit: number) {
  const timing = await measure(() => fit(outcomes))
  const rows = [[OURS, ...timingCells(timing), scientific(error)]]
  const others: Rival[] = []
  const { items, winner, loser, times } = outcomes
  const problem = {
    items,
    winner: Array.from(winner),
    loser: Array.from(loser),
    times: times && Array.from(times),
    limit,
  }
  for (const run of peers === null ? [] : await peers<number[]>('fit', problem)) {
    if ('failure' in run) {
      rows.push([run.peer, ...timingCells(null), run.failure])
      continue
    }
    const { peer, timing, answer } = run
    const error = difference(centred(answer), exact)
    rows.push([peer, ...timingCells(timing), scientific(error)])
    others.push({ peer, median: timing.median, error })
  }
  return { rows, ours: timing.median, others }
}

function centred(values: ArrayLike<number>): Float64Array {
  const result = Float64Array.from(values)
  const mean = result.reduce((sum, value) => sum + value, 0) / result.length
  return result.map((value) => value - mean)
}

function difference(a: Float64Array, b: Float64Array): number {
  return a.reduce((most, value, k) => Math.max(most, Math.abs(value - b[k])), 0)
}
