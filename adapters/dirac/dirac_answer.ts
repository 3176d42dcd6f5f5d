import { DiracProxyError, DiracUnavailableError } from "./dirac_errors.ts";

/** What a command of DIRAC has printed. Nothing but tracebacks of Python goes to its standard error. */
export interface DiracAnswer {
  readonly program: string;
  /** Exit status; negative when that signal ended the command. */
  readonly returnCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** No proxy, one that cannot be read, or one that is over; errors 1101 to 1108 of DIRAC's `DErrno`. */
const PROXY_FAULT =
  /Can't (find|read|get) (a )?proxy|\( ?110[0-8] ?:|No proxy found|proxy file does not exist|[Pp]roxy[^\n]{0,200}\bexpired|certificate (has )?expired|Invalid proxy|No valid proxy|Unauthorized query/;

/** A service that is not there, or a way to it that does not work; what is not caught shows as a traceback. */
const NO_ANSWER =
  /Traceback \(most recent call last\)|Can't (contact|connect)|Cannot (connect|get URL)|[Ff]ailed to connect|URL for service [^\n]* not found|[Cc]onnection (refused|reset|timed? ?out|closed|seems stalled)|Peer closed connection|timed? ?-?out|[Nn]etwork error|Network is unreachable|No route to host|DNS lookup failed|Name or service not known|[Ss]ervice[^\n]{0,60}(unavailable|not available)|Error in handsh?ake|Error in handhsake|Exception while (reading|sending)/;

/** Whether something of DIRAC says that it got no answer from another part of it. */
export function tellsOfNoAnswer(text: string): boolean {
  return NO_ANSWER.test(text);
}

/** Why a command did nothing, when that is no statement about what it was asked to do. */
export function faultOfDirac(answer: DiracAnswer): DiracProxyError | DiracUnavailableError | undefined {
  const text = `${answer.stdout}\n${answer.stderr}`;
  if (PROXY_FAULT.test(text)) {
    return new DiracProxyError(`${answer.program} has no proxy that DIRAC accepts: ${lastWordsOf(answer)}`);
  }
  if (tellsOfNoAnswer(text))
    return new DiracUnavailableError(`${answer.program} had no answer: ${lastWordsOf(answer)}`);
  return undefined;
}

/** What it says about each of its tries to reach a service, before it says that it could not. */
const NOISE = /^(Issue getting socket|Non-responding URL|Retry connection|Waiting [\d.]+ seconds before retry)/;

/** What a command said last, in one line of at most 500 characters. */
export function lastWordsOf({ stdout, stderr }: DiracAnswer): string {
  const lines = linesOf(stdout).length > 0 ? linesOf(stdout) : linesOf(stderr);
  return lines.slice(-3).join(" ").slice(0, 500) || "it said nothing";
}

function linesOf(text: string): readonly string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !NOISE.test(line))
    .map((line) => line.replace(/, 'CallStack': \[.*/, "}"));
}
