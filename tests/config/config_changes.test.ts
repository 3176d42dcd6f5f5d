import { describe, expect, test } from "bun:test";
import { configChanges } from "../../src/config/config_changes.ts";
import { configOf } from "./support/load_text.ts";

const HEAD = "job_root_dir: /srv/jobs\n";
const APPLICATIONS = "applications: { wc: { command_template: wc } }\n";
const MEMORY = "scheduler: { type: memory }, filesystem: { type: local }";

async function changes(from: string, to: string) {
  return configChanges(await configOf(HEAD + from), await configOf(HEAD + to));
}

describe("the changes of a configuration", () => {
  test("are none between two readings of one file", async () => {
    expect(await changes(APPLICATIONS, APPLICATIONS)).toEqual({
      refusals: [],
      lines: [],
      destinations: { added: [], removed: [], ruled: [], changed: [] },
    });
  });

  test("name applications, limits, tokens, retention and the picker", async () => {
    const { lines } = await changes(
      APPLICATIONS,
      `applications: { du: { command_template: du } }
interactive_applications: { ls: { command_template: ls, input_schema: { type: object } } }
destination_picker: bartender.picker:pick_round
limits: { max_streams: 3 }
tokens: { allow_cookie: false }
keep_for: P1D
`,
    );
    expect(lines).toEqual([
      "applications: added du",
      "applications: removed wc",
      "interactive_applications: added ls",
      "destination_picker: changed",
      "limits: changed",
      "tokens: changed",
      "keep_for: changed",
    ]);
  });

  test("tell a destination that only has other rules from one that has to be built anew", async () => {
    const { destinations } = await changes(
      `${APPLICATIONS}destinations: { a: { ${MEMORY} }, b: { ${MEMORY} }, c: { ${MEMORY} }, d: { ${MEMORY} } }`,
      `${APPLICATIONS}destinations:
  a: { ${MEMORY}, max_runtime: 60 }
  b: { scheduler: { type: memory, slots: 2 }, filesystem: { type: local } }
  d: { ${MEMORY} }
  e: { ${MEMORY} }
`,
    );
    expect(destinations).toEqual({ added: ["e"], removed: ["c"], ruled: ["a"], changed: ["b"] });
  });

  test("refuse another job root and another environment of commands", async () => {
    const from = await configOf(HEAD + APPLICATIONS);
    const to = await configOf(`job_root_dir: /srv/others\ncommand_environment: [LICENSE]\n${APPLICATIONS}`);
    expect(configChanges(from, to).refusals).toEqual([
      'job_root_dir: cannot change while the daemon runs, from "/srv/jobs" to "/srv/others"',
      'command_environment: cannot change while the daemon runs, from [] to ["LICENSE"]',
    ]);
  });
});
