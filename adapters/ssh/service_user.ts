import { execFileSync } from "node:child_process";
import { userInfo } from "node:os";

let known: string | undefined;

/**
 * Login of the account that this process runs as, `id(1)`. The system library of Bun believes `USER` instead, and says
 * `unknown` without it.
 *
 * @throws {Error} when the account has no name
 */
export function serviceUser(): string {
  known ??= nameOf();
  return known;
}

function nameOf(): string {
  try {
    return execFileSync("id", ["-un"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch (error) {
    // In containers an account may have no entry, but be told by the variable.
    const { username } = userInfo();
    if (username !== "" && username !== "unknown") return username;
    throw new Error("The account of this process has no name: set username in ssh_config", { cause: error });
  }
}
