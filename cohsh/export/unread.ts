/** What a program that serves says, and who may be gone that read it. */

/**
 * From now on the process does not end because its standard output or error takes nothing more: a pipe whose reader has left, a disk
 * that is full. What is said then is lost; there is nobody left to tell.
 */
export function goOnUnread(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}
