import { describe, expect, test } from "bun:test";
import { BODY_PATIENCE_MS, bodyChunks } from "../../src/http/request_body.ts";
import { eventually } from "../support/eventually.ts";
import { ManualClock } from "../support/manual_clock.ts";

const LATE = { status: 408, headers: { connection: "close" } };

/** A body that is being read; a client sends pieces of it. */
function setup() {
  const clock = new ManualClock();
  const client = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>();
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: client.resolve,
    cancel() {
      isCancelled = true;
    },
  });
  const request = new Request("http://lab.example", { method: "PUT", body });
  let got = 0;
  const read = (async () => {
    for await (const chunk of bodyChunks(request, clock)) got += chunk.length;
    return got;
  })();
  read.catch(() => undefined);
  return {
    ...{ clock, read },
    isCancelled: () => isCancelled,
    async send(bytes: number): Promise<void> {
      const expected = got + bytes;
      (await client.promise).enqueue(new Uint8Array(bytes));
      await eventually("the bytes", () => got === expected);
    },
    end: async () => (await client.promise).close(),
  };
}

describe("the body of a request", () => {
  test("may take two minutes for each 16 kB, and no longer, however small the steps are", async () => {
    const { clock, read, send, isCancelled } = setup();
    for (let n = 0; n < 3; n++) {
      await send(16_384);
      await clock.advance(BODY_PATIENCE_MS - 1);
    }
    await send(16_383);
    await send(1);
    await clock.advance(BODY_PATIENCE_MS / 2);
    await send(1);
    await clock.advance(BODY_PATIENCE_MS / 2 - 1);
    await send(1);
    expect(isCancelled()).toBe(false);
    await clock.advance(1);
    await expect(read).rejects.toMatchObject(LATE);
    expect(isCancelled()).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test("leaves no timer behind when it ends", async () => {
    const { clock, read, send, end } = setup();
    await send(5);
    await end();
    expect(await read).toBe(5);
    expect(clock.pending).toBe(0);
  });
});
