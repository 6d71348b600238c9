import type {
  AggregateRequest,
  AggregateResponse,
  CompareRequest,
  CompareResponse,
} from '../../schemas/aggregate.ts'
import { type Aggregation, describeFront, describeOptimum, noGainsProblem } from './answer.ts'
import { readPreferences } from './preferences.ts'
import { rewardsOf } from './rewards/rewards.ts'
import { choicesOf, engineModel, modelSettings, needsOf } from './settings.ts'
import { utilitiesOf } from './utilities/utilities.ts'
import { welfareFunctionOf } from './welfare/catalogue.ts'
import { paretoFront } from './welfare/front/pareto-front.ts'
import { NoGains, optimise } from './welfare/optimise.ts'
import type { WelfareProblem } from './welfare/problem.ts'

/** The stages of an aggregation, announced as each ends to whoever wants to time them. */
export type Stage = 'read' | 'fit' | 'solve'
export type Observer = (stage: Stage, sizes: { groups: number; items: number }) => void

/**
 * From preferences to the weights, policy and aggregated reward that are optimal under one welfare function.
 *
 * @throws Problem
 */
export async function aggregate(
  request: AggregateRequest,
  observe: Observer = () => {},
): Promise<AggregateResponse> {
  const { results } = await compare({ ...request, welfare: [request.welfare] }, observe)
  return results[0]
}

/**
 * The same for several welfare functions, on one fit.
 *
 * @throws Problem
 */
export async function compare(
  request: CompareRequest,
  observe: Observer = () => {},
): Promise<CompareResponse> {
  const model = modelSettings(request.model)
  const preferences = readPreferences(request, needsOf(model))
  const choices = choicesOf(request, preferences)
  const { groups, items, population } = preferences
  const sizes = { groups: groups.length, items: items.length }
  observe('read', sizes)

  const rewards = await rewardsOf(preferences, engineModel(model))
  observe('fit', sizes)

  const { reference, temperature, anchor } = choices
  const utilities = rewards.map((group) =>
    utilitiesOf(group, choices.settings.utility.scale, anchor, reference),
  )
  const problem: WelfareProblem = {
    groups: groups.length,
    items: items.length,
    utilities: tableOf(utilities, items.length),
    population,
    reference,
    temperature,
  }
  const aggregation: Aggregation = { preferences, choices, rewards, utilities, problem }
  const results: AggregateResponse[] = []
  for (const welfare of request.welfare) {
    const welfareFunction = welfareFunctionOf(welfare)
    if (welfareFunction === null) {
      results.push(describeFront(aggregation, await paretoFront(problem, choices.settings.seed)))
      continue
    }
    try {
      results.push(describeOptimum(aggregation, welfare, optimise(problem, welfareFunction)))
    } catch (error) {
      throw error instanceof NoGains ? noGainsProblem(aggregation, welfare, error) : error
    }
  }
  observe('solve', sizes)
  return { results }
}

/** The utilities of all groups as one table, G × n, row-major. */
function tableOf(utilities: { values: Float64Array }[], n: number): Float64Array {
  const table = new Float64Array(utilities.length * n)
  utilities.forEach(({ values }, g) => {
    table.set(values, g * n)
  })
  return table
}
