/** Why a path cannot be added to a {@link PathTree}. */
export type PathConflict =
  | "occurs twice"
  | "is a file and a directory at the same time"
  | "differs from another one only by case or Unicode form";

/** The files and directories of an archive, each at most once. Paths are in their shortest form. */
export class PathTree {
  readonly #files = new Set<string>();
  /** The value tells directories with an entry of their own from those that only hold something. */
  readonly #directories = new Map<string, boolean>();
  /** Each path by what it has in common with those that look like it; undefined when that does not matter. */
  readonly #lookalikes: Map<string, string> | undefined;

  /** @param isDistinct refuses a path that some file systems and programs would take for another one */
  constructor(isDistinct = false) {
    this.#lookalikes = isDistinct ? new Map() : undefined;
  }

  /** Every directory, parents first. */
  get directories(): readonly string[] {
    return [...this.#directories.keys()];
  }

  /** Files and directories. */
  get size(): number {
    return this.#files.size + this.#directories.size;
  }

  hasFile(path: string): boolean {
    return this.#files.has(path);
  }

  addFile(path: string): PathConflict | undefined {
    if (this.#files.has(path)) return "occurs twice";
    if (this.#directories.has(path)) return "is a file and a directory at the same time";
    this.#files.add(path);
    return this.#addParents(path) ?? this.#conflictOfLooks(path);
  }

  addDirectory(path: string): PathConflict | undefined {
    if (this.#files.has(path)) return "is a file and a directory at the same time";
    if (this.#directories.get(path) === true) return "occurs twice";
    const conflict = this.#addParents(path);
    this.#directories.set(path, true);
    return conflict ?? this.#conflictOfLooks(path);
  }

  #addParents(path: string): PathConflict | undefined {
    const missing: string[] = [];
    for (let end = path.lastIndexOf("/"); end !== -1; end = path.lastIndexOf("/", end - 1)) {
      const parent = path.slice(0, end);
      if (this.#directories.has(parent)) break;
      if (this.#files.has(parent)) return "is a file and a directory at the same time";
      missing.push(parent);
    }
    for (const parent of missing.reverse()) {
      this.#directories.set(parent, false);
      const conflict = this.#conflictOfLooks(parent);
      if (conflict !== undefined) return conflict;
    }
    return undefined;
  }

  #conflictOfLooks(path: string): PathConflict | undefined {
    if (this.#lookalikes === undefined) return undefined;
    const looks = path.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");
    const other = this.#lookalikes.get(looks);
    this.#lookalikes.set(looks, path);
    return other === undefined || other === path ? undefined : "differs from another one only by case or Unicode form";
  }
}
