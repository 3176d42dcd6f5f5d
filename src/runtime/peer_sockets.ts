import { rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import process from "node:process";
import { openLibC } from "./libc.ts";

/** Serves HTTP on a Unix socket. */
export interface InnerServer {
  /** Resolves when running requests are done, or were cut off after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

/** What the kernel takes for the path of a socket (`unix(7)`), and room for the number of an account. */
const MAX_PATH_BYTES = 107;
const LONGEST_SUFFIX = "~4294967295";

/** Whether the path leaves room for those of the servers behind it. */
export function hasRoomForPeers(path: string): boolean {
  return Buffer.byteLength(path) + LONGEST_SUFFIX.length <= MAX_PATH_BYTES;
}

/**
 * Listens on a Unix socket and finds out which account is at the other end of each connection, which HTTP servers do not
 * tell: the bytes go on to a server of this account's own, at `<path>~<uid>`, where only this process can connect.
 *
 * @param serve starts the server of an account; undefined where the kernel did not tell
 * @throws when the path cannot be used
 */
export async function servePeers(
  path: string,
  serve: (path: string, uid: number | undefined) => InnerServer,
): Promise<InnerServer> {
  const inner = new Map<string, InnerServer>();
  const open = new Set<Socket>();
  const placeFor = (uid: number | undefined): string => {
    const place = `${path}~${uid ?? "unknown"}`;
    if (!inner.has(place)) {
      // Of a process that was killed.
      rmSync(place, { force: true });
      inner.set(
        place,
        withUmask(0o177, () => serve(place, uid)),
      );
    }
    return place;
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    open.add(client);
    client.on("error", () => client.destroy());
    client.once("close", () => open.delete(client));
    try {
      join(client, connect({ path: placeFor(peerUid(client)), allowHalfOpen: true }));
    } catch {
      // The client sees that nobody answers.
      client.destroy();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    withUmask(0o117, () => server.listen(path, resolve));
  });
  return {
    async stop(graceMs) {
      server.close();
      await Promise.all([...inner.values()].map((each) => each.stop(graceMs)));
      // The last bytes of the servers are still on their way.
      const ends = [...open].map((client) => new Promise((resolve) => client.once("close", resolve)));
      const late = setTimeout(() => {
        for (const client of open) client.destroy();
      }, LAST_BYTES_MS);
      await Promise.all(ends);
      clearTimeout(late);
      for (const place of inner.keys()) rmSync(place, { force: true });
    },
  };
}

function join(client: Socket, server: Socket): void {
  server.on("error", () => client.destroy());
  client.once("close", () => server.destroy());
  client.pipe(server);
  server.pipe(client);
}

/** From its first moment; a mode that is set afterwards would come too late for a quick stranger. */
export function withUmask<T>(mask: number, make: () => T): T {
  const before = process.umask(mask);
  try {
    return make();
  } finally {
    process.umask(before);
  }
}

/** How long clients may take to receive what was sent last. */
const LAST_BYTES_MS = 200;

interface LibC {
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array): number;
}

const SIGNATURES = { getsockopt: [["i32", "i32", "i32", "buffer", "buffer"], "i32"] } as const;

/** From the headers of Linux: asm-generic/socket.h; `struct ucred` of unix(7) has pid, uid and gid. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const UCRED_BYTES = 12;

let libc: LibC | undefined;

/** The account that has opened the other end; undefined where that cannot be told. */
function peerUid(socket: Socket): number | undefined {
  // Not documented, yet the same on Node and Bun.
  const { fd } = (socket as unknown as { readonly _handle?: { readonly fd?: number } })._handle ?? {};
  if (fd === undefined || fd < 0) return undefined;
  libc ??= openLibC<LibC>(SIGNATURES);
  const value = new DataView(new ArrayBuffer(UCRED_BYTES));
  const length = new Uint8Array(new Uint32Array([UCRED_BYTES]).buffer);
  const bytes = new Uint8Array(value.buffer);
  return libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, bytes, length) === 0 ? value.getUint32(4, true) : undefined;
}
