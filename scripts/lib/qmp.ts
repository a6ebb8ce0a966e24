/**
 * Ends a QEMU through its monitor (QMP over a Unix socket): capabilities, `quit`, and then its process is gone
 * or this says that it is not.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const pollMs = 10;

export function processRuns(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** @throws Error if QEMU is gone, or nothing accepts connections there within `patienceMs`. */
export async function connectUnix(path: string, pid: number, patienceMs: number): Promise<Socket> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const socket = connect(path);
    const error = await new Promise<Error | undefined>((settle) => {
      socket.once("connect", () => settle(undefined));
      socket.once("error", settle);
    });
    if (error === undefined) return socket;
    socket.destroy();
    if (!processRuns(pid)) throw new Error("QEMU ended by itself");
    if (Date.now() > deadline) throw new Error(`nothing answers at ${path}: ${error.message}`);
    await delay(pollMs);
  }
}

/** @throws Error if QEMU has not gone within `patienceMs`. */
export async function quitQemu(monitor: string, pid: number, patienceMs: number): Promise<void> {
  const deadline = Date.now() + patienceMs;
  if (processRuns(pid)) {
    const socket = await connectUnix(monitor, pid, patienceMs);
    // QEMU may close the connection before it has read to the end; what counts is that its process goes.
    socket.on("error", () => undefined);
    socket.resume();
    socket.write('{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n');
    while (processRuns(pid) && Date.now() < deadline) await delay(pollMs);
    socket.destroy();
  }
  if (processRuns(pid)) throw new Error(`QEMU (process ${pid}) does not end`);
}
