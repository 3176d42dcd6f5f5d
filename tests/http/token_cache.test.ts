import { expect, test } from "bun:test";
import { TokenCache } from "../../src/http/token_cache.ts";

test("a token cache forgets what was not used for longest", () => {
  const cache = new TokenCache<number>(2);
  cache.set("a", 1);
  cache.set("b", 2);
  expect(cache.get("a")).toBe(1);
  cache.set("c", 3);
  expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([1, undefined, 3]);
  expect(cache.size).toBe(2);
});

test("a token cache never holds more than its capacity", () => {
  const cache = new TokenCache<number>(5);
  for (let i = 0; i < 1000; i += 1) cache.set(`token ${i % 50}`, i);
  expect(cache.size).toBe(5);
  cache.delete("token 49");
  expect(cache.size).toBe(4);
});
