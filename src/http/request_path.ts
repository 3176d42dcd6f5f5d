import { Buffer } from "node:buffer";

/**
 * The path of a request as the router sees it: decoded exactly once, so that `%2F` separates like `/`.
 *
 * A percent sign that is left is escaped again, because Hono decodes parameters another time.
 */
export function routedPath(request: Request): string {
  const path = rawPath(request.url);
  return path.includes("%") ? decodeOnce(path).replaceAll("%", "%25") : path;
}

/** The path of a URL as it came in, without query and fragment. */
export function rawPath(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start === -1) return "/";
  const end = url.slice(start).search(/[?#]/);
  return end === -1 ? url.slice(start) : url.slice(start, start + end);
}

/** The query of a URL with its question mark, or nothing. */
export function rawQuery(url: string): string {
  const fragment = url.indexOf("#");
  const start = url.indexOf("?");
  if (start === -1 || (fragment !== -1 && fragment < start)) return "";
  return url.slice(start, fragment === -1 ? undefined : fragment);
}

/** Bytes that are not UTF-8 become replacement characters, broken escapes stay as they are. */
function decodeOnce(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // Not an error of ours: such a path names nothing and will be answered with 404.
    return path.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
      Buffer.from(escapes.replaceAll("%", ""), "hex").toString("utf8"),
    );
  }
}
