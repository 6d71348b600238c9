import { type Ids, idFault, requireTable, sortIds } from '../comparisons/ids.ts'
import { invalidRequest, MAX_ERRORS, pointer, type RequestError } from '../problem.ts'

/** Rewards beyond this size leave too few digits for the differences between them. */
const REWARD_LIMIT = 1e12
/** Below this a group's range cannot be squared, or divided by, without leaving double precision. */
const RANGE_MIN = 1e-100

/**
 * Reads rewards that were fitted elsewhere, group → item → reward.
 *
 * Open sets of ids take the names met and are then sorted; closed sets refuse unknown names.
 *
 * @returns G × n, row-major
 * @throws Problem `invalid-request` where a group or an item is unknown or missing, or a reward is not a
 *   number, or the rewards of a group are all but the same next to the smallest numbers there are
 */
export function readRewards(source: unknown, groups: Ids, items: Ids): Float64Array {
  const errors: RequestError[] = []
  const fail = (detail: string, ...steps: string[]) => {
    errors.push({ pointer: pointer('rewards', ...steps), detail })
    if (errors.length === MAX_ERRORS) throw invalidRequest(errors)
  }
  if (!isMap(source))
    throw invalidRequest([{ pointer: '/rewards', detail: 'must be an object: group → item → reward' }])
  const table = source as Record<string, Record<string, unknown>>
  const names = Object.keys(table)
  if (names.length === 0)
    throw invalidRequest([{ pointer: '/rewards', detail: 'must hold at least one group' }])

  for (const group of names) {
    const fault =
      idFault(group) ?? (groups.closed && !groups.index.has(group) ? 'is not declared in /groups' : null)
    if (fault !== null) fail(fault, group)
    if (!isMap(table[group])) fail('must be an object: item → reward', group)
    else {
      for (const item of Object.keys(table[group])) {
        const wrong =
          idFault(item) ?? (items.closed && !items.index.has(item) ? 'is not declared in /items' : null)
        if (wrong !== null) fail(wrong, group, item)
        else if (!items.index.has(item)) admit(items, item)
      }
    }
    if (!groups.closed) admit(groups, group)
  }
  groups.names.forEach((group) => {
    if (!Object.hasOwn(table, group)) fail(`is missing: "${group}" is declared in /groups`, group)
  })
  if (errors.length > 0) throw invalidRequest(errors)
  requireTable(groups.names.length, items.names.length, 'rewards')
  if (!groups.closed) sortIds(groups)
  if (!items.closed) sortIds(items)
  if (items.names.length < 2)
    throw invalidRequest([{ pointer: '/rewards', detail: 'must name at least two items to choose between' }])

  const rewards = new Float64Array(groups.names.length * items.names.length)
  groups.names.forEach((group, g) => {
    const row = table[group]
    items.names.forEach((item, i) => {
      const value = Object.hasOwn(row, item) ? row[item] : undefined
      if (value === undefined) fail('is missing: every group names every item', group, item)
      else if (typeof value !== 'number') fail('must be a number', group, item)
      else if (!(Math.abs(value) <= REWARD_LIMIT))
        fail(`must be between -${REWARD_LIMIT} and ${REWARD_LIMIT}`, group, item)
      else rewards[g * items.names.length + i] = value
    })
    const range = rangeOf(rewards.subarray(g * items.names.length, (g + 1) * items.names.length))
    if (range > 0 && range < RANGE_MIN)
      fail(`differ by ${range} at most: give them in a unit in which they differ more`, group)
  })
  if (errors.length > 0) throw invalidRequest(errors)
  return rewards
}

function rangeOf(values: Float64Array): number {
  let low = values[0]
  let high = values[0]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return high - low
}

function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function admit(ids: Ids, name: string): void {
  ids.index.set(name, ids.names.length)
  ids.names.push(name)
}
