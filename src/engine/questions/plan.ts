import { type Done, untold } from '../parts.ts'
import { ask, bestPair, type Design, type Pair } from './design.ts'

/** A pair to compare in one of the designs, how often, and what that lowers the sum of the losses by. */
export type Question = Pair & { design: number; times: number }

/**
 * The comparisons, so many of them, that lower the sum of the losses most when each is chosen after all before it: the
 * greedy plan. A pair that is chosen several times is one question, at the place of the first.
 *
 * The designs are left where the answers are expected to leave them.
 *
 * @param done told which part of the comparisons has been chosen
 */
export function planQuestions(designs: readonly Design[], count: number, done: Done = untold): Question[] {
  const questions = new Map<string, Question>()
  const best = designs.map(bestPair)
  for (let asked = 0; asked < count; asked++) {
    done(asked / count)
    let design = 0
    for (let d = 1; d < best.length; d++) if (best[d].gain > best[design].gain) design = d
    const { i, j, gain } = best[design]
    // Where nothing is uncertain any more, nothing is worth asking.
    if (!(gain > 0)) break
    const key = `${design} ${i} ${j}`
    const question = questions.get(key)
    if (question === undefined) questions.set(key, { design, i, j, times: 1, gain })
    else {
      question.times++
      question.gain += gain
    }
    ask(designs[design], i, j)
    best[design] = bestPair(designs[design])
  }
  return [...questions.values()]
}
