import { type EdgeWorld, readmeZip, uploadForm } from "./edge_world.ts";

/** A request to submit; what is left out is right. */
export interface Submission {
  readonly application?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: FormData | Uint8Array<ArrayBuffer> | string;
}

/** Sends a submission of alice. */
export async function submit(
  world: EdgeWorld,
  { application = "wc", headers = {}, body = uploadForm() }: Submission = {},
) {
  const answer = await world.app.request(`/api/application/${application}`, {
    method: "PUT",
    headers: { ...world.auth(), ...headers },
    body,
  });
  const text = await answer.text();
  return { status: answer.status, text, location: answer.headers.get("location"), headers: answer.headers };
}

/** A form with one file part. */
export function fileForm(
  name: string,
  fileName: string,
  type: string,
  content: Uint8Array<ArrayBuffer> = readmeZip(),
): FormData {
  const form = new FormData();
  form.set(name, new File([content], fileName, { type }));
  return form;
}

/** A multipart body written by hand, with boundary `b`; each part is its header and its content. */
export function rawForm(...parts: readonly (readonly [string, Uint8Array | string])[]): Submission {
  const chunks = parts.flatMap(([header, content]) => [`--b\r\n${header}\r\n\r\n`, content, "\r\n"]);
  const body = Buffer.concat([...chunks, "--b--\r\n"].map((chunk) => Buffer.from(chunk)));
  return { body, headers: { "content-type": "multipart/form-data; boundary=b" } };
}

/** Header of a part that is a good upload. */
export const UPLOAD_HEADER =
  'Content-Disposition: form-data; name="upload"; filename="in.zip"\r\nContent-Type: application/zip';
