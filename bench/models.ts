import type { FitRequest, FitResponse } from '../schemas/fit.ts'
import type { Model } from '../schemas/model.ts'
import { connectivity } from '../src/engine/comparisons/connectivity.ts'
import { beatsOf } from '../src/engine/comparisons/counts.ts'
import { countPairs } from '../src/engine/comparisons/pairs.ts'
import { fit } from '../src/engine/fit.ts'
import { fitBradleyTerry } from '../src/engine/rewards/fit-group.ts'
import {
  comparisonsOfGames,
  type Games,
  itemId,
  randomDifferences,
  randomGames,
  randomRankings,
  requestColumns,
} from './games.ts'
import { measure } from './measure.ts'
import { type Peers, runPeersOfR } from './peers.ts'
import { type Section, scientific, type Target, TIMING_HEADER, target, timingCells } from './report.ts'

/** Peers whose error is larger are not as accurate, and no measure of speed. */
const ACCURATE = 1e-8
/** Seconds that a peer may take. */
const LIMIT = 10

/** One model of the fit with data. */
type Case = {
  title: string
  about: string
  ours(): Estimate | Promise<Estimate>
  /** The name by which peers.py and peers.R know the model, and what they get; null where none has it. */
  problem: ({ model: string } & Record<string, unknown>) | null
  /** Whether packages of R have it. */
  inR?: boolean
}

/** The numbers that are compared, and how exact ours are. */
type Estimate = { values: number[]; error: number }

/** Every model of the fit beside the peers that have it. */
export async function models(peers: Peers): Promise<Section[]> {
  const sections: Section[] = []
  for (const one of [...ties(), ...effects(), ...priors(), ...errors(), ...others(), ...alone()]) {
    process.stderr.write(`  ${one.title} …\n`)
    sections.push(await race(one, peers))
  }
  return sections
}

function ties(): Case[] {
  const games = randomGames({ items: 50, comparisons: 20_000, tie: 0.8 }, 1)
  const items = 1000
  const many = randomGames({ items, comparisons: 1_000_000, tie: 0.8, counted: false }, 2)
  const columns = comparisonsOfGames(many)
  return [
    {
      title: 'Davidson ties, 1,000 items, 1,000,000 comparisons',
      about:
        "From integer columns in memory to rewards, as above. evalica's `newman` fits the same model: its ν is half of " +
        "Davidson's. ν is compared as log ν.",
      ours: () => {
        const [counts] = countPairs(columns, 1, items)
        connectivity(beatsOf(counts))
        const { rewards, at, errorEstimate } = fitBradleyTerry(
          counts,
          { kind: 'none' },
          { ties: 'davidson', positionEffect: false },
        )
        return { values: [...rewards, at[items]], error: errorEstimate }
      },
      problem: { model: 'davidson', items, games: many },
    },
    {
      title: 'Davidson ties, 50 items, 20,000 comparisons',
      about:
        'A small problem, as a request with ids, standard errors included, where what is paid once is most of the time. R has the ' +
        "model as gnm's Poisson regression with the parameters of pairs eliminated; choix has no ties, and R's prefmod is not " +
        'packaged by Debian.',
      ours: () => ofRequest({ comparisons: requestColumns(games), model: { ties: 'davidson' } }),
      problem: { model: 'davidson', items: games.items, games },
      inR: true,
    },
  ]
}

function effects(): Case[] {
  const shown = randomGames({ items: 100, comparisons: 50_000, position: 0.3 }, 3)
  const tied = randomGames({ items: 20, comparisons: 10_000, tie: 0.8, position: 0.3 }, 4)
  return [
    ofGames(
      'position',
      'position effect, 100 items, 50,000 comparisons',
      'One more column of a logistic regression; choix and evalica do not have it.',
      shown,
      { positionEffect: true },
    ),
    ofGames(
      'davidson-position',
      'ties and position effect, 20 items, 10,000 comparisons',
      'A Poisson regression with a parameter for each pair and order, or with these eliminated.',
      tied,
      { ties: 'davidson', positionEffect: true },
    ),
  ].map((one) => ({ ...one, inR: true }))
}

function priors(): Case[] {
  const games = randomGames({ items: 50, comparisons: 5_000 }, 5)
  const many = randomGames({ items: 300, comparisons: 30_000 }, 6)
  const sparse = randomGames({ items: 100, comparisons: 5_000 }, 13)
  return [
    ofGames(
      'gaussian',
      'Gaussian prior, 50 items, 5,000 comparisons',
      "A ridge. choix's penalty is α‖θ‖², so that α is one over twice the variance; its `ep_pairwise` approximates the mean of the " +
        'posterior, which is another estimate.',
      games,
      { prior: { kind: 'gaussian', standardDeviation: 1 } },
    ),
    ofGames(
      'pseudo-item',
      'pseudo-item prior, 300 items, 30,000 comparisons',
      'Half a win and half a loss of every item against a phantom, which the peers get as one more item.',
      many,
      { prior: { kind: 'pseudo-item', strength: 0.5 } },
    ),
    {
      ...ofGames(
        'firth',
        "Firth's prior, 100 items, 5,000 comparisons",
        "Logistic regression penalised by Jeffreys' prior. R's logistf is not packaged by Debian.",
        sparse,
        { prior: { kind: 'firth' } },
      ),
      inR: true,
    },
  ]
}

function errors(): Case[] {
  const games = randomGames({ items: 100, comparisons: 20_000 }, 7)
  const judged = randomGames({ items: 50, comparisons: 20_000, annotators: 200 }, 8)
  const read = ({ standardErrors }: Group) => Object.values(standardErrors ?? {})
  return [
    {
      ...ofGames(
        'fisher',
        'standard errors (Fisher), 100 items, 20,000 comparisons',
        'The fit and its standard errors, which are compared, in the gauge where rewards sum to zero.',
        games,
        {},
        read,
      ),
      inR: true,
    },
    ofGames(
      'sandwich',
      'standard errors (sandwich), 100 items, 20,000 comparisons',
      'The same from the scores of single comparisons (HC0), of which statsmodels takes no counts.',
      games,
      { standardErrors: 'sandwich' },
      read,
    ),
    ofGames(
      'clustered',
      'standard errors (clustered), 50 items, 20,000 comparisons by 200 annotators',
      'The same from the scores of annotators, without a correction for their number.',
      judged,
      { standardErrors: 'clustered' },
      read,
    ),
  ]
}

function others(): Case[] {
  const items = 30
  const rankings = randomRankings(items, 5_000, 6, 9)
  const differences = randomDifferences(100_000, 20, 10)
  const careless = randomGames({ items, comparisons: 5_000, annotators: 50, slips: 0.3 }, 11)
  return [
    {
      title: 'rankings (Plackett–Luce), 30 items, 5,000 rankings of 6',
      about: "Partial rankings of random items. R's PlackettLuce is not packaged by Debian.",
      ours: () =>
        ofRequest({ rankings: rankings.map((ranking) => ({ group: 'all', ranking: ranking.map(itemId) })) }),
      problem: { model: 'rankings', items, rankings },
    },
    {
      title: 'linear rewards, 100,000 comparisons × 20 features',
      about:
        'Logistic regression on the differences of features, without an intercept; one row a comparison.',
      ours: () =>
        ofRequest(
          { comparisons: { group: differences.map(() => 'all'), featureDifference: differences } },
          ({ rewardWeights }) => rewardWeights ?? [],
        ),
      problem: { model: 'linear', differences },
    },
    ofGames(
      'reliability',
      'reliability of annotators, 30 items, 5,000 comparisons by 50 annotators',
      'Crowd-BT from five starts. The one package here that estimates reliabilities has another model, and does not count.',
      careless,
      { reliability: { alpha: 10, beta: 1 } },
    ),
  ]
}

/** Models that no package here has. */
function alone(): Case[] {
  const groups = Array.from({ length: 8 }, (_, g) =>
    requestColumns(randomGames({ items: 30, comparisons: 1_000 }, 20 + g), `group ${g}`),
  )
  const { group: _, ...mixed } = requestColumns(
    randomGames({ items: 10, comparisons: 10_000, annotators: 100, groups: 3 }, 12),
  )
  const joined = {
    group: groups.flatMap(({ group }) => group),
    winner: groups.flatMap(({ winner }) => winner),
    loser: groups.flatMap(({ loser }) => loser),
    count: groups.flatMap(({ count }) => count),
  }
  return [
    {
      title: 'pooled groups, 8 groups × 30 items, 8,000 comparisons',
      about: 'Partial pooling, with its deviation estimated. No package here has the model.',
      ours: () => ofRequest({ comparisons: joined, model: { prior: { kind: 'pooled' } } }),
      problem: null,
    },
    {
      title: 'hidden groups, 10 items, 10,000 comparisons by 100 annotators',
      about:
        'Mixtures of one to four Bradley–Terry models over annotators, ten starts each, the number chosen by BIC. No package here ' +
        'has the model.',
      ours: () => ofRequest({ comparisons: mixed, groups: { discover: { max: 4 } } }),
      problem: null,
    },
  ]
}

type Group = FitResponse['groups'][number]

/** A case whose data are games of one group; the settings of a prior are what the peers need to know besides. */
function ofGames(
  model: string,
  title: string,
  about: string,
  games: Games,
  settings: Model,
  read?: (group: Group) => number[],
): Case {
  const request: FitRequest = { comparisons: requestColumns(games), model: settings }
  return {
    title,
    about,
    ours: () => ofRequest(request, read),
    problem: { ...settings.prior, model, items: games.items, games },
  }
}

/** The whole of a request: from ids to the answer, standard errors included. */
async function ofRequest(request: FitRequest, read = estimateOf): Promise<Estimate> {
  const { groups } = await fit(request)
  return { values: read(groups[0]), error: Math.max(...groups.map((group) => group.fit.errorEstimate)) }
}

/** Rewards, log ν and γ. */
function estimateOf({ rewards, parameters: { tie, position } }: Group): number[] {
  return [
    ...Object.values(rewards),
    ...(tie === undefined ? [] : [Math.log(tie)]),
    ...(position === undefined ? [] : [position]),
  ]
}

/** Times our fit and the peers', and measures how far they are from ours. */
async function race({ title, about, ours, problem, inR = false }: Case, peers: Peers): Promise<Section> {
  const timing = await measure(ours)
  const { values, error } = await ours()
  const rows = [['Commonweal', ...timingCells(timing), scientific(error)]]
  const rivals: Rival[] = []
  const asked = { ...problem, limit: LIMIT }
  const runs =
    peers === null || problem === null
      ? []
      : [
          ...(await peers<number[]>('model', asked)),
          ...(inR ? await runPeersOfR<number[]>('model', asked) : []),
        ]
  for (const run of runs) {
    if ('failure' in run) {
      rows.push([run.peer, ...timingCells(null), run.failure])
      continue
    }
    const { peer, timing, answer, remark } = run
    const error = distance(answer, values)
    rows.push([peer, ...timingCells(timing), remark ?? scientific(error)])
    if (remark === null && error <= ACCURATE) rivals.push({ peer, median: timing.median })
  }
  return {
    title: `Fit: ${title}`,
    about,
    header: ['', ...TIMING_HEADER, 'error'],
    rows,
    targets: [speed(timing.median, rivals, peers === null ? 'no peers in this run' : 'no such peer')],
  }
}

/** A peer whose error is small enough. */
type Rival = { peer: string; median: number }

function speed(ours: number, rivals: Rival[], none: string): Target {
  const aim = 'at least 5 times faster than the fastest peer whose error is at most 1e-8'
  if (rivals.length === 0) return { aim, measured: none, met: null }
  const { peer, median } = rivals.reduce((a, b) => (b.median < a.median ? b : a))
  return target(aim, median / ours, 'at least', 5, ` times faster than ${peer}`)
}

/** The largest difference; NaN where the answers have not the same length. */
function distance(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Number.NaN
  return a.reduce((most, value, k) => Math.max(most, Math.abs(value - b[k])), 0)
}
