import { isEqual } from "./comparison.ts";
import { iterate, Loop, lengthOf, Tuple, Undefined, type Value } from "./values.ts";

/** The rounds of a `for`, with the variable `loop` that tells about them. */
export class LoopRounds {
  readonly loop: Loop;
  #iterator: Iterator<Value>;
  #length: number | undefined;
  #index = -1;
  /** The next item when it was asked for already; `done` when there is none. */
  #ahead: IteratorResult<Value> | undefined;
  #previous: Value | undefined;
  #current: Value | undefined;
  #lastChanged: Value | undefined;

  constructor(items: Value) {
    const iterator = iterate(items)[Symbol.iterator]();
    this.#iterator = iterator;
    this.loop = new Loop(
      (name) => this.#member(name, items),
      (name, args) => this.#call(name, args),
    );
  }

  /** @returns undefined at the end */
  next(): { readonly item: Value } | undefined {
    const result = this.#ahead ?? this.#iterator.next();
    this.#ahead = undefined;
    if (result.done) return undefined;
    this.#index++;
    this.#previous = this.#current;
    this.#current = result.value;
    return { item: result.value };
  }

  #peek(): Value | undefined {
    this.#ahead ??= this.#iterator.next();
    return this.#ahead.done ? undefined : this.#ahead.value;
  }

  /** Takes all items at once when nothing else tells how many there are. */
  #size(items: Value): number {
    if (this.#length !== undefined) return this.#length;
    const known = lengthOf(items);
    if (known === undefined) {
      const rest: Value[] = [];
      for (let result = this.#iterator.next(); !result.done; result = this.#iterator.next()) rest.push(result.value);
      this.#iterator = rest[Symbol.iterator]();
      this.#length = rest.length + this.#index + 1 + (this.#ahead && !this.#ahead.done ? 1 : 0);
    } else {
      this.#length = known;
    }
    return this.#length;
  }

  #member(name: string, items: Value): Value | undefined {
    const index = BigInt(this.#index);
    switch (name) {
      case "index":
        return index + 1n;
      case "index0":
        return index;
      case "revindex":
        return BigInt(this.#size(items)) - index;
      case "revindex0":
        return BigInt(this.#size(items)) - index - 1n;
      case "length":
        return BigInt(this.#size(items));
      case "first":
        return index === 0n;
      case "last":
        return this.#peek() === undefined;
      case "depth":
        return 1n;
      case "depth0":
        return 0n;
      case "previtem":
        return this.#index === 0 ? new Undefined("there is no previous item") : this.#previous;
      case "nextitem":
        return this.#peek() === undefined ? new Undefined("there is no next item") : this.#peek();
      default:
        return undefined;
    }
  }

  #call(name: string, args: readonly Value[]): Value | undefined {
    if (name === "cycle") return args[this.#index % args.length];
    if (name !== "changed") return undefined;
    const values = new Tuple(args);
    const isChanged = this.#lastChanged === undefined || !isEqual(this.#lastChanged, values);
    if (isChanged) this.#lastChanged = values;
    return isChanged;
  }
}
