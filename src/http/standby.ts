import { jsonAnswer } from "./answer.ts";

/** What a daemon answers while another one works: it is alive, and it is not ready for anything. */
export function answerOnStandby(request: Request): Response {
  if (new URL(request.url).pathname === "/api/live") return jsonAnswer(null);
  const detail = "This Bartender stands by until another one ends, please ask that one";
  return jsonAnswer({ detail }, 503, { "retry-after": "5" });
}
