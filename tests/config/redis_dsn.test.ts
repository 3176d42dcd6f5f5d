import { expect, test } from "bun:test";
import { plainDsn, redisDsnFault } from "../../src/config/redis_dsn.ts";

test.each([
  ["redis://localhost", "redis://localhost", []],
  ["redis://u:p%3Fq@h:7000/2", "redis://u:p%3Fq@h:7000/2", []],
  ["redis://u:p@h:7000?db=3", "redis://u:p@h:7000/3", []],
  ["rediss://h/1?db=3", "rediss://h/3", []],
  ["redis://h/1?db=", "redis://h/1", []],
  ["redis://h?timeout=5&db=3&timeout=6#x", "redis://h/3", ["timeout"]],
])("the address %s is %s", (value, dsn, ignored) => {
  expect(redisDsnFault(value)).toBeUndefined();
  expect(plainDsn(value)).toEqual({ dsn, ignored });
});
