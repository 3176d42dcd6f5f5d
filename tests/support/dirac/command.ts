import { spawn } from "node:child_process";

/** How a command has ended, and what it printed. */
export interface CommandResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdin?: string;
}

/** Runs a command to its end; a status other than 0 is no error. */
export async function runCommand(
  program: string,
  args: readonly string[],
  { environment, cwd, stdin = "" }: CommandOptions,
): Promise<CommandResult> {
  const child = spawn(program, args, { env: environment, cwd, stdio: ["pipe", "pipe", "pipe"] });
  const text = async (stream: AsyncIterable<Buffer>): Promise<string> =>
    Buffer.concat(await Array.fromAsync(stream)).toString("utf8");
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  const exitCode = new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", reject);
  });
  child.stdin.on("error", () => {});
  child.stdin.end(stdin);
  const [stdout, stderr] = await output;
  return { exitCode: await exitCode, stdout, stderr };
}
