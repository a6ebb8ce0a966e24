/**
 * What a script shows on two transports, told alike: without times, sizes in use and how far a worker has come, and without what
 * only a machine has or is called. Everything else has to be the same.
 */
export function comparableShellTranscript(lines: readonly string[]): string[] {
  const told: string[] = [];
  for (const line of lines) {
    // Bring-up and devices are the machine's, and a hive without one has neither.
    if (/^(?:phase|up|device|link|address|ram) /.test(line)) continue;
    // Where somebody came in is the line's, and one that asks for the token first says so.
    if (/^\[ *\d+\.\d{6}\] login: authenticated from=tcp /.test(line)) continue;
    const comparable = line
      .replace(/^\[ *\d+\.\d{6}\]/, "[time]")
      .replace(/^(OK CAT path=\S+ data=).*/, "$1<newest lines>")
      .replace(/^version (\S+) revision \S+$/, "version $1 revision <revision>")
      .replace(/( from=)(?:serial|tcp \S+)/, "$1<where>")
      .replace(/^image \S+ quickjs .*$/, "image <image>")
      .replace(/^(kernel|platform) .+$/, "$1 <$1>")
      .replace(/^((?:uptime|unix)_ms) \d+$/, "$1 <ms>")
      .replace(/^(\w+_(?:left|used)) \d+$/, "$1 <n>")
      .replace(/^state (?:waiting|running|ready)$/, "state <alive>")
      .replace(/^heartbeat \d+$/, "heartbeat <n>")
      .replace(/^OK QUIT .*$/, "OK QUIT");
    // How many there are is a matter of when one looks.
    if (comparable !== "heartbeat <n>" || told.at(-1) !== comparable) told.push(comparable);
  }
  return told;
}
