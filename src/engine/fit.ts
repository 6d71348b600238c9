import type { FitRequest, FitResponse } from '../../schemas/fit.ts'
import type { Observer } from './aggregate.ts'
import { fitSummary, unseenItems } from './answer.ts'
import { keyedById } from './comparisons/ids.ts'
import { readPreferences } from './preferences.ts'
import { type FittedGroup, namedConnectivity, rewardsOf } from './rewards/rewards.ts'
import { standardErrors } from './rewards/standard-errors.ts'
import { modelSettings } from './settings.ts'

/**
 * Fits each group's rewards and tells how certain they are.
 *
 * @throws Problem
 */
export function fit(request: FitRequest, observe: Observer = () => {}): FitResponse {
  const preferences = readPreferences(request)
  const { groups, items } = preferences
  const sizes = { groups: groups.length, items: items.length }
  observe('read', sizes)

  const model = modelSettings(request.model)
  const rewards = rewardsOf(preferences, model.prior)
  const answer: FitResponse = {
    settings: { model },
    groups: groups.map((id, g) => {
      const fitted = rewards[g].fitted as FittedGroup
      const { counts } = fitted
      const errors = standardErrors(fitted.fit, model.prior)
      const names = Array.from(counts.items, (item) => items[item])
      return {
        id,
        rewards: keyedById(names, (k) => fitted.fit.rewards[k]),
        standardErrors: errors === null ? null : keyedById(names, (k) => errors[k]),
        covariance: model.prior.kind === 'none' ? 'fisher' : 'posterior',
        parameters: {},
        parameterErrors: {},
        fit: fitSummary(fitted),
        connectivity: namedConnectivity(fitted.connectivity, counts, items),
        unseenItems: unseenItems(rewards[g].seen, items),
      }
    }),
  }
  observe('fit', sizes)
  return answer
}
