#!/usr/bin/env node
/**
 * Stands in for QEMU in tests of `scripts/qemu-run.sh`: offers the serial line and the monitor at the sockets of
 * the command line, echoes what is typed, and ends on the monitor's `quit`. FAKE_QEMU says how it misbehaves.
 */
import { appendFileSync } from "node:fs";
import { createServer } from "node:net";

const mode = process.env["FAKE_QEMU"] ?? "";
if (process.argv.includes("--version")) {
  process.stdout.write(`QEMU emulator version ${mode === "old" ? "5.2.0" : "7.2.22"}\n`);
  process.exit(0);
}
const note = process.env["FAKE_QEMU_NOTE"];
if (note !== undefined) appendFileSync(note, `${JSON.stringify({ pid: process.pid, args: process.argv.slice(2) })}\n`);
if (mode === "broken") process.exit(1);

/**
 * @param {string} id
 * @returns {string}
 */
function socketPath(id) {
  const chardev = process.argv.find((word) => word.startsWith(`socket,id=${id},`));
  const path = /path=([^,]+)/.exec(chardev ?? "")?.[1];
  if (path === undefined) throw new Error(`fake-qemu: no chardev ${id}`);
  return path;
}

createServer((line) => {
  line.on("error", () => undefined);
  if (mode === "silent") return;
  line.write("Cohesix\r\nPING 1\r\nPONG 1\r\ncohesix> ");
  line.on("data", (bytes) => {
    const text = bytes.toString("utf8");
    line.write(text);
    if (text.includes("die")) process.exit(0);
    if (/[\r\n]/.test(text)) line.write("\nOK\r\ncohesix> ");
  });
}).listen(socketPath("serial"));

createServer((monitor) => {
  monitor.on("error", () => undefined);
  monitor.on("data", (bytes) => {
    if (bytes.toString("utf8").includes('"quit"') && mode !== "stuck") {
      if (note !== undefined) appendFileSync(note, "quit\n");
      process.exit(0);
    }
  });
}).listen(socketPath("monitor"));
