import { describe, expect, test } from "bun:test";
import { edgeWorld, uploadForm } from "../support/edge_world.ts";
import { rawForm, submit } from "../support/submission.ts";
import { buildZip } from "../support/zip_builder.ts";

describe("the limits", () => {
  const limits = { maxUploadBytes: 1_000_000, maxExpandedBytes: 5_000_000, maxEntries: 10, maxRatio: 1000 };
  const noise = crypto.getRandomValues(new Uint8Array(60_000));

  async function refusal(archive: Uint8Array<ArrayBuffer>, changes: Partial<typeof limits> = {}): Promise<unknown> {
    using world = await edgeWorld({ limits: { ...limits, ...changes } });
    const { status, text } = await submit(world, { application: "any", body: uploadForm(archive) });
    if (status === 303) return status;
    expect(world.leftovers()).toEqual([]);
    expect(world.jobs.rows.size).toBe(0);
    return [status, JSON.parse(text).detail];
  }

  test("allow an upload of just their size, and not of a byte more", async () => {
    const exact = buildZip([{ name: "a", content: noise, isStored: true }]);
    expect(await refusal(exact, { maxUploadBytes: exact.length })).toBe(303);
    expect(await refusal(exact, { maxUploadBytes: exact.length - 1 })).toEqual([
      413,
      `Upload is larger than ${exact.length - 1} bytes`,
    ]);
  });

  test("bound the unpacked size before anything is unpacked", async () => {
    const files = ["a", "b"].map((name) => ({ name, content: Buffer.alloc(2_500_000) }));
    expect(await refusal(buildZip(files))).toBe(303);
    expect(await refusal(buildZip([...files, { name: "c", content: "x" }]))).toEqual([
      413,
      "Archive expands to more than 5000000 bytes",
    ]);
  });

  test("count files and directories, also implied ones", async () => {
    const files = (count: number) => Array.from({ length: count }, (_, at) => ({ name: `d/${at}` }));
    expect(await refusal(buildZip(files(9)))).toBe(303);
    const tooMany = [413, "Archive has more than 10 files and directories"];
    expect(await refusal(buildZip(files(10)))).toEqual(tooMany);
    expect(await refusal(buildZip(files(11)))).toEqual(tooMany);
    expect(await refusal(buildZip([{ name: "a/b/c/d/e/f/g/h/i/j/k" }]))).toEqual(tooMany);
  });

  test("bound the ratio of large archives only", async () => {
    const bomb = buildZip([{ name: "zeros", content: Buffer.alloc(101_000_000) }]);
    const small = buildZip([{ name: "zeros", content: Buffer.alloc(90_000_000) }]);
    const generous = { maxExpandedBytes: 1e9, maxRatio: 100 };
    expect(await refusal(small, generous)).toBe(303);
    expect(await refusal(bomb, generous)).toEqual([413, "Archive expands to more than 100 times its size"]);
  });

  test("bound text fields and the number of parts", async () => {
    using world = await edgeWorld();
    const text = 'Content-Disposition: form-data; name="a"';
    expect(await submit(world, rawForm([text, "x".repeat(10_000_001)]))).toMatchObject({
      status: 413,
      text: '{"detail":"The text fields are larger than 10000000 bytes"}',
    });
    const many = Array.from({ length: 1001 }, () => [text, "x"] as const);
    expect(await submit(world, rawForm(...many))).toMatchObject({
      status: 413,
      text: '{"detail":"The form has more than 1000 parts"}',
    });
    expect(world.leftovers()).toEqual([]);
  });
});
