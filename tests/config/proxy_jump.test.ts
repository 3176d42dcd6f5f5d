import { expect, test } from "bun:test";
import { parseJump } from "../../src/config/proxy_jump.ts";

test.each([
  ["gate", { username: undefined, hostname: "gate", port: undefined }],
  ["u@gate.example.org:2222", { username: "u", hostname: "gate.example.org", port: 2222 }],
  ["u@[fe80::1]:2222", { username: "u", hostname: "fe80::1", port: 2222 }],
])("reads %s", (text, jump) => {
  expect(parseJump(text)).toEqual(jump);
});

test.each(["", "u@", "gate:", "gate:0", "gate:65536", "gate:x", "a@b@c", "one,two", "ga te", "fe80::1"])(
  "refuses %j",
  (text) => {
    expect(parseJump(text)).toBeUndefined();
  },
);
