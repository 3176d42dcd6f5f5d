/**
 * `target` with some of its methods replaced. The others run on `target` itself, so that it may be of a class with
 * private parts; optional methods that it lacks stay absent.
 */
export function overriding<T extends object>(target: T, replaced: Partial<T>): T {
  const bound = new Map<string | symbol, unknown>();
  return new Proxy(target, {
    get(_, name) {
      const own: unknown = Reflect.get(replaced, name);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (!bound.has(name)) bound.set(name, value.bind(target));
      return bound.get(name);
    },
  });
}
