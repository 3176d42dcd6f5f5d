import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";

test.each([{}, { USER: "somebody-else" }])(
  "the login is that of the account, whatever the environment says: %j",
  (env) => {
    const file = resolve(import.meta.dir, "../../../adapters/ssh/service_user.ts");
    const script = `import { serviceUser } from ${JSON.stringify(file)}; console.log(serviceUser());`;
    const variables = { PATH: process.env.PATH ?? "", ...env };
    expect(execFileSync(process.execPath, ["-e", script], { env: variables, encoding: "utf8" })).toBe(
      execFileSync("id", ["-un"], { encoding: "utf8" }),
    );
  },
);
