import type { LearnRequest, LearnResponse } from '../../../schemas/learn.ts'
import type { Welfare } from '../../../schemas/welfare.ts'
import type { Observer, Reporter } from '../aggregate.ts'
import { keyedById } from '../comparisons/ids.ts'
import { choleskySemidefinite } from '../numeric/cholesky.ts'
import { Problem } from '../problem.ts'
import { type Choices, readChoices } from './choices.ts'
import { slopeAt } from './likelihood.ts'
import { LOWEST, type Point, type Profile, profileOf, WITHIN } from './profile.ts'
import { bestFit, type Fitted } from './weights.ts'

/** Log-likelihoods that differ by less over all exponents say nothing of the exponent. */
const FLAT = 1e-6
/** A likelihood per unit of mass that is no better than a toss by less is that of a toss. */
const TOSS = 1e-12
/** A slope above this is no stationary point. */
const STATIONARY = 1e-8

/**
 * Learns a welfare function from choices between distributions of utilities: the exponent of a power mean, group weights, and
 * how sharply choices follow it, by maximum likelihood.
 *
 * @throws Problem `invalid-request`, `not-converged`
 */
export function learn(
  request: LearnRequest,
  observe: Observer = () => {},
  report: Reporter = () => {},
): LearnResponse {
  report({ stage: 'read', fraction: 0 })
  const choices = readChoices(request)
  const { groups, mass, made } = choices
  const sizes = { groups: groups.length, items: mass.length }
  observe('read', sizes)
  const profile = profileOf(choices, (fraction) => report({ stage: 'fit', fraction }))
  const { fitted } = profile.best
  if (!fitted.unbounded && !(fitted.gradientNorm <= STATIONARY)) throw notConverged(fitted)
  const named = namedFits(choices, profile)
  observe('fit', sizes)

  const total = mass.reduce((a, b) => a + b)
  const values = profile.points.map((point) => total * point.fitted.value)
  // Weights at which all choices are a tie are no better than none.
  const indifferent = fitted.value < -Math.LN2 + TOSS
  const state: State = {
    indifferent,
    separated: fitted.unbounded,
    flat: Math.max(...values) - Math.min(...values) < FLAT,
    undetermined: indifferent || fitted.unbounded ? [] : undetermined(choices, profile.best),
    withoutWeight: indifferent || fitted.unbounded ? [] : groups.filter((_, g) => fitted.c[g] === 0),
  }
  const known = !state.indifferent && !state.separated
  const exponent = known && !state.flat ? profile.best.exponent : null
  const weights = known ? weightsOf(choices, fitted) : null
  const logLikelihood = total * fitted.value
  return {
    exponent,
    exponentInterval: { level: 0.95, lower: profile.low, upper: profile.high, connected: profile.connected },
    weights,
    sensitivity: fitted.unbounded ? null : indifferent ? 0 : sensitivityOf(fitted),
    logLikelihood,
    profile: profile.points.map((point) => ({
      exponent: point.exponent,
      logLikelihood: total * point.fitted.value,
      weights: weightsOf(choices, point.fitted),
      sensitivity: point.fitted.unbounded ? null : sensitivityOf(point.fitted),
    })),
    named: named.map(({ name, value }) => ({
      function: name,
      logLikelihood: total * value,
      within: total * (fitted.value - value) <= WITHIN,
    })),
    nearest: named.reduce((best, other) => (other.value > best.value ? other : best)).name,
    welfare: exponent === null ? null : welfareOf(exponent),
    groups:
      weights === null
        ? null
        : groups.flatMap((id) => (weights[id] > 0 ? [{ id, population: weights[id] }] : [])),
    diagnostics: {
      choices: made,
      different: mass.length,
      gradientNorm: fitted.gradientNorm,
      starts: profile.starts,
      startsAgreeing: profile.agreeing,
      localOptimum: true,
      ...state,
      notes: notesOf(choices, profile, state),
    },
  }
}

type State = Pick<
  LearnResponse['diagnostics'],
  'separated' | 'indifferent' | 'flat' | 'undetermined' | 'withoutWeight'
>

function sensitivityOf({ c }: Fitted): number {
  return c.reduce((a, b) => a + b)
}

/** w; null where there is no sensitivity, and so nothing to weigh. */
function weightsOf({ groups }: Choices, fitted: Fitted): Record<string, number> | null {
  const kappa = sensitivityOf(fitted)
  return kappa === 0 ? null : keyedById(groups, (g) => fitted.c[g] / kappa)
}

function welfareOf(exponent: number): Welfare {
  if (exponent === 1) return { function: 'utilitarian' }
  if (exponent === 0) return { function: 'nash' }
  return { function: 'power-mean', exponent }
}

type Named = { name: LearnResponse['nearest']; value: number }

/** The functions that have a name: maximin is the limit ρ → −∞, where weights do not count. */
function namedFits(choices: Choices, { points }: Profile): Named[] {
  const at = (exponent: number) => (points.find((point) => point.exponent === exponent) as Point).fitted.value
  const size = choices.groups.length
  const least = (logs: Float64Array) =>
    choices.mass.map((_, k) => logs.subarray(k * size, (k + 1) * size).reduce((a, b) => Math.min(a, b)))
  const worstOff = {
    ...choices,
    groups: ['the worst off'],
    preferred: least(choices.preferred),
    rejected: least(choices.rejected),
  }
  return [
    { name: 'utilitarian', value: at(1) },
    { name: 'nash', value: at(0) },
    { name: 'maximin', value: bestFit(worstOff, 0, []).fitted.value },
  ]
}

/** Groups along which the information about log κw is singular, given that of the groups before them. */
function undetermined(choices: Choices, { exponent, fitted }: Point): string[] {
  const { information } = slopeAt(choices, exponent, fitted.c)
  const size = fitted.c.length
  choleskySemidefinite(information, size)
  return choices.groups.filter((_, g) => fitted.c[g] > 0 && information[g * size + g] === 0)
}

function notesOf(choices: Choices, { best, low, high, connected }: Profile, state: State): string[] {
  const { groups, weighted } = choices
  const list = (ids: readonly string[]) => ids.map((id) => `"${id}"`).join(', ')
  const notes: string[] = []
  if (state.indifferent)
    notes.push(
      'No power mean explains the choices better than a toss: there are no weights and no exponent to tell.',
    )
  if (state.separated)
    notes.push(
      'Some power mean is never contradicted by the choices, so ever larger sensitivities suit them ever better, and many exponents ' +
        'and weights may: the profile has one for each exponent. Harder choices would tell them apart.',
    )
  if (groups.length === 1)
    notes.push('With one group every welfare function chooses alike: there is no exponent to tell.')
  else if (state.flat && !state.indifferent)
    notes.push(
      'All exponents explain the choices equally well: they never weigh a gain of one group against another.',
    )
  if (!state.flat && !state.separated) {
    if (best.exponent === 1 || high === 1)
      notes.push(
        'The interval ends at 1, beyond which a power mean prefers inequality; its level is 95% or more.',
      )
    if (low === LOWEST)
      notes.push(
        `The interval ends at ${LOWEST}, the lowest exponent that is looked at: maximin may be as good.`,
      )
    if (!connected)
      notes.push('There are exponents between the ends of the interval that suit the choices less well.')
  }
  if (state.undetermined.length > 0)
    notes.push(
      `The choices do not determine the weight of ${list(state.undetermined)}, given those of the other groups: what is returned ` +
        'is one of many that suit them equally well.',
    )
  if (state.withoutWeight.length > 0)
    notes.push(
      `The choices suit best if ${list(state.withoutWeight)} does not count at all. A population of 0 cannot be sent: leave the group out.`,
    )
  if (weighted)
    notes.push(
      'Choices have weights, with which the interval is no longer one of a known level; counts leave it one.',
    )
  return notes
}

function notConverged({ gradientNorm }: Fitted): Problem {
  return new Problem(
    'not-converged',
    `No point was found at which the likelihood is stationary: the slope that is left is ${gradientNorm.toExponential(2)}, and an ` +
      `answer needs ${STATIONARY}. Utilities or weights of the choices differ by too many orders of magnitude.`,
  )
}
