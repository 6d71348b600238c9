import { createHash } from 'node:crypto'
import type { AggregateRequest } from '../../schemas/aggregate.ts'
import type { DatasetSource } from '../../schemas/preferences.ts'
import { timestampFault } from '../engine/comparisons/read.ts'
import { invalidRequest, pointer } from '../engine/problem.ts'
import { discoverSettings, modelSettings, needsOf } from '../engine/settings.ts'
import type { CountsQuery, Filters } from '../store/store.ts'
import type { Wanted } from './fits.ts'
import type { Operation } from './validate.ts'

/**
 * What a request that has been validated wants; null where it brings its preferences itself.
 *
 * @throws Problem `invalid-request`
 */
export function wantedBy(operation: Operation, request: unknown): Wanted | null {
  const counts = countsWanted(operation, request)
  if (counts === null) return null
  if (operation !== 'aggregate' && operation !== 'compare') return { counts, fits: null }
  const { model, groups, items, seed } = request as AggregateRequest
  const text = JSON.stringify([counts, model, groups, items, seed])
  return { counts, fits: createHash('sha256').update(text).digest('base64') }
}

/**
 * What a request that has been validated wants of the store; null where it brings its preferences itself.
 *
 * @throws Problem `invalid-request`
 */
export function countsWanted(operation: Operation, request: unknown): CountsQuery | null {
  const { dataset, model, groups } = request as Pick<AggregateRequest, 'model' | 'groups'> & {
    dataset?: DatasetSource
  }
  if (dataset === undefined) return null
  for (const other of ['comparisons', 'rankings', 'rewards']) {
    if (!Object.hasOwn(request as object, other)) continue
    throw invalidRequest([
      { pointer: pointer(other), detail: 'cannot be given together with dataset: give one of the two' },
    ])
  }
  const settings = modelSettings(model)
  const discover = discoverSettings(groups, settings)
  const needs = needsOf(settings, discover)
  const { id, groupBy = 'group', ...filters } = typeof dataset === 'string' ? { id: dataset } : dataset
  if (discover !== null && typeof dataset !== 'string' && dataset.groupBy !== undefined) {
    const detail = 'must be left out: groups are to be discovered'
    throw invalidRequest([{ pointer: '/dataset/groupBy', detail }])
  }
  for (const member of ['from', 'until', 'asOf'] as const) {
    const fault = filters[member] === undefined ? null : timestampFault(filters[member])
    if (fault !== null) throw invalidRequest([{ pointer: pointer('dataset', member), detail: fault }])
  }
  return {
    dataset: id,
    filters: filters as Filters,
    groupBy: discover === null ? groupBy : null,
    positions: needs.positions,
    // An audit tells who is overruled, where it is known who judged.
    annotators: needs.judgements === true || operation === 'audit',
    squares: needs.squares,
  }
}
