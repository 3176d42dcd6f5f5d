import { NameTakenError } from "./errors.ts";

declare const named: unique symbol;

/**
 * Name under which a `T` can be found, e.g. `job:12`.
 *
 * The type is a promise of whoever makes the name: make each kind of name in one function, beside the messages.
 */
export type Name<T> = string & { readonly [named]: T };

/** Brands `text` as the name of a `T`. */
export function nameOf<T>(text: string): Name<T> {
  return text as Name<T>;
}

/** Who can be found under which name. A name is taken from the making of its owner until the owner's end for good. */
export class Registry {
  readonly #owners = new Map<string, unknown>();

  /** @throws {NameTakenError} when somebody else has the name. */
  register<T>(name: Name<T>, owner: T): void {
    const found = this.#owners.get(name);
    if (found !== undefined && found !== owner) throw new NameTakenError(name);
    this.#owners.set(name, owner);
  }

  /** Frees `name` if `owner` has it. */
  release<T>(name: Name<T>, owner: T): void {
    if (this.#owners.get(name) === owner) this.#owners.delete(name);
  }

  find<T>(name: Name<T>): T | undefined {
    return this.#owners.get(name) as T | undefined;
  }

  /** How many names are taken. */
  get size(): number {
    return this.#owners.size;
  }
}
