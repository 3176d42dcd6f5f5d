import process from "node:process";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { TokenFormat } from "../cli/generate_token.ts";
import type { Surroundings } from "./surroundings.ts";

interface TokenFlags {
  readonly privateKey: string;
  readonly username: string;
  readonly roles: string[];
  readonly lifetime: number;
  readonly issuer: string;
  readonly oformat: TokenFormat;
  readonly format?: TokenFormat;
}

/** Adds the commands that make keys and tokens; they ask nothing of a configuration. */
export function addTokenCommands(program: Command, given: Surroundings): void {
  program
    .command("generate-keys")
    .description("make an RSA key pair: the private key signs tokens, the public key lets the daemon check them")
    .option("--private-key <file>", "where the private key goes (mode 600)", "private_key.pem")
    .option("--public-key <file>", "where the public key goes", "public_key.pem")
    .option("--bits <number>", "size of the key", wholeNumber, 2048)
    .option("--force", "replace existing files", false)
    .action(async (options: { privateKey: string; publicKey: string; bits: number; force: boolean }) => {
      const { runGenerateKeys } = await import("../cli/generate_keys.ts");
      process.exitCode = await runGenerateKeys(options, given);
    });

  program
    .command("generate-token")
    .description("sign a token")
    .option("--private-key <file>", "RSA private key, PEM", "private_key.pem")
    .option("--username <text>", "whose token it is (claim sub)", "someone")
    .option("--roles <role...>", "roles of the user", [])
    .option("--lifetime <minutes>", "how long it is valid", wholeNumber, 60)
    .option("--issuer <text>", "claim iss", "bartendercli")
    .addOption(
      new Option("--oformat <format>", "bare token, or a header for curl")
        .choices(["plain", "header"])
        .default("plain"),
    )
    .addOption(new Option("--format <format>", "the same").choices(["plain", "header"]).hideHelp())
    .action(async ({ oformat, format = oformat, lifetime: lifetimeMinutes, ...options }: TokenFlags) => {
      const { runGenerateToken } = await import("../cli/generate_token.ts");
      process.exitCode = await runGenerateToken({ ...options, format, lifetimeMinutes, clock: given.clock }, given);
    });
}

function wholeNumber(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError("expected a whole number");
  return Number(text);
}
