import { expect, test } from "bun:test";
import { grantedResources, parseMemoryMb } from "../../src/core/job_resources.ts";

test("memory is read as sbatch takes it", () => {
  const cases = { "4000": 4000, "4G": 4096, "500M": 500, "1T": 1_048_576, "2048K": 2, "0.5g": 512, "1 GB": 1024 };
  for (const [text, memoryMb] of Object.entries(cases)) expect([text, parseMemoryMb(text)]).toEqual([text, memoryMb]);
  for (const text of ["", "G", "-1", "0", "4X", "4G4", "1e3", "4,5G"]) expect(parseMemoryMb(text)).toBeUndefined();
});

test("a job gets what it wishes for, else what is usual, and never more than the limit", () => {
  expect(grantedResources({}, {}, {})).toEqual({});
  expect(grantedResources({ cpus: 9 }, {}, {})).toEqual({ cpus: 9 });
  expect(grantedResources({}, { cpus: 2, timeS: 60 }, { cpus: 8 })).toEqual({ cpus: 2, timeS: 60 });
  expect(grantedResources({ cpus: 9, gpus: 0 }, { cpus: 2, gpus: 1 }, { cpus: 8 })).toEqual({ cpus: 8, gpus: 0 });
});

test("without a limit, what is usual is the limit", () => {
  expect(grantedResources({ memoryMb: 9_000 }, { memoryMb: 4_000 }, {})).toEqual({ memoryMb: 4_000 });
});
