/** Width of the column that keeps the name of a job. */
const MAX_LABEL_LENGTH = 200;

/** The first name of a job: the file name of its upload without control characters, at most 200 characters. */
export function jobLabel(fileName: string): string {
  const clean = fileName.toWellFormed().replace(/\p{Cc}/gu, "");
  return [...clean].slice(0, MAX_LABEL_LENGTH).join("");
}
