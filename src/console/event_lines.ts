import type { AdminEvent, AdminService } from "../ports/admin_service.ts";
import { encode } from "./wire.ts";

/** How many events a slow reader may be behind before it is let go. */
const MAX_BEHIND = 10_000;

/**
 * Events as lines of JSON (`application/x-ndjson`): what is remembered, and when followed what comes, until the client
 * or the daemon goes.
 */
export function eventStream(
  { admin, stopping }: { readonly admin: AdminService; readonly stopping: AbortSignal },
  isFollowed: boolean,
): Response {
  const headers = { "content-type": "application/x-ndjson" };
  if (!isFollowed) return new Response(admin.recentEvents().map(line).join(""), { headers });
  const encoder = new TextEncoder();
  let leave = (): void => undefined;
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const end = (): void => {
          leave();
          controller.close();
        };
        const stop = admin.onEvent((event) => {
          controller.enqueue(encoder.encode(line(event)));
          if ((controller.desiredSize ?? 0) < 0) end();
        });
        leave = () => {
          stop();
          stopping.removeEventListener("abort", end);
        };
        stopping.addEventListener("abort", end);
        // Something at once: only then clients know that they are connected. An empty line means nothing.
        controller.enqueue(encoder.encode(`${admin.recentEvents().map(line).join("")}\n`));
      },
      cancel: () => leave(),
    },
    { highWaterMark: MAX_BEHIND },
  );
  return new Response(body, { headers });
}

function line(event: AdminEvent): string {
  return `${JSON.stringify(encode(event))}\n`;
}
