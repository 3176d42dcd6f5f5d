import { describe, expect, test } from "bun:test";
import busboy from "busboy";
import fc from "fast-check";
import { boundaryOf, MultipartParser } from "../../src/http/multipart.ts";

interface Part {
  readonly name: string | undefined;
  readonly fileName: string | undefined;
  readonly mediaType: string;
  readonly content: string;
}

/** Parses `body`, handed over in pieces that end at `cuts`. Bytes are shown as Latin-1. */
function parse(boundary: string, body: Buffer, cuts: readonly number[] = []): readonly Part[] {
  const parser = new MultipartParser(boundary);
  const parts: Part[] = [];
  let open: { header: Omit<Part, "content">; chunks: Uint8Array[] } | undefined;
  const ends = [...cuts].map((cut) => cut % (body.length + 1)).sort((a, b) => a - b);
  let start = 0;
  for (const end of [...ends, body.length]) {
    for (const event of parser.push(body.subarray(start, end))) {
      if (event.type === "part") open = { header: event.header, chunks: [] };
      else if (open === undefined) throw new Error("Data without a part");
      else if (event.type === "data") open.chunks.push(Uint8Array.from(event.bytes));
      else parts.push({ ...open.header, content: Buffer.concat(open.chunks).toString("latin1") });
    }
    start = end;
  }
  parser.finish();
  return parts;
}

function body(...lines: readonly string[]): Buffer {
  return Buffer.from(lines.join("\r\n"));
}

function onePart(disposition: string, type = "application/zip"): Part | undefined {
  const header = type === "" ? [disposition] : [disposition, `Content-Type: ${type}`];
  return parse("b", body("--b", ...header, "", "x", "--b--", ""))[0];
}

describe("a multipart body", () => {
  const simple = body(
    "--b",
    'Content-Disposition: form-data; name="a"',
    "",
    "1",
    "--b",
    'content-disposition: form-data; name="upload"; filename="f.zip"',
    "content-type: Application/ZIP; charset=x",
    "",
    "line\r\n--bx\r\n-- b\r\n\r\n",
    "--b--",
    "epilogue",
  );
  const parts: readonly Part[] = [
    { name: "a", fileName: undefined, mediaType: "", content: "1" },
    { name: "upload", fileName: "f.zip", mediaType: "application/zip", content: "line\r\n--bx\r\n-- b\r\n\r\n" },
  ];

  test("is split into its parts", () => {
    expect(parse("b", simple)).toEqual(parts);
  });

  test("is split the same way wherever its pieces end", () => {
    for (let cut = 1; cut < simple.length; cut += 1) expect(parse("b", simple, [cut])).toEqual(parts);
    expect(parse("b", simple, [...simple.keys()])).toEqual(parts);
  });

  test("may have a preamble, padding behind delimiters, empty parts and parts without headers", () => {
    const odd = body(
      "preamble",
      "--b \t",
      'Content-Disposition: form-data; name="a"',
      "",
      "",
      "--b",
      "",
      "bare",
      "--b--",
    );
    expect(parse("b", odd)).toEqual([
      { name: "a", fileName: undefined, mediaType: "", content: "" },
      { name: undefined, fileName: undefined, mediaType: "", content: "bare" },
    ]);
  });

  test.each([
    ["nothing", ""],
    ["another boundary", "--c\r\n\r\nx\r\n--c--\r\n"],
    ["no closing delimiter", '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b'],
    ["an end inside a header", '--b\r\nContent-Disposition: form-data; name="a"\r\n'],
    ["an end inside the content", '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx'],
  ])("with %s ends too early", (_, text) => {
    expect(() => parse("b", Buffer.from(text))).toThrow("The multipart body ends too early");
  });

  test("with a line that is no header is malformed", () => {
    expect(() => parse("b", body("--b", "what is this", "", "x", "--b--"))).toThrow(
      "The header of a part is malformed",
    );
  });

  test("with a header of 17 kB is refused, whether it ends or not", () => {
    const long = `X: ${"x".repeat(17_000)}`;
    expect(() => parse("b", body("--b", long, "", "x", "--b--"))).toThrow("The header of a part is too long");
    expect(() => parse("b", body("--b", long), [9000, 12_000])).toThrow("The header of a part is too long");
  });

  test("is split as busboy splits it, for any content, boundary and pieces", async () => {
    const text = fc.stringMatching(/^[a-z0-9 ]{1,12}$/);
    const nasty = fc.constantFrom("\r", "\n", "\r\n", "--", "-", "--b", "\r\n--b", "\r\n--", "b", "xyz", "\0", "é");
    const content = fc.array(nasty, { maxLength: 30 }).map((parts) => parts.join(""));
    const part = fc.record({ name: text, fileName: fc.option(text, { nil: undefined }), content });
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 5 }),
        fc.constantFrom("b0", "-b1", "----WebKitFormBoundary7MA4YWxkTrZu0gW"),
        fc.array(fc.nat(2000), { maxLength: 20 }),
        async (specs, boundary, cuts) => {
          // A boundary that occurs in the content ends it: nothing to compare.
          fc.pre(specs.every((spec) => !spec.content.includes(`--${boundary}`)));
          const lines = specs.flatMap((spec) => [
            `--${boundary}`,
            `Content-Disposition: form-data; name="${spec.name}"${spec.fileName === undefined ? "" : `; filename="${spec.fileName}"`}`,
            ...(spec.fileName === undefined ? [] : ["Content-Type: application/zip"]),
            "",
            spec.content,
          ]);
          const whole = body(...lines, `--${boundary}--`, "");
          // Files and fields are reported in an order of their own there.
          const sorted = (list: readonly object[]) => list.map((item) => JSON.stringify(item)).sort();
          const mine = parse(boundary, whole, cuts).map(({ name, fileName, content }) => ({ name, fileName, content }));
          expect(sorted(mine)).toEqual(sorted(await parseWithBusboy(boundary, whole)));
        },
      ),
      { numRuns: 300 },
    );
  });
});

function parseWithBusboy(boundary: string, whole: Buffer): Promise<readonly object[]> {
  const parts: object[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<readonly object[]>();
  const parser = busboy({
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
    defCharset: "latin1",
  });
  parser.on("field", (name, content) => parts.push({ name, content }));
  parser.on("file", (name, stream, { filename }) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => parts.push({ name, fileName: filename, content: Buffer.concat(chunks).toString("latin1") }));
  });
  parser.on("close", () => resolve(parts));
  parser.on("error", reject);
  parser.end(whole);
  return promise;
}

describe("the header of a part", () => {
  test.each([
    ['filename="plain.zip"', "plain.zip"],
    ['filename="with space; and semicolon.zip"', "with space; and semicolon.zip"],
    ['filename="a"b.zip"', 'a"b.zip'],
    ['filename=""quoted".zip"', '"quoted".zip'],
    ['filename="a\\"b.zip"', 'a"b.zip'],
    ['filename="a%22b.zip"', 'a"b.zip'],
    ['filename="100%.zip"', "100%.zip"],
    ['filename="C:\\temp\\a.zip"', "C:\\temp\\a.zip"],
    ['filename="größe 😀.zip"', "größe 😀.zip"],
    ["filename=bare.zip", "bare.zip"],
    ['filename=""', ""],
    ["filename=", ""],
    ['FileName = "a.zip" ; other=1', "a.zip"],
    ["filename=\"fallback.zip\"; filename*=UTF-8''na%C3%AFve.zip", "naïve.zip"],
    ["filename*=utf-8'en'a%20b.zip", "a b.zip"],
    ["filename*=ISO-8859-1''%E9.zip", "é.zip"],
    ["filename=\"fallback.zip\"; filename*=UTF-8''%FF.zip", "fallback.zip"],
    ["filename=\"fallback.zip\"; filename*=KOI8-R''%C1.zip", "fallback.zip"],
    ['filename="../../etc/passwd"', "../../etc/passwd"],
  ])("with %s names the file %p", (parameter, fileName) => {
    const part = onePart(`Content-Disposition: form-data; name="upload"; ${parameter}`);
    expect(part).toMatchObject({ name: "upload", fileName, content: "x" });
  });

  test("is understood with parameters in another order, and on several lines", () => {
    expect(onePart('Content-Disposition: form-data; filename="a;name=b"; name="upload"')).toMatchObject({
      name: "upload",
      fileName: "a;name=b",
    });
    expect(onePart('Content-Disposition: form-data;\r\n\tname="upload";\r\n filename="a.zip"')).toMatchObject({
      name: "upload",
      fileName: "a.zip",
    });
  });

  test("in Latin-1 is read as that", () => {
    const latin1 = Buffer.from(
      '--b\r\nContent-Disposition: form-data; name="u"; filename="gr\xf6\xdfe.zip"\r\n\r\nx\r\n--b--',
      "latin1",
    );
    expect(parse("b", latin1)[0]).toMatchObject({ fileName: "größe.zip" });
  });

  test("without a file name makes the part a text field, whatever its type", () => {
    expect(onePart('Content-Disposition: form-data; name="a"', "application/octet-stream")?.fileName).toBeUndefined();
  });

  test.each(["Content-Disposition: attachment; name=a", "Content-Disposition: form-data", "X-Other: 1"])(
    "may leave the part without a name: %s",
    (header) => {
      expect(onePart(header)?.name).toBeUndefined();
    },
  );
});

describe("the boundary", () => {
  test.each([
    ["multipart/form-data; boundary=abc", "abc"],
    ['multipart/form-data; charset=utf-8; Boundary="a b:c"', "a b:c"],
    ["multipart/form-data;boundary=----x; other=1", "----x"],
    ["multipart/form-data", undefined],
    ["multipart/form-data; boundary=", undefined],
    ['multipart/form-data; boundary=""', undefined],
    ["multipart/form-data; xboundary=a", undefined],
  ])("of %s is %p", (contentType, boundary) => {
    expect(boundaryOf(contentType)).toBe(boundary);
  });
});
