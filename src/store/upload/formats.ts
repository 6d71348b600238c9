import { MEMBERS as COMPARISON_MEMBERS } from '../../engine/comparisons/read.ts'

/** The members of a comparison that a file can bring: those that fit into one column. */
export const MEMBERS = COMPARISON_MEMBERS.filter((member) => member !== 'featureDifference')
export type Member = (typeof MEMBERS)[number]

/** How the rows of a file are laid out. */
export type Layout = {
  format: FormatName
  /** Which column holds a member, where it is not the one that the format says. */
  columns: Partial<Record<Member, string>>
  /** The group of all rows; null where rows say it themselves, or have none. */
  group: string | null
  /** Covariates of the dataset: columns of the same name. */
  covariates: readonly string[]
}

export type FormatName = 'comparisons' | 'winner-loser' | 'chosen-rejected' | 'arena'

/** A shape in which preferences come, declared by whoever sends them. */
export type Format = {
  /** The columns of members whose column has another name. */
  columns: Partial<Record<Member, string>>
  /** Whether columns without a meaning are left aside; else they are refused. */
  ignoresOthers: boolean
  /** Whether ids are texts of any length, which are then named by their digest. */
  texts: boolean
  /** Whether a row names two models and which of the two won, or what kind of tie it was. */
  outcomes: { a: string; b: string } | null
}

export const FORMATS: Record<FormatName, Format> = {
  comparisons: { columns: {}, ignoresOthers: false, texts: false, outcomes: null },
  'winner-loser': { columns: {}, ignoresOthers: true, texts: false, outcomes: null },
  // The preference data of TRL: two answers to a prompt.
  'chosen-rejected': {
    columns: { winner: 'chosen', loser: 'rejected', context: 'prompt' },
    ignoresOthers: true,
    texts: true,
    outcomes: null,
  },
  // The votes of Chatbot Arena: `winner` is "model_a", "model_b", "tie" or "tie (bothbad)"; model_a is shown first.
  arena: {
    columns: { annotator: 'judge', timestamp: 'tstamp' },
    ignoresOthers: true,
    texts: false,
    outcomes: { a: 'model_a', b: 'model_b' },
  },
}
