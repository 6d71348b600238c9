import type { Judgements } from '../comparisons/judgements.ts'
import type { Features } from '../comparisons/read.ts'
import type { ComparedGroup, Preferences } from '../preferences.ts'
import { notConverged } from '../rewards/maximise.ts'
import type { OutcomeModel, Prior } from '../rewards/model.ts'
import { type DiscoverSettings, type Discovery, discover } from './discover.ts'
import { annotated, countsOf } from './mixture.ts'

/**
 * Finds the groups that annotators fall into, where the request declares none: from here on they are groups like any
 * others, whose comparisons are those of all annotators, each weighing as much as its annotator is of the group.
 *
 * @param settings null where groups are declared or named: then nothing changes
 * @throws Problem `not-converged`
 */
export function discoverGroups(
  preferences: Preferences,
  { prior, ...model }: OutcomeModel & { prior: Prior },
  settings: DiscoverSettings | null,
  seed: number,
): { preferences: Preferences; discovery: Discovery | null } {
  const { source } = preferences
  const all = source.kind === 'comparisons' ? source.groups[0] : null
  if (settings === null || all?.kind !== 'pairs' || all.judgements === null)
    return { preferences, discovery: null }
  if (prior.kind === 'firth' || prior.kind === 'pooled') throw new Error('this prior is not for a mixture')
  const data = annotated(all.counts, all.judgements, all.features, model, prior)
  const discovery = discover(data, settings, seed)
  // Where not even all annotators together have a finite estimate, the fit of them as one group tells why.
  if (discovery === null) return { preferences, discovery: null }
  if (!discovery.converged) throw notConverged()

  const { mixture, responsibilities } = discovery
  const groups = Array.from(mixture.shares, (_, c) =>
    seenPart({
      ...all,
      counts: countsOf(data, responsibilities, c),
      judgements: weighted(data.judgements, responsibilities, c),
    }),
  )
  return {
    preferences: {
      ...preferences,
      groups: groups.map((_, c) => discoveredId(c)),
      population: mixture.shares,
      source: { kind: 'comparisons', groups },
    },
    discovery,
  }
}

/** The id of a discovered group, counted from 0. */
function discoveredId(c: number): string {
  return `discovered-${c + 1}`
}

/** What annotators said, each as far as it is of group c. */
function weighted(judgements: Judgements, responsibilities: Float64Array, c: number): Judgements {
  const { annotators, offsets, entry, wins, losses, ties } = judgements
  const groups = responsibilities.length / annotators.length
  const weights = new Float64Array(entry.length)
  for (let a = 0; a < annotators.length; a++)
    weights.fill(responsibilities[a * groups + c], offsets[a], offsets[a + 1])
  const scaled = (values: Float64Array) => values.map((value, b) => value * weights[b])
  return { ...judgements, wins: scaled(wins), losses: scaled(losses), ties: scaled(ties) }
}

/** A group without the entries that none of its annotators judged, and the items that these alone compared. */
function seenPart(group: ComparedGroup): ComparedGroup {
  const { counts, judgements, features } = group
  const { items, i, j, first, wins, losses, ties } = counts
  const entries = Array.from(i.keys()).filter((k) => wins[k] + losses[k] + ties[k] > 0)
  if (entries.length === i.length) return group
  const seen = new Set(entries.flatMap((k) => [i[k], j[k]]))
  const locals = Array.from(items.keys()).filter((v) => seen.has(v))
  const place = new Map(locals.map((v, k) => [v, k]))
  const placed = (ends: Int32Array) => Int32Array.from(entries, (k) => place.get(ends[k]) as number)
  const kept = (values: Float64Array) => Float64Array.from(entries, (k) => values[k])
  return {
    ...group,
    counts: {
      ...counts,
      items: Int32Array.from(locals, (v) => items[v]),
      i: placed(i),
      j: placed(j),
      first: first === null ? null : Int8Array.from(entries, (k) => first[k]),
      wins: kept(wins),
      losses: kept(losses),
      ties: kept(ties),
      pairs: new Set(entries.map((k) => i[k] * items.length + j[k])).size,
    },
    features: features === null ? null : rowsOf(features, items.length, locals),
    judgements: judgements === null ? null : judgementsOf(judgements, entries),
  }
}

/** Some rows of a table that is stored by column. */
function rowsOf({ width, values }: Features, rows: number, kept: readonly number[]): Features {
  const left = new Float64Array(kept.length * width)
  for (let f = 0; f < width; f++)
    kept.forEach((v, k) => {
      left[f * kept.length + k] = values[f * rows + v]
    })
  return { width, values: left }
}

/** The judgements on some entries alone. */
function judgementsOf(judgements: Judgements, entries: readonly number[]): Judgements {
  const place = new Map(entries.map((k, at) => [k, at]))
  const { annotators, offsets, entry } = judgements
  const kept: number[] = []
  const starts = new Int32Array(annotators.length + 1)
  annotators.forEach((_, a) => {
    for (let b = offsets[a]; b < offsets[a + 1]; b++) if (place.has(entry[b])) kept.push(b)
    starts[a + 1] = kept.length
  })
  return {
    ...judgements,
    offsets: starts,
    entry: Int32Array.from(kept, (b) => place.get(entry[b]) as number),
    wins: Float64Array.from(kept, (b) => judgements.wins[b]),
    losses: Float64Array.from(kept, (b) => judgements.losses[b]),
    ties: Float64Array.from(kept, (b) => judgements.ties[b]),
  }
}
