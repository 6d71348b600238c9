import type { FitRequest, FitResponse } from '../../schemas/fit.ts'
import type { Observer } from './aggregate.ts'
import { fitSummary, unseenItems } from './answer.ts'
import { keyedById } from './comparisons/ids.ts'
import { type Preferences, readPreferences } from './preferences.ts'
import { rewardVariances } from './rewards/reward-variances.ts'
import {
  type FittedGroup,
  type GroupRewards,
  groupCovariance,
  type Model,
  namedConnectivity,
  rewardsOf,
} from './rewards/rewards.ts'
import { engineModel, modelSettings, needsOf } from './settings.ts'

/**
 * Fits each group's rewards and tells how certain they are.
 *
 * @throws Problem
 */
export async function fit(request: FitRequest, observe: Observer = () => {}): Promise<FitResponse> {
  const settings = modelSettings(request.model)
  const model = engineModel(settings)
  const preferences = readPreferences(request, needsOf(settings))
  const { groups, items } = preferences
  const sizes = { groups: groups.length, items: items.length }
  observe('read', sizes)

  const rewards = await rewardsOf(preferences, model)
  const answer: FitResponse = {
    settings: { model: settings },
    groups: groups.map((id, g) => ({ id, ...describe(preferences, rewards[g], model, request.seed ?? 0) })),
  }
  observe('fit', sizes)
  return answer
}

function describe(
  { items, features }: Preferences,
  rewards: GroupRewards,
  model: Model,
  seed: number,
): Omit<FitResponse['groups'][number], 'id'> {
  const fitted = rewards.fitted as FittedGroup
  const { data, fit, pooled } = fitted
  const covariance = groupCovariance(fitted, model, seed)
  const variances = covariance?.variances() ?? null
  const { rewards: m, extras } = fit.posterior
  // With features, or pooled, every item has an estimate; otherwise those that the group compared.
  const own =
    data.features !== null || pooled !== null ? items.map((_, i) => i) : Array.from(data.counts.items)
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
        : model.prior.kind === 'none'
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
        extra === 'logTie' ? ['tie', Math.exp(fit.at[m + e])] : ['position', fit.at[m + e]],
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
    fit: fitSummary(fitted),
    ...(fitted.connectivity === null
      ? {}
      : { connectivity: namedConnectivity(fitted.connectivity, data.counts.items, items) }),
    unseenItems: unseenItems(rewards.seen, items),
  }
}
