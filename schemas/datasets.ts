import Type, { type Static } from 'typebox'
import { Comparison, ComparisonColumns, Id } from './preferences.ts'
import { named, oneOf, ref } from './ref.ts'

const closed = { additionalProperties: false }

/** A dataset that is to be made. */
export const NewDataset = named(
  'NewDataset',
  Type.Object(
    {
      id: ref(Id),
      description: Type.Optional(Type.String({ maxLength: 10_000, description: 'What it is, for people.' })),
      covariates: Type.Optional(
        Type.Array(ref(Id), {
          maxItems: 50,
          description:
            'Further columns that comparisons may have (region, age), by which they can be grouped instead of by `group`.',
        }),
      ),
    },
    closed,
  ),
)

const { featureDifference: _, ...members } = Comparison.properties
const { featureDifference: __, ...columns } = ComparisonColumns.properties

/** A comparison of a dataset; what is no member is a covariate. */
export const StoredComparison = named(
  'StoredComparison',
  Type.Object(members, {
    additionalProperties: { type: 'string', minLength: 1, maxLength: 256 },
    description: 'A comparison that is stored: with the covariates of its dataset as further members.',
  }),
)

/** The same as columns. */
export const StoredColumns = named(
  'StoredColumns',
  Type.Object(columns, {
    additionalProperties: {
      type: 'array',
      items: { type: ['string', 'null'], minLength: 1, maxLength: 256 },
    },
    description: 'Stored comparisons as columns, all of one length, covariates among them.',
  }),
)

/** A batch in JSON. Its rows are read in one pass, which checks the same as this says. */
export const NewBatch = named(
  'NewBatch',
  Type.Object(
    {
      comparisons: Type.Union([Type.Array(ref(StoredComparison), { minItems: 1 }), ref(StoredColumns)], {
        description: 'Rows or columns.',
      }),
    },
    closed,
  ),
)

/** A dataset, as lists have it. */
export const DatasetSummary = named(
  'DatasetSummary',
  Type.Object(
    {
      id: Type.String(),
      description: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
      covariates: Type.Array(Type.String()),
      createdAt: Type.String({ format: 'date-time' }),
      batches: Type.Integer(),
      comparisons: Type.Number({ description: 'Rows, whatever their `count`.' }),
    },
    closed,
  ),
)

export const DatasetList = named(
  'DatasetList',
  Type.Object(
    {
      datasets: Type.Array(ref(DatasetSummary)),
      next: Type.Unsafe<string | null>({
        type: ['string', 'null'],
        description: 'What to give as `after` for the next page; null where this is the last.',
      }),
    },
    closed,
  ),
)

const DatasetGroup = named(
  'DatasetGroup',
  Type.Object(
    {
      id: Type.String(),
      comparisons: Type.Number({ description: 'The sum of the counts.' }),
      items: Type.Integer({ description: 'How many items it compared.' }),
      pairs: Type.Integer({ description: 'How many different pairs of them.' }),
      components: Type.Integer({
        description:
          'Strongly connected components of who beat or tied whom: with 1 there is a finite estimate.',
      }),
      undefeated: Type.Integer({ description: 'Items that nobody beat or tied.' }),
      winless: Type.Integer({ description: 'Items that beat or tied nobody.' }),
    },
    closed,
  ),
)

/** A dataset in full. */
export const DatasetDescription = named(
  'DatasetDescription',
  Type.Object(
    {
      ...DatasetSummary.properties,
      items: Type.Integer(),
      annotators: Type.Integer(),
      groups: Type.Array(ref(DatasetGroup)),
      ungrouped: Type.Number({ description: 'Comparisons that name no group.' }),
      firstTimestamp: Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' }),
      lastTimestamp: Type.Unsafe<string | null>({ type: ['string', 'null'], format: 'date-time' }),
      fingerprint: Type.String({ description: 'The same as in answers from the whole dataset.' }),
    },
    closed,
  ),
)

export const BatchSummary = named(
  'Batch',
  Type.Object(
    {
      id: Type.String(),
      comparisons: Type.Number({ description: 'Rows, whatever their `count`.' }),
      acceptedAt: Type.String({ format: 'date-time' }),
    },
    closed,
  ),
)

export const BatchList = named(
  'BatchList',
  Type.Object(
    {
      batches: Type.Array(ref(BatchSummary)),
      next: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'As for datasets.' }),
    },
    closed,
  ),
)

export const AcceptedBatch = named(
  'AcceptedBatch',
  Type.Object(
    {
      dataset: Type.String(),
      batch: ref(BatchSummary),
      ignoredColumns: Type.Optional(
        Type.Array(Type.String(), { description: 'Columns of the file that its format gives no meaning.' }),
      ),
    },
    { ...closed, description: 'The batch is stored, and will be there after a power cut.' },
  ),
)

export const Erased = named(
  'Erased',
  Type.Object({ comparisons: Type.Number({ description: 'Rows that were removed.' }) }, closed),
)

const column = (member: string) =>
  Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 256,
      description: `The column of the file that holds \`${member}\`.`,
    }),
  )

/** How a file is to be read. */
export const UploadQuery = Type.Object(
  {
    format: Type.Optional(
      oneOf(['comparisons', 'winner-loser', 'chosen-rejected', 'arena'], {
        default: 'comparisons',
        description:
          'The shape of the rows. `comparisons`: our own members, and no others. `winner-loser`: the same, other columns are ' +
          'left aside. `chosen-rejected`: TRL, the prompt being the context. `arena`: Chatbot Arena, with ' +
          '`model_a`, `model_b` and `winner`.',
      }),
    ),
    groupName: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'The group of all rows, where no column tells it.',
      }),
    ),
    group: column('group'),
    winner: column('winner'),
    loser: column('loser'),
    tie: column('tie'),
    preference: column('preference'),
    count: column('count'),
    weight: column('weight'),
    annotator: column('annotator'),
    first: column('first'),
    timestamp: column('timestamp'),
    context: column('context'),
  },
  closed,
)

export const PageQuery = Type.Object(
  {
    after: Type.Optional(
      Type.String({ maxLength: 256, description: 'Begins after this id: `next` of the page before.' }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  },
  closed,
)

export const ExportQuery = Type.Object(
  {
    format: Type.Optional(oneOf(['ndjson', 'csv', 'parquet'], { default: 'ndjson' })),
  },
  closed,
)

export type NewDataset = Static<typeof NewDataset>
export type UploadQuery = Static<typeof UploadQuery>
export type PageQuery = Static<typeof PageQuery>
export type ExportQuery = Static<typeof ExportQuery>
export type DatasetDescription = Static<typeof DatasetDescription>
