import type { Counterexample, WelfareFunctionList } from '../../../../schemas/welfare-functions.ts'
import { AXIOMS, type AxiomId } from './axioms.ts'
import { COUNTEREXAMPLES, requestOf } from './counterexamples.ts'
import { FUNCTIONS, type FunctionEntry } from './functions.ts'

/** What GET /welfare-functions answers. */
export const CATALOGUE: WelfareFunctionList = {
  functions: FUNCTIONS.map(describe),
  axioms: AXIOMS.map(({ id, kind, meaning, source }) => ({ id, kind, meaning, source })),
}

function describe(entry: FunctionEntry): WelfareFunctionList['functions'][number] {
  const { claims, conditions = {}, ...rest } = entry
  const held = AXIOMS.flatMap(({ id, kind }) => {
    const strength = claims[id]
    return strength === undefined || strength === 'no' ? [] : [{ id, kind, strength }]
  })
  return {
    ...rest,
    invariantTo: held.filter(({ kind }) => kind === 'invariance').map(({ id }) => id),
    satisfies: held
      .filter(({ kind }) => kind === 'axiom')
      .map(({ id, strength }) => ({
        axiom: id,
        strength,
        ...(conditions[id] === undefined ? {} : { condition: conditions[id] }),
        ...(strength === 'weakly' ? { counterexample: counterexampleOf(entry, id) } : {}),
      })),
    fails: AXIOMS.filter(({ id }) => claims[id] === 'no').map(({ id }) => ({
      axiom: id,
      ...(conditions[id] === undefined ? {} : { condition: conditions[id] }),
      counterexample: counterexampleOf(entry, id),
    })),
  }
}

function counterexampleOf({ id, example }: FunctionEntry, axiom: AxiomId): Counterexample {
  const found = COUNTEREXAMPLES.find((one) => one.function === id && one.axiom === axiom)
  if (found === undefined) throw new Error(`no counterexample is stored to ${axiom} of ${id}`)
  const { broken } = AXIOMS.find((one) => one.id === axiom) as (typeof AXIOMS)[number]
  return { shows: broken, requests: found.problems.map((problem) => requestOf(problem, example)) }
}
