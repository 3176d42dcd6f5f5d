import { Fault } from "./errors.ts";
import type { Symbols } from "./scope.ts";
import { limitText, type Value } from "./values.ts";
import type { Variables } from "./variables.ts";

/** No command needs more; a template that loops over loops is stopped. */
const MAX_ITERATIONS = 100_000;
const MAX_MACRO_DEPTH = 50;

/** The state of one rendering: what was written, and what was used up. */
export class Rendering {
  readonly variables: Variables;
  #output = "";
  #iterations = 0;
  #macroDepth = 0;

  constructor(variables: Variables) {
    this.variables = variables;
  }
  get output(): string {
    return this.#output;
  }
  write(text: string): void {
    this.#output = limitText(this.#output + text);
  }
  /** Counts one round of a loop. */
  iterate(): void {
    if (++this.#iterations > MAX_ITERATIONS) throw new Fault(`more than ${MAX_ITERATIONS} rounds of loops`);
  }
  /** @returns what `body` writes, which does not become part of the command */
  capture(body: () => void): string {
    const outer = this.#output;
    this.#output = "";
    try {
      body();
      return this.#output;
    } finally {
      this.#output = outer;
    }
  }
  /** Like `capture` for the body of a macro. */
  call(body: () => void): string {
    if (++this.#macroDepth > MAX_MACRO_DEPTH)
      throw new Fault(`macros that call each other more than ${MAX_MACRO_DEPTH} times`);
    const text = this.capture(body);
    this.#macroDepth--;
    return text;
  }
}

/** The variables of a scope while it is rendered. */
export class Frame {
  readonly rendering: Rendering;
  readonly #parent: Frame | undefined;
  readonly #variables = new Map<string, Value | undefined>();

  constructor(symbols: Symbols, rendering: Rendering, parent?: Frame) {
    this.rendering = rendering;
    this.#parent = parent;
    for (const [name, load] of symbols.loads) {
      let value: Value | undefined;
      if (load === "resolve") value = rendering.variables.resolve(name);
      else if (load === "alias") value = parent?.read(name);
      this.#variables.set(name, value);
    }
  }
  /** @returns undefined when the variable has no value */
  read(name: string): Value | undefined {
    return this.#variables.has(name) ? this.#variables.get(name) : this.#parent?.read(name);
  }
  assign(name: string, value: Value): void {
    this.#variables.set(name, value);
  }
}
