import type { MathNode } from 'mathjs'
import {
  type CallName,
  type Expression,
  ExpressionFault,
  FUNCTIONS,
  type FunctionName,
  type Span,
  type VectorName,
} from './expression.ts'

/** The longest expression, in characters. */
export const MAX_LENGTH = 2000
/** The deepest nesting of brackets. */
const MAX_DEPTH = 40
/** The most numbers, names and operators of an expression. */
const MAX_NODES = 400
/** Numbers are 0, or of a size in these bounds. */
const SIZES = { least: 1e-30, most: 1e30 }

const FUNCTION_LIST = Object.keys(FUNCTIONS).join(', ')

let loaded: Promise<typeof import('mathjs/number')> | null = null

/** Loads the parser, once in a thread: it takes half a second and tens of megabytes, so nobody does who has no expression. */
function parser() {
  loaded ??= import('mathjs/number')
  return loaded
}

/**
 * Reads a welfare expression.
 *
 * The words of the text are vetted before mathjs sees them: only x, n, our functions, numbers, names in quotes and the
 * operators + − * / ^ .* ./ .^ get to it, of bounded length and depth. mathjs turns them into a tree and evaluates nothing.
 * Its trees do not know where their parts stand; as no operator moves its operands, the leaves of the tree are the words
 * of the text in their order, and that tells.
 *
 * @throws ExpressionFault
 */
export async function parseExpression(source: string): Promise<Expression> {
  const words = wordsOf(source)
  const { parse } = await parser()
  let tree: MathNode
  try {
    // A line break would end the expression.
    tree = parse(source.replace(/\s/g, ' ')) as MathNode
  } catch (error) {
    throw unreadable(source, error)
  }
  return readTree(tree as Node, words)
}

function unreadable(source: string, error: unknown): ExpressionFault {
  const { message, char } = error as { message: string; char?: number }
  const at = Math.min(Math.max(0, (char ?? 1) - 1), source.length)
  const what = char === undefined ? 'Too deeply nested' : message.replace(/ \(char \d+\)$/, '')
  return new ExpressionFault({ from: at, to: Math.min(at + 1, source.length) }, `cannot be read: ${what}`)
}

type Word = Span & { kind: 'number' | 'name' | 'text' | 'mark'; text: string }

/** A number (its point may not belong to an operator such as .^), a name, a text in quotes, an operator or bracket. */
const WORD =
  /(?<number>(?:\d+(?:\.(?![*/^])\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?<name>[\p{L}_$][\p{L}\p{N}_$]*)|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<mark>\.\*|\.\/|\.\^|[-+*/^(),[\]])|\s+/uy

/** The words of a text, all of them allowed. */
function wordsOf(source: string): Word[] {
  if (source.length > MAX_LENGTH) {
    const detail = `the expression has ${source.length} characters, and may have ${MAX_LENGTH}`
    throw new ExpressionFault({ from: MAX_LENGTH, to: MAX_LENGTH }, detail)
  }
  const words: Word[] = []
  const open: number[] = []
  WORD.lastIndex = 0
  for (let from = 0; from < source.length; from = WORD.lastIndex) {
    const found = WORD.exec(source)
    if (found === null) throw strange(source, from)
    const { number, name, text, mark } = found.groups as Record<Word['kind'], string | undefined>
    const kind: Word['kind'] | null = number ? 'number' : name ? 'name' : text ? 'text' : mark ? 'mark' : null
    if (kind === null) continue
    const word: Word = { kind, text: found[0], from, to: WORD.lastIndex }
    if (kind === 'name') checkName(word)
    if (kind === 'number') checkNumber(word)
    if (mark === '(' || mark === '[') open.push(words.length)
    if (mark === ')' || mark === ']') open.pop()
    if (open.length > MAX_DEPTH)
      throw new ExpressionFault(word, `brackets are nested more than ${MAX_DEPTH} deep`)
    words.push(word)
  }
  if (words.length === 0) throw new ExpressionFault({ from: 0, to: 0 }, 'the expression is empty')
  const nodes = words.filter(({ text }) => !/^[()[\],]$/.test(text)).length
  if (nodes > MAX_NODES) {
    const detail = `the expression has ${nodes} numbers, names and operators, and may have ${MAX_NODES}`
    throw new ExpressionFault(words[words.length - 1], detail)
  }
  return words
}

function strange(source: string, from: number): ExpressionFault {
  const character = String.fromCodePoint(source.codePointAt(from) as number)
  const why =
    character === '"' || character === "'"
      ? 'the quotation mark is never closed'
      : 'has no meaning here: an expression has numbers, x, n, functions, names in quotes, brackets, and the operators ' +
        '+ - * / ^ .* ./ .^'
  return new ExpressionFault({ from, to: from + character.length }, why)
}

function checkName(word: Word): void {
  if (word.text === 'x' || word.text === 'n' || Object.hasOwn(FUNCTIONS, word.text)) return
  throw new ExpressionFault(
    word,
    `is no name that is known: the vectors are x (utilities) and n (population weights), one group is x["its id"], and the ` +
      `functions are ${FUNCTION_LIST}`,
  )
}

function checkNumber(word: Word): void {
  const size = Number(word.text)
  if (size === 0 || (size >= SIZES.least && size <= SIZES.most)) return
  throw new ExpressionFault(word, `numbers are 0, or from ${SIZES.least} to ${SIZES.most}`)
}

/** A part of the tree, and the words that it spans, first to last. */
type Part = { expression: Expression; first: number; last: number }

/** The members of mathjs' nodes that are read here; its own types differ by class. */
type Node = MathNode & {
  value: unknown
  name: string
  fn: string | { name: string }
  args: Node[]
  content: Node
  object: Node
  index: { dimensions: Node[] }
  implicit: boolean
}

const OPERATORS: Record<string, CallName> = {
  add: '+',
  subtract: '-',
  unaryMinus: 'negate',
  multiply: '*',
  dotMultiply: '.*',
  divide: '/',
  dotDivide: './',
  pow: '^',
  dotPow: '^',
}

/** Walks a tree in the order of the text, one word after the other. */
function readTree(tree: Node, words: Word[]): Expression {
  let next = 0
  const { expression, first, last } = partOf(tree)
  if (first !== 0 || last !== words.length - 1)
    throw fault(0, 'is more than one expression', words.length - 1)
  return expression

  function partOf(node: Node): Part {
    switch (node.type) {
      case 'ConstantNode': {
        const at = leaf('number')
        return whole({ kind: 'number', value: node.value as number }, at, at)
      }
      case 'SymbolNode': {
        const at = leaf('name')
        if (node.name !== 'x' && node.name !== 'n')
          throw fault(at, 'is a function, and needs its arguments in brackets')
        return whole({ kind: 'vector', name: node.name }, at, at)
      }
      case 'ParenthesisNode': {
        const { expression, first, last } = partOf(node.content)
        return { expression, first: first - 1, last: last + 1 }
      }
      case 'AccessorNode':
        return entry(node)
      case 'FunctionNode':
        return call(node)
      case 'OperatorNode':
        return operation(node)
      default:
        throw fault(next, 'is nothing that a welfare expression can have')
    }
  }

  /** x["east"]. */
  function entry({ object, index }: Node): Part {
    const start = next
    const name = object.type === 'SymbolNode' ? object.name : ''
    const key = index.dimensions[0]
    if ((name !== 'x' && name !== 'n') || index.dimensions.length !== 1 || key.type !== 'ConstantNode')
      throw fault(start, 'one group is x["its id"] or n["its id"]')
    const first = leaf('name')
    if (typeof key.value !== 'string')
      throw fault(first + 2, 'groups are named, not numbered: write x["its id"]')
    const last = leaf('text') + 1
    return whole({ kind: 'entry', name: name as VectorName, group: key.value }, first, last)
  }

  function call({ fn, args }: Node): Part {
    const first = leaf('name')
    const { text } = words[first]
    if (typeof fn === 'string' || fn.name !== text || !Object.hasOwn(FUNCTIONS, text))
      throw fault(first, `is no function; the functions are ${FUNCTION_LIST}`)
    const name = text as FunctionName
    const parts = args.map((argument) => partOf(argument))
    const last = parts.length === 0 ? first + 2 : parts[parts.length - 1].last + 1
    const [least, most] = FUNCTIONS[name]
    if (parts.length < least || parts.length > most) {
      const wanted = least === most ? String(least) : `from ${least} to ${most}`
      throw fault(first, `takes ${wanted} argument${most === 1 ? '' : 's'}, and has ${parts.length}`, last)
    }
    return whole({ kind: 'call', name, of: parts.map(({ expression }) => expression) }, first, last)
  }

  function operation({ fn, args, implicit }: Node): Part {
    const name = Object.hasOwn(OPERATORS, fn as string) ? OPERATORS[fn as string] : null
    if (fn === 'unaryPlus') {
      const { expression, first, last } = partOf(args[0])
      return { expression, first: first - 1, last }
    }
    if (name === null) throw fault(next, 'is no operator of a welfare expression')
    const parts = args.map((argument) => partOf(argument))
    const first = parts[0].first - (parts.length === 1 ? 1 : 0)
    const { last } = parts[parts.length - 1]
    if (implicit) throw fault(first, 'has no operator between two factors: write * or .*', last)
    return whole({ kind: 'call', name, of: parts.map(({ expression }) => expression) }, first, last)
  }

  /** The place of the next leaf, which must be of a kind. */
  function leaf(kind: Word['kind']): number {
    while (next < words.length && words[next].kind === 'mark') next++
    if (words[next]?.kind !== kind)
      throw fault(next, 'is nothing that can stand here in a welfare expression')
    return next++
  }

  function whole<E extends object>(expression: E, first: number, last: number) {
    const span = { from: words[first].from, to: words[last].to }
    return { expression: { ...expression, span } as unknown as Expression, first, last }
  }

  function fault(at: number, detail: string, last = at): ExpressionFault {
    const end = words.length - 1
    const span = { from: words[Math.min(at, end)].from, to: words[Math.min(last, end)].to }
    return new ExpressionFault(span, detail)
  }
}
