import t, { type Test } from 'tap'
import { FUNCTIONS } from '../../src/engine/welfare/catalogue/functions.ts'
import { build, post, refuses } from '../helpers/app.ts'

const won = (group: string, winner: string, loser: string) => ({ group, winner, loser })
const rows = [won('east', 'a', 'b'), won('east', 'b', 'a'), won('west', 'a', 'b'), won('west', 'b', 'a')]
const columns = { group: ['east', 'east'], winner: ['a', 'b'], loser: ['b', 'a'] }
const rewards = { east: { a: 1, b: 0 }, west: { a: 0, b: 1 } }
const welfare = { function: 'utilitarian' }

/** Rows of which the second has something more to it. */
const row = (more: object) => ({ comparisons: [rows[0], { ...rows[1], ...more }], welfare })
const column = (more: object) => ({ comparisons: { ...columns, ...more }, welfare })
const compared = (more: object) => ({ comparisons: rows, welfare, ...more })
const given = (more: object) => ({ rewards, welfare, ...more })

/** Stands for 1e999, which JSON can say and JSON.stringify cannot. */
const INFINITE = 'the number 1e999'
const textOf = (body: unknown) => JSON.stringify(body).replaceAll(`"${INFINITE}"`, '1e999')

/** What is sent, the pointers of the faults in it, and what is said would be right. */
type Fault = [body: unknown, at: string | string[], says: RegExp]

const app = await build(t)

async function refusesAll(t: Test, path: string, faults: Record<string, Fault>) {
  for (const [name, [body, at, says]] of Object.entries(faults)) {
    const answer = await post(app, path, textOf(body))
    refuses(t, answer, { status: 400, kind: 'invalid-request', at, says }, name)
  }
}

t.test('comparisons that are none, or of the wrong shape', (t) =>
  refusesAll(t, '/aggregate', {
    'no rows': [{ comparisons: [], welfare }, '/comparisons', /at least one comparison/],
    'no columns': [
      { comparisons: {}, welfare },
      ['/comparisons/group', '/comparisons/winner', '/comparisons/loser'],
      /required/,
    ],
    'empty columns': [
      { comparisons: { group: [], winner: [], loser: [] }, welfare },
      '/comparisons',
      /at least one comparison/,
    ],
    'columns of unequal length': [
      column({ loser: ['b'] }),
      '/comparisons/loser',
      /has 1 entries where group has 2; all columns must be of one length/,
    ],
    'an optional column of another length': [column({ count: [1, 2, 3] }), '/comparisons/count', /3 .* 2/],
    'a column that is no array': [column({ count: 5 }), '/comparisons/count', /must be an array/],
    'a column that is null': [column({ tie: null }), '/comparisons/tie', /must be an array/],
    'a column that nobody knows': [
      column({ davidson: [1, 2] }),
      '/comparisons/davidson',
      /is not a member of a comparison; the members are group, winner, loser, tie/,
    ],
    'comparisons as a text': [
      { comparisons: 'a > b', welfare },
      '/comparisons',
      /array of rows or an object/,
    ],
    'comparisons as null': [{ comparisons: null, welfare }, '/comparisons', /array of rows or an object/],
    'comparisons as a number': [{ comparisons: 3, welfare }, '/comparisons', /array of rows or an object/],
    'a row that is null': [{ comparisons: [rows[0], null], welfare }, '/comparisons/1', /must be an object/],
    'a row that is a list': [{ comparisons: [['a', 'b']], welfare }, '/comparisons/0', /must be an object/],
    'a row with a member that nobody knows': [
      row({ outcome: 1 }),
      '/comparisons/1/outcome',
      /is not a member of a comparison; the members are group, winner, loser, tie/,
    ],
    'a row with null for an id': [row({ winner: null }), '/comparisons/1/winner', /leave the member out/],
    'a row without a loser': [
      { comparisons: [{ group: 'east', winner: 'a' }], welfare },
      '/comparisons/0/loser',
      /required/,
    ],
    'a row with null for a member': [row({ weight: null }), '/comparisons/1/weight', /leave the member out/],
  }),
)

t.test('comparisons with values that cannot be', (t) =>
  refusesAll(t, '/aggregate', {
    'a winner that is the loser': [
      row({ loser: 'b' }),
      '/comparisons/1/loser',
      /must differ from the winner/,
    ],
    'the same in columns': [column({ loser: ['b', 'b'] }), '/comparisons/loser/1', /must differ/],
    'a tie that is a number': [row({ tie: 1 }), '/comparisons/1/tie', /true or false/],
    'a tie with a preference': [
      row({ tie: true, preference: 0.5 }),
      '/comparisons/1/preference',
      /cannot be given together with tie/,
    ],
    'the same in columns, elsewhere apart': [
      column({ tie: [false, true], preference: [0.5, 0.5] }),
      '/comparisons/preference/1',
      /cannot be given together with tie/,
    ],
    'a preference below 0': [row({ preference: -0.01 }), '/comparisons/1/preference', /between 0 and 1/],
    'a preference above 1': [row({ preference: 1.01 }), '/comparisons/1/preference', /between 0 and 1/],
    'a preference beyond numbers': [row({ preference: INFINITE }), '/comparisons/1/preference', /0 and 1/],
    'a preference in words': [row({ preference: '0.5' }), '/comparisons/1/preference', /must be a number/],
    'a count of 0': [row({ count: 0 }), '/comparisons/1/count', /whole number from 1/],
    'a count below 0': [row({ count: -3 }), '/comparisons/1/count', /whole number from 1/],
    'half a count': [row({ count: 1.5 }), '/comparisons/1/count', /whole number from 1/],
    'a count too large': [row({ count: 1e13 }), '/comparisons/1/count', /to 1000000000000/],
    'a count beyond numbers': [row({ count: INFINITE }), '/comparisons/1/count', /whole number from 1/],
    'a count in words': [row({ count: '3' }), '/comparisons/1/count', /must be a number/],
    'a count that is true': [row({ count: true }), '/comparisons/1/count', /must be a number/],
    'a count in columns': [column({ count: [null, 0.5] }), '/comparisons/count/1', /whole number/],
    'a weight of 0': [row({ weight: 0 }), '/comparisons/1/weight', /number from 1e-12 to/],
    'a weight below 0': [row({ weight: -1 }), '/comparisons/1/weight', /number from 1e-12 to/],
    'a weight too small': [row({ weight: 1e-13 }), '/comparisons/1/weight', /number from 1e-12 to/],
    'a weight too large': [row({ weight: 1e13 }), '/comparisons/1/weight', /to 1000000000000/],
    'a weight beyond numbers': [row({ weight: INFINITE }), '/comparisons/1/weight', /number from 1e-12/],
    'a weight in words': [row({ weight: 'NaN' }), '/comparisons/1/weight', /must be a number/],
    'a weight that is a list': [row({ weight: [1] }), '/comparisons/1/weight', /must be a number/],
    'a first that is neither item': [row({ first: 'c' }), '/comparisons/1/first', /the winner or the loser/],
    'an annotator without a name': [row({ annotator: '' }), '/comparisons/1/annotator', /must not be empty/],
    'a context with a line break': [row({ context: 'a\nb' }), '/comparisons/1/context', /control characters/],
    'a timestamp in words': [row({ timestamp: 'noon' }), '/comparisons/1/timestamp', /RFC 3339/],
    'a timestamp that is a number': [row({ timestamp: 1767225600 }), '/comparisons/1/timestamp', /RFC 3339/],
    'the 30th of February': [
      row({ timestamp: '2026-02-30T00:00:00Z' }),
      '/comparisons/1/timestamp',
      /for example 2026-01-01T00:00:00Z/,
    ],
  }),
)

t.test('ids that are none', async (t) => {
  const faults: Record<string, [id: unknown, says: RegExp]> = {
    empty: ['', /must not be empty/],
    'too long': ['x'.repeat(257), /at most 256 characters, and has 257/],
    'with a null character': ['a\u0000', /control characters/],
    'with a line break': ['a\n', /control characters/],
    'with a delete': ['a\u007f', /control characters/],
    'with a next-line': ['a\u0085', /control characters/],
    'with half a surrogate pair': ['a\ud800', /valid Unicode/],
    'a number': [7, /must be a string/],
    'a list': [['a'], /must be a string/],
  }
  for (const [name, [id, says]] of Object.entries(faults)) {
    await refusesAll(t, '/aggregate', {
      [`a group ${name}`]: [row({ group: id }), '/comparisons/1/group', says],
      [`a winner ${name}`]: [row({ winner: id }), '/comparisons/1/winner', says],
      [`a loser ${name}, in columns`]: [column({ loser: ['b', id] }), '/comparisons/loser/1', says],
      [`a declared group ${name}`]: [compared({ groups: [{ id }] }), '/groups/0/id', says],
      [`a declared item ${name}`]: [compared({ items: [{ id: 'a' }, { id }] }), '/items/1/id', says],
      ...(typeof id === 'string' && {
        [`rewards of a group ${name}`]: [given({ rewards: { [id]: rewards.east } }), `/rewards/${id}`, says],
        [`rewards of an item ${name}`]: [
          given({ rewards: { east: { a: 1, b: 2, [id]: 3 } } }),
          `/rewards/east/${id}`,
          says,
        ],
      }),
    })
  }
})

t.test('groups and items that do not fit the preferences', (t) =>
  refusesAll(t, '/aggregate', {
    'a group with no comparisons': [
      compared({ groups: [{ id: 'east' }, { id: 'west' }, { id: 'north' }] }),
      '/groups/2',
      /"north" has no comparisons; give some or leave the group out/,
    ],
    'comparisons of a group that is not declared': [
      compared({ groups: [{ id: 'east' }] }),
      ['/comparisons/2/group', '/comparisons/3/group'],
      /"west" is not declared in \/groups/,
    ],
    'two groups of one id': [
      compared({ groups: [{ id: 'east' }, { id: 'west' }, { id: 'east' }] }),
      '/groups/2/id',
      /"east" is declared twice/,
    ],
    'no groups': [compared({ groups: [] }), '/groups', /at least 1 entries, and has 0/],
    'groups by name': [compared({ groups: ['east', 'west'] }), '/groups/0', /an object with the member id/],
    'groups as a map': [
      compared({ groups: { east: 1, west: 1 } }),
      ['/groups/discover', '/groups/east', '/groups/west'],
      /required/,
    ],
    'groups as a number': [compared({ groups: 5 }), '/groups', /must be/],
    'a group of another name': [
      compared({ groups: [{ name: 'east' }] }),
      ['/groups/0/id', '/groups/0/name'],
      /required/,
    ],
    'comparisons of an item that is not declared': [
      { comparisons: [won('east', 'a', 'c')], items: [{ id: 'a' }, { id: 'b' }], welfare },
      '/comparisons/0/loser',
      /"c" is not declared in \/items/,
    ],
    'two items of one id': [
      compared({ items: [{ id: 'a' }, { id: 'b' }, { id: 'b' }] }),
      '/items/2/id',
      /"b" is declared twice/,
    ],
    'one item alone': [compared({ items: [{ id: 'a' }] }), '/items', /at least 2 entries, and has 1/],
    'a population of 0': [
      compared({ groups: [{ id: 'east', population: 0 }] }),
      '/groups/0/population',
      /from 1e-12 to 1000000000000000, and is 0/,
    ],
    'a population below 0': [
      compared({
        groups: [
          { id: 'east', population: 1 },
          { id: 'west', population: -1 },
        ],
      }),
      '/groups/1/population',
      /from 1e-12/,
    ],
    'a population beyond numbers': [
      compared({ groups: [{ id: 'east', population: INFINITE }] }),
      '/groups/0/population',
      /to 1000000000000000, and is Infinity/,
    ],
    'a population next to nothing': [
      compared({ groups: [{ id: 'east', population: 5e-324 }, { id: 'west' }] }),
      '/groups/0/population',
      /from 1e-12/,
    ],
    'a population in words': [
      compared({ groups: [{ id: 'east', population: '1' }] }),
      '/groups/0/population',
      /must be a number, and is a string/,
    ],
    'the population of one group alone': [
      compared({ groups: [{ id: 'east', population: 1 }, { id: 'west' }] }),
      '/groups/1/population',
      /the population of every group or of none/,
    ],
  }),
)

t.test('rewards that are not there for every group and item', (t) =>
  refusesAll(t, '/aggregate', {
    'no groups': [given({ rewards: {} }), '/rewards', /at least one group/],
    'rewards as a list': [given({ rewards: [] }), '/rewards', /must be an object: group → item → reward/],
    'rewards as null': [given({ rewards: null }), '/rewards', /must be an object/],
    'one item alone': [given({ rewards: { east: { a: 1 } } }), '/rewards', /at least two items/],
    'a group without items': [given({ rewards: { east: {} } }), '/rewards', /at least two items/],
    'a group that is a number': [given({ rewards: { ...rewards, west: 3 } }), '/rewards/west', /an object/],
    'an item that is missing': [
      given({ rewards: { east: rewards.east, west: { a: 1 } } }),
      '/rewards/west/b',
      /is missing: every group names every item/,
    ],
    'an item that one group alone has': [
      given({ rewards: { ...rewards, east: { a: 1, b: 0, c: 2 } } }),
      '/rewards/west/c',
      /is missing: every group names every item/,
    ],
    'a group that is not declared': [
      given({ groups: [{ id: 'east' }] }),
      '/rewards/west',
      /is not declared in \/groups/,
    ],
    'a declared group that has none': [
      given({ groups: [{ id: 'east' }, { id: 'west' }, { id: 'north' }] }),
      '/rewards/north',
      /"north" is declared in \/groups/,
    ],
    'an item that is not declared': [
      given({ rewards: { east: { a: 1, b: 2, c: 3 } }, items: [{ id: 'a' }, { id: 'b' }] }),
      '/rewards/east/c',
      /is not declared in \/items/,
    ],
    'a reward that is null': [given({ rewards: { east: { a: null, b: 1 } } }), '/rewards/east/a', /a number/],
    'a reward in words': [given({ rewards: { east: { a: '1', b: 1 } } }), '/rewards/east/a', /a number/],
    'a reward beyond numbers': [
      given({ rewards: { east: { a: INFINITE, b: 1 } } }),
      '/rewards/east/a',
      /between -1000000000000 and 1000000000000/,
    ],
    'a reward too large': [given({ rewards: { east: { a: 1, b: -1.1e12 } } }), '/rewards/east/b', /between/],
    'rewards that differ by next to nothing': [
      given({ rewards: { ...rewards, west: { a: 0, b: 1e-300 } } }),
      '/rewards/west',
      /a unit in which they differ more/,
    ],
    'a model beside rewards': [given({ model: {} }), '/model', /nothing is fitted/],
  }),
)

t.test('sources that are none, or too many', async (t) => {
  await refusesAll(t, '/aggregate', {
    'no source': [
      { welfare },
      '/comparisons',
      /give comparisons, rankings, rewards fitted elsewhere, or a dataset/,
    ],
    'two sources': [compared({ rewards }), '/rewards', /give one of the two/],
    'a source that is stored, and one that is sent': [
      compared({ dataset: 'id' }),
      '/comparisons',
      /cannot be given together with dataset/,
    ],
    'a dataset that is no id': [{ dataset: 5, welfare }, '/dataset', /must be a string/],
  })
  await refusesAll(t, '/fit', {
    'no source for a fit': [{}, '/comparisons', /required/],
    'rewards for a fit': [{ rewards }, '/rewards', /not a member of a request to \/fit/],
    'welfare for a fit': [{ comparisons: rows, welfare }, '/welfare', /not a member of a request to \/fit/],
  })
})

t.test('a reference policy that is none', (t) => {
  const reference = (given: unknown) => compared({ policy: { reference: given } })
  return refusesAll(t, '/aggregate', {
    'an item that nobody knows': [
      reference({ a: 0.5, b: 0.25, c: 0.25 }),
      '/policy/reference/c',
      /"c" is not an item of the request/,
    ],
    'an item that is missing': [reference({ a: 1 }), '/policy/reference/b', /names every item/],
    'a share of 0': [reference({ a: 1, b: 0 }), '/policy/reference/b', /above 0 .* and is 0/],
    'a share below 0': [reference({ a: 1.5, b: -0.5 }), '/policy/reference/a', /above 0 and at most 1/],
    'a sum above 1': [
      reference({ a: 0.5, b: 0.6 }),
      '/policy/reference',
      /sum to 1 within 1e-6, and sums to 1.1/,
    ],
    'a sum below 1': [reference({ a: 0.5, b: 0.4 }), '/policy/reference', /sum to 1 within 1e-6/],
    'a share in words': [reference({ a: '0.5', b: 0.5 }), '/policy/reference/a', /must be a number/],
    'a share that is null': [reference({ a: null, b: 0.5 }), '/policy/reference/a', /and is null/],
    'a share beyond numbers': [reference({ a: INFINITE, b: 0.5 }), '/policy/reference/a', /at most 1/],
    'shares as a list': [reference([0.5, 0.5]), '/policy/reference', /must be an object/],
    'a share in words for an item with a line separator': [
      {
        rewards: { east: { 'a\u2028': 1, b: 2 } },
        policy: { reference: { 'a\u2028': '0.5', b: 0.5 } },
        welfare,
      },
      '/policy/reference/a\u2028',
      /must be a number/,
    ],
  })
})

t.test('choices that there are not', async (t) => {
  const prior = (given: unknown) => compared({ model: { prior: given } })
  const policy = (given: unknown) => compared({ policy: given })
  const functions = FUNCTIONS.map(({ id }) => id).join(', ')
  await refusesAll(t, '/aggregate', {
    'a temperature below 0': [policy({ temperature: -1 }), '/policy/temperature', /and is -1/],
    'a temperature absurdly small': [
      policy({ temperature: 1e-7 }),
      '/policy/temperature',
      /0 or from 1e-6 to 1e6/,
    ],
    'a temperature next to nothing': [
      policy({ temperature: 5e-324 }),
      '/policy/temperature',
      /0 or from 1e-6/,
    ],
    'a temperature too large': [policy({ temperature: 1.1e6 }), '/policy/temperature', /to 1000000, and is/],
    'a temperature beyond numbers': [policy({ temperature: INFINITE }), '/policy/temperature', /Infinity/],
    'a temperature in words': [policy({ temperature: '0' }), '/policy/temperature', /must be a number/],
    'a temperature that is null': [policy({ temperature: null }), '/policy/temperature', /must be a number/],
    'no contexts at all': [policy({ contexts: [] }), '/policy/contexts', /from 1 to 10000 entries/],
    'a policy that is null': [policy(null), '/policy', /must be an object, and is null/],
    'a scale that nobody knows': [
      compared({ utility: { scale: 'z-score' } }),
      '/utility/scale',
      /one of none, unit-range, standard-deviation, win-probability/,
    ],
    'an anchor that nobody knows': [
      compared({ utility: { anchor: 'best' } }),
      '/utility/anchor',
      /one of worst, zero, reference/,
    ],
    'an anchor that is a number': [
      compared({ utility: { anchor: 0 } }),
      '/utility/anchor',
      /one of worst, zero, reference, or an object with the member item, and is 0/,
    ],
    'an anchor at no item': [compared({ utility: { anchor: {} } }), '/utility/anchor/item', /required/],
    'an anchor at an item without a name': [
      compared({ utility: { anchor: { item: '' } } }),
      '/utility/anchor/item',
      /must not be empty/,
    ],
    'an anchor at an item that nobody knows': [
      compared({ utility: { anchor: { item: 'c' } } }),
      '/utility/anchor/item',
      /"c" is not an item of the request/,
    ],
    'a prior by name': [
      prior('none'),
      '/model/prior',
      /an object whose kind is one of none, gaussian, pseudo-item/,
    ],
    'a prior without a kind': [prior({}), '/model/prior/kind', /required/],
    'a prior that nobody knows': [
      prior({ kind: 'laplace' }),
      '/model/prior/kind',
      /none, gaussian, pseudo-item, firth, pooled/,
    ],
    'a pooled prior with a sandwich': [
      compared({ model: { prior: { kind: 'pooled' }, standardErrors: 'sandwich' } }),
      '/model/standardErrors',
      /must be fisher/,
    ],
    'a prior without its width': [prior({ kind: 'gaussian' }), '/model/prior/standardDeviation', /required/],
    'a prior of no width': [
      prior({ kind: 'gaussian', standardDeviation: 0 }),
      '/model/prior/standardDeviation',
      /from 0.000001 to 1000000, and is 0/,
    ],
    'a prior of no strength': [
      prior({ kind: 'pseudo-item', strength: -1 }),
      '/model/prior/strength',
      /from 0.000001 to 1000000, and is -1/,
    ],
    "a prior with another's member": [
      prior({ kind: 'none', strength: 1 }),
      '/model/prior/strength',
      /is not a member of \/model\/prior; the members are kind/,
    ],
    'ties that nobody knows': [
      compared({ model: { ties: 'rao-kupper' } }),
      '/model/ties',
      /half-win, davidson/,
    ],
    'a position effect without positions': [
      compared({ model: { positionEffect: true } }),
      '/comparisons/0/first',
      /needed by a position effect/,
    ],
    'errors clustered by annotators whom nobody names': [
      compared({ model: { standardErrors: 'clustered' } }),
      '/comparisons/0/annotator',
      /required/,
    ],
    'features of one item alone': [
      compared({ items: [{ id: 'a', features: [1] }, { id: 'b' }] }),
      '/items/1/features',
      /required where others have features/,
    ],
    'features of two lengths': [
      compared({
        items: [
          { id: 'a', features: [1] },
          { id: 'b', features: [2, 3] },
        ],
      }),
      '/items/1/features',
      /has 2 features where the first has 1/,
    ],
    'no welfare function': [{ comparisons: rows }, '/welfare', /required/],
    'a welfare function by name': [
      compared({ welfare: 'nash' }),
      '/welfare',
      new RegExp(`an object whose function is one of ${functions}, and is a string`),
    ],
    'a welfare function that nobody knows': [
      compared({ welfare: { function: 'dictator' } }),
      '/welfare/function',
      new RegExp(`one of ${functions}`),
    ],
    'several welfare functions at once': [compared({ welfare: [welfare] }), '/welfare', /and is an array/],
    'a power mean without its exponent': [
      compared({ welfare: { function: 'power-mean' } }),
      '/welfare/exponent',
      /required/,
    ],
    'a power mean that favours the best-off': [
      compared({ welfare: { function: 'power-mean', exponent: 1.5 } }),
      '/welfare/exponent',
      /from -1000 to 1, and is 1.5/,
    ],
    'an aversion to inequality of 0': [
      compared({ welfare: { function: 'kolm-pollak', kappa: 0 } }),
      '/welfare/kappa',
      /from 1e-9 to 1000000000, and is 0/,
    ],
    'a welfare function that takes no exponent': [
      compared({ welfare: { function: 'nash', exponent: 0 } }),
      '/welfare/exponent',
      /the members are function/,
    ],
    'contexts where they do not belong, and what comes later': [
      compared({ contexts: [], datasets: 'd' }),
      ['/contexts', '/datasets'],
      /is not a member of a request to \/aggregate; the members are comparisons/,
    ],
    'a seed below 0': [given({ seed: -1 }), '/seed', /from 0 to 4294967295/],
    'half a seed': [given({ seed: 0.5 }), '/seed', /whole number/],
  })
  await refusesAll(t, '/compare', {
    'one welfare function where a list is due': [compared({}), '/welfare', /must be an array/],
    'an empty list of functions': [compared({ welfare: [] }), '/welfare', /from 1 to 20 entries, and has 0/],
    'too long a list of functions': [
      compared({ welfare: Array(21).fill(welfare) }),
      '/welfare',
      /from 1 to 20 entries, and has 21/,
    ],
    'a function by name in the list': [
      compared({ welfare: [welfare, 'nash'] }),
      '/welfare/1',
      /an object whose/,
    ],
  })
})

t.test('bodies that are no object', async (t) => {
  for (const path of ['/aggregate', '/compare', '/fit']) {
    for (const body of [null, 5, 'text', true, []]) {
      await refusesAll(t, path, {
        [`${JSON.stringify(body)} to ${path}`]: [body, '', /^The body: must be an object/],
      })
    }
  }
})

t.test('members that an object has twice are refused: one of the two would be lost', async (t) => {
  const cases: Record<string, [body: string, at: string]> = {
    'a group in rewards': [
      '{"rewards":{"east":{"a":1,"b":0},"west":{"a":0,"b":1},"east":{"a":9,"b":0}}}',
      '/rewards/east',
    ],
    'an item in rewards': ['{"rewards":{"east":{"a":1,"b":0,"a":2}}}', '/rewards/east/a'],
    'an item that is written in two ways': [
      '{"rewards":{"east":{"a":1,"b":0,"\\u0061":2}}}',
      '/rewards/east/a',
    ],
    'a source': ['{"comparisons":[{"group":"g","winner":"a","loser":"b"}],"comparisons":[]}', '/comparisons'],
    'a column': [
      '{"comparisons":{"group":["g"],"winner":["a"],"loser":["b"],"winner":["b"]}}',
      '/comparisons/winner',
    ],
    'a member of the second row': [
      '{"comparisons":[{"group":"g","winner":"a","loser":"b"},{"group":"g","winner":"a","winner":"c","loser":"b"}]}',
      '/comparisons/1/winner',
    ],
    'a member after texts with brackets, colons and quotes': [
      '{"seed":0,"rewards":{"{[\\"":{"]}:,":1,"\\\\":2}},"seed":1}',
      '/seed',
    ],
    'a member whose name takes escapes': ['{"rewards":{"a/b":{"c~d":1,"c~d":2}}}', '/rewards/a~1b/c~0d'],
  }
  for (const [name, [body, at]] of Object.entries(cases)) {
    const wanted = { status: 400, kind: 'malformed-body', at, says: /is there twice/ }
    refuses(t, await post(app, '/aggregate', body), wanted, name)
    const large = body.replace('{', `{"filler":${JSON.stringify(': '.repeat(10_000))},`)
    refuses(t, await post(app, '/aggregate', large), wanted, `${name}, in a large body`)
  }
  const quoted = { rewards: { 'a:b': { '":"': 1, '\\': 2 }, ':': { '":"': 1, '\\': 2 } }, welfare }
  t.equal((await post(app, '/aggregate', quoted)).statusCode, 200, 'colons in names are no members')
})

t.test('up to twenty faults are named at once', async (t) => {
  const comparisons = Array.from({ length: 300 }, () => ({ ...rows[0], count: 0, weight: -1 }))
  const problem = (await post(app, '/aggregate', { comparisons, welfare })).json()
  t.equal(problem.errors.length, 20)
  t.match(problem.detail, /^\/comparisons\/0\/count: .* \(and 19 more\)$/)
})

t.test('more groups × items than can be answered', async (t) => {
  const numbers = Array.from({ length: 1500 }, (_, k) => k)
  const comparisons = {
    group: numbers.map((k) => `g${k}`),
    winner: numbers.map((k) => `i${k}`),
    loser: numbers.map((k) => `i${k + 1}`),
  }
  const wide = Object.fromEntries(numbers.map((k) => [`i${k}`, 1]))
  const given = Object.fromEntries(numbers.map((k) => [`g${k}`, k === 0 ? wide : { i0: 1 }]))
  await refusesAll(t, '/aggregate', {
    'in comparisons': [{ comparisons, welfare }, '/comparisons', /1500 groups × 1501 items; at most 2000000/],
    'in rewards': [{ rewards: given, welfare }, '/rewards', /1500 groups × 1500 items; at most 2000000/],
  })
})

t.test('pointers escape what RFC 6901 says', (t) =>
  refusesAll(t, '/aggregate', {
    'a slash and a tilde': [
      given({ rewards: { 'a/b~c': { x: 1, y: 'z' } } }),
      '/rewards/a~1b~0c/y',
      /must be a number/,
    ],
    'an empty step': [given({ rewards: { east: { a: 1, b: 2, '': 3 } } }), '/rewards/east/', /empty/],
    'a member by such a name': [given({ '/~': 1 }), '/~1~0', /is not a member/],
  }),
)
