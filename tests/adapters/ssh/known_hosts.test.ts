import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { judgeHostKey, knownHostName, knownKeyTypes, parseKnownHosts } from "../../../adapters/ssh/known_hosts.ts";
import { tempDir } from "../../support/temp_dir.ts";

const ED = "ssh-ed25519";
const judge = (text: string, host: string, port: number, key: string, type = ED) =>
  judgeHostKey(parseKnownHosts(text, "known_hosts"), knownHostName(host, port), type, key);

test("a key that is on record for the host is known, one that is not there is unknown", () => {
  const text = `# comment\n\nlogin.example.org,10.0.0.1 ${ED} AAAA note\n`;
  expect(judge(text, "login.example.org", 22, "AAAA").type).toBe("known");
  expect(judge(text, "LOGIN.example.org", 22, "AAAA").type).toBe("known");
  expect(judge(text, "10.0.0.1", 22, "AAAA").type).toBe("known");
  expect(judge(text, "other.example.org", 22, "AAAA")).toEqual({
    type: "unknown",
    knownTypes: [],
    hasAuthority: false,
  });
});

test("another key of the same type is a changed one; of another type it is unknown beside the known types", () => {
  const text = `h ${ED} AAAA\n`;
  expect(judge(text, "h", 22, "BBBB")).toMatchObject({ type: "changed", by: { file: "known_hosts", line: 1 } });
  expect(judge(text, "h", 22, "BBBB", "ssh-rsa")).toEqual({ type: "unknown", knownTypes: [ED], hasAuthority: false });
});

test("several keys of one host are all good", () => {
  const text = `h ${ED} AAAA\nh ${ED} BBBB\nh ssh-rsa CCCC\n`;
  expect(judge(text, "h", 22, "BBBB").type).toBe("known");
  expect(knownKeyTypes(parseKnownHosts(text, "known_hosts"), "h")).toEqual([ED, "ssh-rsa"]);
});

test("another port has entries of its own", () => {
  const text = `[h]:2222 ${ED} AAAA\n`;
  expect(judge(text, "h", 2222, "AAAA").type).toBe("known");
  expect(judge(text, "h", 22, "AAAA").type).toBe("unknown");
});

test("patterns match with * and ?, and a negated one excludes wherever it stands", () => {
  const text = `node?.example.org,!node7.example.org,*.lab ${ED} AAAA\n`;
  expect(judge(text, "node1.example.org", 22, "AAAA").type).toBe("known");
  expect(judge(text, "a.b.lab", 22, "AAAA").type).toBe("known");
  expect(judge(text, "node7.example.org", 22, "AAAA").type).toBe("unknown");
  expect(judge(text, "node12.example.org", 22, "AAAA").type).toBe("unknown");
  expect(judge(text, "node1xexample.org", 22, "AAAA").type).toBe("unknown");
});

test("a revoked key is refused even when it is on record", () => {
  const text = `h ${ED} AAAA\n@revoked * ${ED} AAAA\n`;
  expect(judge(text, "h", 22, "AAAA")).toMatchObject({ type: "revoked", by: { file: "known_hosts", line: 2 } });
});

test("a certificate authority vouches for nobody, but is told about", () => {
  expect(judge(`@cert-authority *.lab ${ED} AAAA\n`, "h.lab", 22, "AAAA")).toEqual({
    type: "unknown",
    knownTypes: [],
    hasAuthority: true,
  });
});

test("lines that are not understood are left out", () => {
  expect(parseKnownHosts(`h\n h ${ED}\n@odd h ${ED} AAAA\r\n`, "f")).toEqual([
    { marker: "unknown", hosts: "h", keyType: ED, key: "AAAA", file: "f", line: 3 },
  ]);
  expect(judge(`@odd h ${ED} AAAA\n`, "h", 22, "AAAA").type).toBe("unknown");
});

test("names that ssh-keygen has hashed are found", () => {
  using dir = tempDir();
  const file = join(dir.path, "known_hosts");
  const key = "AAAAC3NzaC1lZDI1NTE5AAAAIJ+SS0bVYFvEXKDyqMtJg8+wWQ3xLSH3C1f8b0rJj8Rm";
  writeFileSync(file, `plain.example.org ${ED} ${key}\n[ported.example.org]:2222 ${ED} ${key}\n`);
  execFileSync("ssh-keygen", ["-H", "-f", file], { stdio: "pipe" });
  const text = readFileSync(file, "latin1");
  expect(text).not.toContain("example");
  expect(judge(text, "plain.example.org", 22, key).type).toBe("known");
  expect(judge(text, "ported.example.org", 2222, key).type).toBe("known");
  expect(judge(text, "ported.example.org", 22, key).type).toBe("unknown");
});
