import { jsonAnswer } from "./answer.ts";
import { authenticate } from "./authenticate.ts";
import type { EdgeDeps, Route } from "./edge.ts";

/** Is the service alive, and whom does it take me for? */
export function serviceRoutes(deps: EdgeDeps): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/health",
      async handle() {
        await deps.jobs.ping();
        return jsonAnswer(null);
      },
    },
    {
      method: "GET",
      path: "/api/whoami",
      async handle(c) {
        const { username, roles, token } = await authenticate(c, deps);
        return jsonAnswer({ username, roles, apikey: token });
      },
    },
  ];
}
