/**
 * A server that writes whatever is sent to it into a file and answers 303: the least that an upload can cost. Prints its
 * port.
 *
 *     bun bench/support/file_sink.ts <file>
 */
const [file = ""] = process.argv.slice(2);

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  idleTimeout: 0,
  async fetch(request) {
    const sink = Bun.file(file).writer({ highWaterMark: 262_144 });
    for await (const chunk of request.body ?? []) {
      sink.write(chunk);
      await sink.flush();
    }
    await sink.end();
    return new Response(null, { status: 303, headers: { location: "/" } });
  },
});
console.log(server.port);
