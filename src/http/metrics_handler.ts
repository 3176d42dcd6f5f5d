import { messageOf } from "../core/errors.ts";
import type { Logger } from "../ports/logger.ts";
import type { MetricsPage } from "../ports/metrics.ts";
import { jsonAnswer } from "./answer.ts";

/** Answers `GET /metrics`, and nothing else. */
export function metricsHandler(
  scrape: () => Promise<MetricsPage>,
  logger: Logger,
): (request: Request) => Promise<Response> {
  return async ({ method, url }) => {
    if (new URL(url).pathname !== "/metrics") return jsonAnswer({ detail: "Not Found" }, 404);
    if (method !== "GET" && method !== "HEAD") {
      return jsonAnswer({ detail: "Method Not Allowed" }, 405, { allow: "GET, HEAD" });
    }
    try {
      const { contentType, text } = await scrape();
      return new Response(method === "HEAD" ? null : text, { headers: { "content-type": contentType } });
    } catch (error) {
      logger.error("The measures could not be collected", { reason: messageOf(error), error });
      return jsonAnswer({ detail: "Internal Server Error" }, 500);
    }
  };
}
