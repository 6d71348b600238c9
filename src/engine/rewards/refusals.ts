import { type Connectivity, namedConnectivity } from '../comparisons/connectivity.ts'
import type { GroupData, Preferences } from '../preferences.ts'
import { invalidRequest, Problem } from '../problem.ts'
import { dependentParameters } from './existence.ts'
import type { Likelihood } from './likelihood.ts'

/** A group whose likelihood grows for ever along a direction of its parameters. */
export type Failure = { group: number; direction: Float64Array; likelihood: Likelihood }

export function noFiniteEstimate(
  { groups, items }: Preferences,
  data: readonly GroupData[],
  graphs: readonly (Connectivity | null)[],
  broken: readonly boolean[],
  failures: readonly Failure[],
): Problem {
  const evidence = groups.flatMap((id, g) => {
    if (!broken[g]) return []
    const graph = graphs[g]
    const failure = failures.find(({ group }) => group === g)
    return [
      {
        id,
        ...(graph === null
          ? { components: [], undefeated: [], winless: [] }
          : namedConnectivity(graph, data[g].counts.items, items)),
        ...(failure === undefined ? {} : { direction: namedDirection(failure, data[g], items) }),
      },
    ]
  })
  const which =
    evidence.length === 1
      ? `The group "${evidence[0].id}" has`
      : `${evidence.length} groups, "${evidence[0].id}" first, have`
  const inPieces = graphs.every((graph, g) => !broken[g] || (graph !== null && graph.pieces > 1))
  const why =
    failures.length > 0
      ? 'moving the parameters along `direction` makes what was observed ever more likely, so the likelihood grows ' +
        'without bound (the data are separated; with Davidson ties it may be that there are no ties, or only ties; with ' +
        'reliability, that all that speaks against it passes for slips)'
      : inPieces
        ? 'some items were never compared with the others, directly or through a chain of comparisons, so nothing tells ' +
          'how far they are apart'
        : 'some items never beat or tied any of the others, directly or through a chain of comparisons, so the ' +
          'likelihood grows without bound as they move apart'
  const firth = data[0].kind === 'pairs' ? ', and {"kind": "firth"} every connected one' : ''
  return new Problem(
    'no-finite-estimate',
    `${which} no finite Bradley–Terry estimate: ${why}. Collect more comparisons, leave items out, or declare a prior: ` +
      '{"kind": "gaussian", "standardDeviation": 2} or {"kind": "pseudo-item", "strength": 0.5} give every group finite ' +
      `rewards${firth}.`,
    { evidence: { groups: evidence } },
  )
}

/** The direction in names: rewards by item (or reward weights by feature), and extras. */
function namedDirection({ direction, likelihood }: Failure, data: GroupData, items: readonly string[]) {
  const { rewards: m, extras } = likelihood
  const moved = Object.fromEntries(extras.map((extra, e) => [extra, direction[m + e]]))
  if (data.features !== null)
    return { rewardWeights: Array.from(direction.subarray(0, m)), parameters: moved }
  const rewards: Record<string, number> = Object.create(null)
  data.counts.items.forEach((item, local) => {
    rewards[items[item]] = direction[local]
  })
  return { rewards, parameters: moved }
}

/**
 * Refuses features, and a position effect beside them, that comparisons cannot tell apart.
 *
 * @param group null for all groups together
 */
export function requireIndependent(group: string | null, likelihoods: readonly Likelihood[]): void {
  const { rewards: width } = likelihoods[0]
  const dependent = dependentParameters(likelihoods)
  const features = dependent.filter((a) => a < width)
  if (dependent.length > 0) throw inseparable(group, features, features.length < dependent.length)
}

export function inseparable(group: string | null, features: readonly number[], position: boolean): Problem {
  const whose = group === null ? 'all groups together' : `the group "${group}"`
  const detail =
    features.length > 0
      ? `The features at positions ${features.join(', ')} (from 0) are linear combinations of those before them over all ` +
        `differences that ${whose} compared, or the same on both sides of each, so that their weights cannot be told apart.`
      : `In what ${whose} compared, who was shown first says no more than which two items these were, so that the position ` +
        'effect cannot be told from the rewards (show pairs in both orders).'
  return new Problem('collinear-features', `${detail} Leave them out, or declare a gaussian prior.`, {
    evidence: { group, features: [...features], position },
  })
}

/** The refusal where no maximum was found, and it was not proved that there is none. */
export function undecided(group: string): Problem {
  return new Problem(
    'not-converged',
    `No estimate of the group "${group}" was found. It is likely that there is none that is finite, and there are too many ` +
      'comparisons to prove it. Declare a gaussian prior, or leave out the effects of ties, positions or features.',
  )
}

/** Some log-posteriors have a dense curvature that is factorised, and inverted, at every step. */
const DENSE_LIMIT = 1000

export function requireFew(pointer: string, group: string, { size }: Likelihood): void {
  if (size <= DENSE_LIMIT) return
  const detail = `is fitted for at most ${DENSE_LIMIT} parameters a group, and "${group}" has ${size}`
  throw invalidRequest([{ pointer, detail }])
}
