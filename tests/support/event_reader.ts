import { eventually } from "./eventually.ts";

/** An event as a client gets it (HTML Living Standard §9.2.6). */
export interface SeenEvent {
  readonly id: string | undefined;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads a stream of server-sent events while the test goes on. */
export interface EventReader {
  readonly events: readonly SeenEvent[];
  /** Everything as it came. */
  readonly text: string;
  /** Undefined until the stream has ended; then the fault that ended it, or null. */
  readonly end: unknown;
  /** Lines that start with a colon. */
  readonly comments: number;
  readonly retryMs: number | undefined;
  /** Waits until that many events are there. */
  until(count: number): Promise<void>;
  /** Waits until the stream has ended well. */
  untilEnd(): Promise<void>;
  leave(): Promise<void>;
}

export function readEvents(response: Response): EventReader {
  const events: SeenEvent[] = [];
  let [text, unread, comments] = ["", "", 0];
  let retryMs: number | undefined;
  let end: unknown;
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();

  const take = (block: string): void => {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      if (colon === 0) comments += 1;
      else fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart());
    }
    if (fields.has("retry")) retryMs = Number(fields.get("retry"));
    const data = fields.get("data");
    if (data !== undefined) {
      events.push({ id: fields.get("id"), type: fields.get("event") ?? "message", data: JSON.parse(data) });
    }
  };
  (async () => {
    for (let next = await reader?.read(); next !== undefined && !next.done; next = await reader?.read()) {
      const piece = decoder.decode(next.value, { stream: true });
      text += piece;
      const blocks = (unread + piece).split("\n\n");
      unread = blocks.pop() ?? "";
      for (const block of blocks) take(block);
    }
    end = unread === "" ? null : new Error(`The stream ended within an event: ${unread}`);
  })().catch((error: unknown) => {
    end = error ?? new Error("The stream broke off");
  });

  return {
    events,
    get text() {
      return text;
    },
    get end() {
      return end;
    },
    get comments() {
      return comments;
    },
    get retryMs() {
      return retryMs;
    },
    async until(count) {
      await eventually(`${count} events, instead of ${text}`, () => events.length >= count);
    },
    async untilEnd() {
      await eventually("the end of the stream", () => end !== undefined);
      if (end !== null) throw end;
    },
    leave: async () => {
      await reader?.cancel();
    },
  };
}
