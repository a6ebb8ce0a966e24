/** Why `scripts/image.ts` failed, in one sentence, for programs that ran it and go on without an image. */

/**
 * The first thing it said that is no warning; of a compiler's output, what the compiler calls an error.
 * @param {{ stderr: string | null, status: number | null, signal: string | null, error?: Error | undefined }} run
 * @returns {string}
 */
export function failureReason({ stderr, status, signal, error }) {
  if (error !== undefined) return error.message;
  const lines = (stderr ?? "")
    .split("\n")
    .map((line) => line.replace(/^image: /, "").trim())
    .filter((line) => line !== "" && !line.startsWith("warning: "));
  const reason = lines.find((line) => /\berror\b/i.test(line)) ?? lines[0];
  return reason ?? `scripts/image.ts ended with ${signal ?? `status ${status}`}`;
}
