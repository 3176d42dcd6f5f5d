import { describe, expect, test } from "bun:test";
import { type DiracJdlOptions, diracJdl, isJdlText } from "../../../../adapters/scheduler/dirac/dirac_jdl.ts";
import { SchedulerRefusedError } from "../../../../src/core/errors.ts";
import { randomOf } from "../../../support/seeded_random.ts";

const PLAIN: DiracJdlOptions = {
  name: "bartender-abc-7-1",
  group: "bartender-0123456789abcdef012345",
  executable: "bartender.sh",
  inputData: ["/vo/user/a/ab/jobs/7/input.tar"],
  outputSandbox: ["jobstdout.txt", ".bartender/record"],
  stdout: "jobstdout.txt",
  stderr: "jobstderr.txt",
  cpuTimeS: undefined,
  platform: undefined,
  sites: [],
  bannedSites: [],
  tags: [],
  processors: undefined,
};

/** What DIRAC's own parser makes of a description: values end at semicolons, lists are split at commas. */
function parsed(jdl: string): ReadonlyMap<string, readonly string[]> {
  const body = jdl.trim().slice(1, -1);
  return new Map(
    body
      .split(";")
      .filter((part) => part.trim() !== "")
      .map((part) => {
        const [name = "", value = ""] = part.split(/=(.*)/s);
        return [name.trim(), value.trim().replaceAll(/[{}"]/g, "").split(",")];
      }),
  );
}

describe("a job description", () => {
  test("is what DIRAC reads, line by line", () => {
    expect(diracJdl(PLAIN)).toBe(`[
  JobName = "bartender-abc-7-1";
  JobGroup = "bartender-0123456789abcdef012345";
  Executable = "bartender.sh";
  InputSandbox = {"bartender.sh"};
  InputData = {"/vo/user/a/ab/jobs/7/input.tar"};
  InputDataModule = "DIRAC.WorkloadManagementSystem.Client.InputDataResolution";
  InputDataPolicy = "DIRAC.WorkloadManagementSystem.Client.DownloadInputData";
  OutputSandbox = {"jobstdout.txt",".bartender/record"};
  StdOutput = "jobstdout.txt";
  StdError = "jobstderr.txt";
]
`);
  });

  test("carries the options of the destination", () => {
    const jdl = parsed(
      diracJdl({
        ...PLAIN,
        ...{ cpuTimeS: 7200.5, platform: "x86_64-el9", processors: 4 },
        ...{ sites: ["LCG.CERN.ch", "LCG.NIKHEF.nl"], bannedSites: ["LCG.Slow.org"], tags: ["GPU"] },
      }),
    );
    expect(jdl.get("CPUTime")).toEqual(["7201"]);
    expect(jdl.get("Platform")).toEqual(["x86_64-el9"]);
    expect(jdl.get("Site")).toEqual(["LCG.CERN.ch", "LCG.NIKHEF.nl"]);
    expect(jdl.get("BannedSites")).toEqual(["LCG.Slow.org"]);
    expect(jdl.get("Tags")).toEqual(["GPU"]);
    expect(jdl.get("NumberOfProcessors")).toEqual(["4"]);
  });

  test("refuses what it cannot carry, and says what that is", () => {
    for (const text of ['a"b', "a;b", "a[b", "a]b", "a b", "a\nb", "a,b", "{a}", "a\\b", "ä", ""]) {
      expect(() => diracJdl({ ...PLAIN, inputData: [text] })).toThrow(SchedulerRefusedError);
      expect(() => diracJdl({ ...PLAIN, sites: [text] })).toThrow(
        `A job description of DIRAC cannot carry the Site ${JSON.stringify(text)}`,
      );
    }
  });

  test("never says anything that nobody asked for, whatever the values are", () => {
    const seed = Number(process.env.BARTENDER_SEED ?? Date.now() % 1_000_000);
    const random = randomOf(seed);
    const LETTERS = [
      "a",
      "Z",
      "9",
      ".",
      "/",
      "-",
      '"',
      ";",
      ",",
      " ",
      "=",
      "[",
      "]",
      "{",
      "}",
      "\n",
      "\\",
      "%j",
    ] as const;
    for (let round = 0; round < 2_000; round++) {
      const text = Array.from({ length: random.int(6) }, () => random.pick(LETTERS)).join("");
      if (!isJdlText(text)) {
        expect(() => diracJdl({ ...PLAIN, tags: [text] }), `seed ${seed}`).toThrow(SchedulerRefusedError);
        continue;
      }
      const jdl = parsed(diracJdl({ ...PLAIN, tags: [text], name: text }));
      expect([jdl.size, jdl.get("Tags"), jdl.get("JobName")], `seed ${seed}`).toEqual([11, [text], [text]]);
    }
  });
});
