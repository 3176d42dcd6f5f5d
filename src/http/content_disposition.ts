/**
 * The `Content-Disposition` of a download (RFC 6266). A name of ASCII letters, digits and `_.-~/` stands in quotes,
 * any other is percent-encoded UTF-8.
 */
export function contentDisposition(type: "inline" | "attachment", name: string): string {
  if (/^[\w.\-~/]*$/.test(name)) return `${type}; filename="${name}"`;
  return `${type}; filename*=utf-8''${percentEncoded(name)}`;
}

function percentEncoded(name: string): string {
  const escaped = encodeURIComponent(name.toWellFormed()).replaceAll("%2F", "/");
  return escaped.replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
