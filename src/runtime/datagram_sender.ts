/**
 * Unix datagram sockets, which neither `node:dgram` nor Bun nor Deno can open: four functions of the C library are called
 * instead. The program `systemd-notify` would be a process for each message, and systemd could not tell who it speaks for.
 */

import { openLibC } from "./libc.ts";

/** Sends to one address. */
export interface DatagramSender {
  /** Never waits. @returns false when it could not be sent */
  send(text: string): boolean;
  /** `CLOCK_MONOTONIC` of the machine, in microseconds. */
  monotonicUs(): bigint;
}

/** The functions that are called; buffers are handed over as pointers to their bytes. */
interface LibC {
  socket(domain: number, type: number, protocol: number): number;
  sendto(fd: number, data: Uint8Array, length: bigint, flags: number, to: Uint8Array, toLength: number): bigint;
  clock_gettime(clock: number, time: Uint8Array): number;
}

const SIGNATURES = {
  socket: [["i32", "i32", "i32"], "i32"],
  sendto: [["i32", "buffer", "usize", "i32", "buffer", "u32"], "isize"],
  clock_gettime: [["i32", "buffer"], "i32"],
} as const;

/** From the headers of Linux: sys/socket.h, bits/socket.h, time.h. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const CLOCK_MONOTONIC = 1;

/** Length of `sun_path` in unix(7), with the final zero of a path. */
const MAX_PATH_BYTES = 108;

/**
 * @param address an absolute path, or `@` and an abstract name
 * @throws when there is no socket to be had, or the address is none
 */
export function datagramSender(address: string): DatagramSender {
  const to = socketAddress(address);
  const libc = openLibC<LibC>(SIGNATURES);
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw new Error("Cannot open a Unix datagram socket");
  return {
    send(text) {
      const data = new TextEncoder().encode(text);
      const sent = libc.sendto(fd, data, BigInt(data.length), MSG_DONTWAIT | MSG_NOSIGNAL, to, to.length);
      return BigInt(sent) === BigInt(data.length);
    },
    monotonicUs() {
      const time = new Uint8Array(16);
      libc.clock_gettime(CLOCK_MONOTONIC, time);
      const view = new DataView(time.buffer);
      return view.getBigInt64(0, true) * 1_000_000n + view.getBigInt64(8, true) / 1_000n;
    },
  };
}

/** `struct sockaddr_un` of unix(7). */
function socketAddress(address: string): Uint8Array {
  const path = new TextEncoder().encode(address);
  const isAbstract = address.startsWith("@");
  if (!isAbstract && !address.startsWith("/")) throw new Error(`${address} is no address of a Unix socket`);
  if (path.length >= MAX_PATH_BYTES) throw new Error(`The address ${address} is too long for a Unix socket`);
  const bytes = new Uint8Array(2 + path.length + (isAbstract ? 0 : 1));
  bytes[0] = AF_UNIX;
  bytes.set(path, 2);
  // An abstract name begins with a zero and is not ended by one.
  if (isAbstract) bytes[2] = 0;
  return bytes;
}
