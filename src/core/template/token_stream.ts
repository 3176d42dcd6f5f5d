import type { TemplateSyntaxError } from "./errors.ts";
import type { TemplateSource, Token } from "./lexer.ts";

const DESCRIPTIONS: Readonly<Partial<Record<Token["type"], string>>> = {
  output_begin: "begin of print statement",
  output_end: "end of print statement",
  block_begin: "begin of statement block",
  block_end: "end of statement block",
  end: "end of template",
};

/** The tokens of a template with the place where the parser is. */
export class TokenStream {
  readonly source: TemplateSource;
  readonly #tokens: readonly Token[];
  #index = 0;

  constructor(source: TemplateSource, tokens: readonly Token[]) {
    this.source = source;
    this.#tokens = tokens;
  }
  get current(): Token {
    return this.at(this.#index);
  }
  /** Offset behind the last token that was taken. */
  get previousEnd(): number {
    return this.#index === 0 ? 0 : this.at(this.#index - 1).end;
  }
  at(index: number): Token {
    const token = this.#tokens[Math.min(index, this.#tokens.length - 1)];
    if (token === undefined) throw new TypeError("A template has at least its end as a token");
    return token;
  }
  next(): Token {
    return this.at(this.#index++);
  }
  is(type: Token["type"], ...texts: readonly string[]): boolean {
    return isToken(this.current, type, texts);
  }
  isNext(type: Token["type"], ...texts: readonly string[]): boolean {
    return isToken(this.at(this.#index + 1), type, texts);
  }
  skip(type: Token["type"], ...texts: readonly string[]): boolean {
    if (!this.is(type, ...texts)) return false;
    this.#index++;
    return true;
  }
  expect(type: Token["type"], ...texts: readonly string[]): Token {
    if (!this.is(type, ...texts))
      throw this.fault(`expected ${texts[0] ?? DESCRIPTIONS[type] ?? type}, got ${this.describe()}`);
    return this.next();
  }
  describe(): string {
    const { type, text } = this.current;
    return DESCRIPTIONS[type] ?? `"${text}"`;
  }
  /** @param offset where the fault is; by default the current token */
  fault(reason: string, offset = this.current.start): TemplateSyntaxError {
    return this.source.fault(reason, offset);
  }
}

function isToken(token: Token, type: Token["type"], texts: readonly string[]): boolean {
  return token.type === type && (texts.length === 0 || texts.includes(token.text));
}
