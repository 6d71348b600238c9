import { AXIOMS } from '../../src/engine/welfare/catalogue/axioms.ts'
import { FUNCTIONS } from '../../src/engine/welfare/catalogue/functions.ts'

const MARKS = { strictly: '●', weakly: '○', no: '–' }

/** Which function has which invariance and axiom, as the table in docs/axioms.md. */
export function tableOf(): string {
  const header = ['', ...FUNCTIONS.map(({ id }) => `\`${id}\``)]
  const rows = AXIOMS.map(({ id }) => [
    `\`${id}\``,
    ...FUNCTIONS.map(({ claims }) => {
      const claim = claims[id]
      return claim === undefined ? '' : MARKS[claim]
    }),
  ])
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
