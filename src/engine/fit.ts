import type { FitRequest, FitResponse } from '../../schemas/fit.ts'
import type { Observer, Reporter } from './aggregate.ts'
import { discoverGroups } from './annotators/discovered-groups.ts'
import { sizesOf } from './answers/aggregation.ts'
import { discoveryMember, fitSummary, reliabilityMembers } from './answers/fits.ts'
import { unseenItems } from './answers/members.ts'
import { namedConnectivity } from './comparisons/connectivity.ts'
import { keyedById } from './comparisons/ids.ts'
import { inParts } from './parts.ts'
import { type Preferences, readPreferences } from './preferences.ts'
import { estimatedItems } from './rewards/contrasts.ts'
import { rewardVariances } from './rewards/reward-variances.ts'
import {
  type FittedGroup,
  type GroupRewards,
  groupCovariance,
  type Model,
  rewardsOf,
} from './rewards/rewards.ts'
import { discoverSettings, engineModel, modelSettings, needsOf } from './settings.ts'
import { uncertaintyOf, uncertaintyWanted, type Wanted } from './uncertainty.ts'

/**
 * Fits each group's rewards and tells how certain they are.
 *
 * @throws Problem
 */
export async function fit(
  request: FitRequest,
  observe: Observer = () => {},
  report: Reporter = () => {},
): Promise<FitResponse> {
  const settings = modelSettings(request.model)
  const model = engineModel(settings)
  const discover = discoverSettings(request.groups, settings)
  const read = readPreferences(request, needsOf(settings, discover), (fraction) =>
    report({ stage: 'read', fraction }),
  )
  const wanted = uncertaintyWanted(request, read)
  const seed = request.seed ?? 0
  observe('read', sizesOf(read))

  const { preferences, discovery } = discoverGroups(read, model, discover, seed)
  const parts = inParts(2, (fraction) => report({ stage: 'fit', fraction }))
  const rewards = await rewardsOf(preferences, model, seed, parts(0))
  const answer: FitResponse = {
    settings: { model: settings, ...(wanted.ranks === null ? {} : { ranks: wanted.ranks }), seed },
    groups: preferences.groups.map((id, g) => {
      parts(1)(g / preferences.groups.length)
      return { id, ...describe(preferences, rewards[g], model, wanted, seed) }
    }),
    ...discoveryMember(preferences, discovery),
  }
  observe('fit', sizesOf(preferences))
  return answer
}

function describe(
  preferences: Preferences,
  rewards: GroupRewards,
  model: Model,
  wanted: Wanted,
  seed: number,
): Omit<FitResponse['groups'][number], 'id'> {
  const { items, features } = preferences
  const fitted = rewards.fitted as FittedGroup
  const { data, fit, pooled } = fitted
  const covariance = groupCovariance(fitted, model, seed)
  const variances = covariance?.variances() ?? null
  const { rewards: m, extras, size } = fit.posterior
  const estimated = estimatedItems(data, pooled !== null, items.length, features)
  const own = estimated.items
  const ownVariances =
    covariance === null || variances === null ? null : rewardVariances(covariance, variances, own, features)
  const names = own.map((item) => items[item])
  return {
    rewards: keyedById(names, (k) => rewards.values[own[k]]),
    standardErrors: ownVariances === null ? null : keyedById(names, (k) => Math.sqrt(ownVariances[k])),
    standardErrorAccuracy: covariance?.relativeError ?? 0,
    covariance:
      model.standardErrors !== 'fisher'
        ? model.standardErrors
        : model.prior.kind === 'none' && model.reliability === null
          ? 'fisher'
          : 'posterior',
    ...(rewards.weights === null
      ? {}
      : {
          rewardWeights: Array.from(rewards.weights),
          rewardWeightErrors: variances === null ? null : Array.from(variances.subarray(0, m), Math.sqrt),
        }),
    parameters: Object.fromEntries(
      extras.map((extra, e) =>
        extra === 'position'
          ? [extra, fit.at[m + e]]
          : [extra.replace('logTie', 'tie'), Math.exp(fit.at[m + e])],
      ),
    ),
    parameterErrors:
      variances === null
        ? {}
        : Object.fromEntries(extras.map((extra, e) => [extra, Math.sqrt(variances[m + e])])),
    ...(pooled === null
      ? {}
      : {
          pooling: {
            standardDeviation: pooled.standardDeviation,
            populationDeviation: pooled.populationDeviation,
            logMarginal: pooled.logMarginal,
            shrinkage: pooled.shrinkage,
          },
        }),
    ...uncertaintyOf(wanted, { items, rewards: rewards.values, estimated, width: m, size, covariance, seed }),
    ...reliabilityMembers(preferences, fitted),
    fit: fitSummary(fitted),
    ...(fitted.connectivity === null
      ? {}
      : { connectivity: namedConnectivity(fitted.connectivity, data.counts.items, items) }),
    unseenItems: unseenItems(rewards.seen, items),
  }
}
