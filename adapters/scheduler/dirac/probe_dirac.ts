import type { ProbeFinding } from "../../../src/ports/probe.ts";
import type { DiracClient } from "../../dirac/dirac_clients.ts";
import { type DiracProxyFacts, parseProxyInfo } from "../../dirac/proxy_info.ts";
import { probeSteps } from "../probe_steps.ts";
import { diracCommands } from "./dirac_commands.ts";

/** No job has this group. */
const PROBE_GROUP = "bartender-probe";

const ANY_DAY = "2000-01-01";

/** Tries what a job needs, without submitting one. Ends early when nothing else could work. */
export async function probeDirac(client: DiracClient, signal: AbortSignal): Promise<readonly ProbeFinding[]> {
  const { tools, where } = client;
  const { findings, attempt } = probeSteps();
  const isThere = await attempt("DIRAC's commands", async () => {
    const answer = await tools.run({ program: "dirac-version", args: [], isQuiet: false }, signal);
    const version = /^\d+\.\d+\S*$/m.exec(answer.stdout)?.[0];
    if (version === undefined) throw new Error(`dirac-version ended with ${answer.returnCode}`);
    return `DIRAC ${version} is installed on ${where}`;
  });
  if (!isThere) return findings;
  const hasProxy = await attempt("The proxy", async () => {
    const answer = await tools.run({ program: "dirac-proxy-info", args: [], isQuiet: false }, signal);
    return describe(parseProxyInfo(answer.stdout), await client.proxyFile(signal));
  });
  if (!hasProxy) return findings;
  await attempt("Jobs", async () => {
    await diracCommands(client).select(PROBE_GROUP, ANY_DAY, signal);
    return "DIRAC's services for jobs answer";
  });
  return findings;
}

function describe(proxy: DiracProxyFacts | undefined, file: string): string {
  if (proxy === undefined) throw new Error(`there is none in ${file}; the daemon makes one when it starts`);
  if (proxy.leftS <= 0) throw new Error(`the one in ${file} is over; the daemon renews it while it runs`);
  return `The proxy is of ${proxy.identity} in group ${proxy.group}, for ${Math.floor(proxy.leftS / 60)} more minutes`;
}
