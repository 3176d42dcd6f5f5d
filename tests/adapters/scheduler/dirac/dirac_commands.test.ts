import { describe, expect, test } from "bun:test";
import { faultOfDirac } from "../../../../adapters/dirac/dirac_answer.ts";
import { DiracUnavailableError } from "../../../../adapters/dirac/dirac_errors.ts";
import { parseProxyInfo } from "../../../../adapters/dirac/proxy_info.ts";
import {
  numberOf,
  parseFacts,
  parseMatched,
  parseSelection,
  parseStates,
} from "../../../../adapters/scheduler/dirac/dirac_commands.ts";
import { absence } from "../../../../adapters/scheduler/dirac/dirac_sandboxes.ts";
import { SchedulerRefusedError, SchedulerUnavailableError } from "../../../../src/core/errors.ts";
import { readRecording } from "../../../support/dirac/recording.ts";

/** What a recorded command answered, as the tools hand it on. */
function answer(name: string) {
  const { command, exitCode, stdout, stderr } = readRecording(name);
  return { program: command[0] ?? "", returnCode: exitCode ?? -9, stdout, stderr };
}

const stdout = (name: string): string => answer(name).stdout;

describe("submit() understands that", () => {
  test("a job was taken", () => {
    expect(numberOf(answer("job_submit"))).toBe(1);
    expect(numberOf(answer("job_submit_inline"))).toBe(4);
  });

  test.each(["job_submit_bad_jdl", "job_submit_missing_sandbox"])("a job is refused for good: %s", (name) => {
    expect(() => numberOf(answer(name))).toThrow(SchedulerRefusedError);
  });

  test.each(["CPUTime must be a number", "Nonsense is not a valid value for JobType"])(
    "a job is refused for good: %s",
    (reason) => {
      const said = { ...answer("job_submit"), returnCode: 2, stdout: `ERROR bartender.jdl: ${reason}\n` };
      expect(() => numberOf(said)).toThrow(`DIRAC refused the job: ERROR bartender.jdl: ${reason}`);
    },
  );

  test.each([
    "configuration_stopped_job_submit",
    "proxies_stopped_job_submit",
    "expired_proxy_job_submit",
    "job_submit_long_group",
    "job_submit_stdin",
  ])("nobody knows whether a job was taken: %s", (name) => {
    const said = answer(name);
    // A proxy service that is away does not keep a job from being taken.
    if (said.returnCode === 0) expect(numberOf(said)).toBeGreaterThan(0);
    else expect(() => numberOf(said)).toThrow(SchedulerUnavailableError);
  });
});

describe("states() reads", () => {
  test("one line per job", () => {
    expect(parseStates(stdout("job_status_killed_deleted"))).toEqual([
      { number: 9, status: "Killed", minorStatus: "Marked for termination", applicationStatus: "Unknown" },
      { number: 10, status: "Deleted", minorStatus: "Checking accounting", applicationStatus: "Unknown" },
    ]);
    expect(parseStates(stdout("job_status_running"))).toMatchObject([{ status: "Running" }]);
    expect(parseStates(stdout("job_status_done"))).toMatchObject([
      { status: "Done", minorStatus: "Execution Complete" },
    ]);
  });

  test("nothing of jobs that DIRAC does not know", () => {
    expect(parseStates(stdout("job_status_unknown"))).toEqual([]);
  });

  test("hundreds of jobs from one answer", () => {
    const numbers = parseStates(stdout("job_status_thousand")).map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.length).toBe(stdout("job_status_thousand").match(/^JobID=/gm)?.length ?? 0);
  });

  test("the status of DIRAC and not one that a job made up", () => {
    const line =
      "JobID=7 ApplicationStatus=a; Status=Done; MinorStatus=x; MinorStatus=Application; Status=Running; Site=S; ";
    expect(parseStates(`noise\n${line}\nJobID=x Status=Done;\n`)).toMatchObject([
      { number: 7, status: "Running", minorStatus: "Application" },
    ]);
  });
});

describe("select() understands that", () => {
  test("there are jobs", () => {
    expect(parseSelection(answer("select_jobs"))).toEqual([4]);
    expect(parseSelection(answer("select_jobs_all"))).toEqual([1, 2]);
  });

  test("there are none", () => {
    expect(parseSelection(answer("select_jobs_none"))).toEqual([]);
  });

  test.each(["select_jobs_quiet", "expired_proxy_select_jobs"])("nobody knows: %s", (name) => {
    expect(() => parseSelection(answer(name))).toThrow(SchedulerUnavailableError);
  });
});

describe("facts()", () => {
  test("tells the name of a job and that it has begun", () => {
    expect(parseFacts(answer("job_attributes"))).toEqual([
      {
        number: expect.any(Number),
        name: expect.any(String),
        hasBegun: true,
        heartBeat: expect.stringMatching(/^datetime\.datetime\(\d+(, \d+)+\)$/),
      },
    ]);
  });

  test("tells that a job has not begun", () => {
    const { stdout: text, ...rest } = answer("job_attributes");
    const waiting = text.replace(/'(StartExec|HeartBeat)Time': [^\n]*/g, "'$1Time': None,");
    expect(parseFacts({ ...rest, stdout: waiting })).toMatchObject([{ hasBegun: false, heartBeat: undefined }]);
  });

  test("leaves out a job that DIRAC does not know", () => {
    expect(parseFacts(answer("job_attributes_unknown"))).toEqual([]);
  });
});

describe("matched()", () => {
  const { stdout: ran } = answer("job_logging_info");
  const waited = ran.replace(/^(Matcher|Job(Agent|Wrapper)).*\n/gm, "");

  test("tells whom a node was given, in the order of the question", () => {
    expect(parseMatched(ran, [7])).toEqual([7]);
    expect(parseMatched(waited, [7])).toEqual([]);
    expect(parseMatched(`${waited}${ran}${waited}`, [7, 8, 9])).toEqual([8]);
  });

  test("takes all jobs for such when it cannot tell whose history is whose", () => {
    expect(parseMatched(`${waited}ERROR 8: No such job\n`, [7, 8])).toEqual([7, 8]);
  });
});

describe("a sandbox", () => {
  test.each([
    ["get_output_killed", 9],
    ["get_output_waiting", 9],
    ["get_output_running", 11],
    ["get_output_unknown", 4711],
    ["get_output_deleted", 3],
  ])("without a record is absent: %s", (name, number) => {
    const { stdout: text, returnCode } = answer(name);
    expect(absence(number, text, returnCode)).toEqual({ type: "absent" });
  });

  test("that could not be asked for is unknown", () => {
    const { stdout: text, returnCode } = answer("expired_proxy_get_output");
    expect(absence(1, text, returnCode)).toMatchObject({
      type: "unknown",
      why: expect.stringContaining("Cannot get URL"),
    });
  });
});

describe("what is no answer", () => {
  test.each(["configuration_stopped_job_status", "configuration_stopped_job_submit", "expired_proxy_job_status"])(
    "is told from one: %s",
    (name) => {
      expect(faultOfDirac(answer(name))?.retryable).toBe(true);
    },
  );

  test("is not a refusal", () => {
    expect(faultOfDirac(answer("job_submit_bad_jdl"))).toBeUndefined();
    expect(faultOfDirac(answer("configuration_stopped_job_status"))).toBeInstanceOf(DiracUnavailableError);
  });
});

describe("a proxy", () => {
  test("is told by its holder, its group and the time that it has left", () => {
    const facts = parseProxyInfo(stdout("proxy_info"));
    expect(facts).toMatchObject({ identity: expect.stringContaining("CN=ciuser"), group: "dirac_user" });
    expect(facts?.leftS).toBeGreaterThan(80_000);
    expect(parseProxyInfo(stdout("proxy_info_expired"))?.leftS).toBe(0);
    expect(parseProxyInfo(stdout("proxy_info_missing"))).toBeUndefined();
  });
});
