/** Functions of the C library that neither `node:` modules nor Bun nor Deno have. Buffers are handed over as pointers. */

/** Types of arguments and result, as Deno calls them. */
export type Signatures = Readonly<Record<string, readonly [parameters: readonly string[], result: string]>>;

interface BunFfi {
  dlopen(
    path: string,
    symbols: Readonly<Record<string, { readonly args: readonly string[]; readonly returns: string }>>,
  ): { readonly symbols: unknown };
}

interface DenoFfi {
  dlopen(
    path: string,
    symbols: Readonly<Record<string, { readonly parameters: readonly string[]; readonly result: string }>>,
  ): { readonly symbols: unknown };
}

/** @typeParam T the functions as `signatures` has them @throws when there is no such library or function */
export function openLibC<T>(signatures: Signatures): T {
  const { Bun, Deno } = globalThis as unknown as { readonly Bun?: { readonly FFI: BunFfi }; readonly Deno?: DenoFfi };
  const path = "libc.so.6";
  const symbols = Object.entries(signatures);
  if (Bun !== undefined) {
    // What both call by different names.
    const types: Readonly<Record<string, string>> = { usize: "u64", isize: "i64" };
    const named = symbols.map(([name, [args, returns]]) => {
      return [name, { args: args.map((type) => types[type] ?? type), returns: types[returns] ?? returns }] as const;
    });
    return Bun.FFI.dlopen(path, Object.fromEntries(named)).symbols as T;
  }
  if (Deno === undefined) throw new Error("Bartender runs on Bun or Deno");
  const named = symbols.map(([name, [parameters, result]]) => [name, { parameters, result }] as const);
  return Deno.dlopen(path, Object.fromEntries(named)).symbols as T;
}
