/** The transports' acceptance over a serial line whose other end is a whole hive: a unix socket with the simulator behind it. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCredentials, formatCredentials } from "../../../cohsh/tickets/credentials.ts";
import { Keyring } from "../../../cohsh/tickets/keyring.ts";
import { SerialTransport } from "../../../cohsh/transports/serial.ts";
import { createHive } from "../../../engine/sim/hive.ts";
import { manifestPath } from "../../../scripts/lib/manifest.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";
import { acceptTransport } from "../transport.acceptance.ts";

const credentials = createCredentials((length) => crypto.getRandomValues(new Uint8Array(length)));
const directory = mkdtempSync(join(tmpdir(), "cohsh-line-"));
const path = join(directory, "line");
let server: Server | undefined;

/** Each connection is a line to a hive that boots for it. */
function serve(): void {
  server ??= createServer((socket) => {
    const outDir = inRepository("out");
    const machine = createHive({
      outDir,
      manifest: { file: manifestPath },
      credentials: formatCredentials(credentials),
      clock: "real",
    });
    let waiting = Buffer.alloc(0);
    const forward = (): void => {
      waiting = waiting.subarray(machine.serial.write(waiting));
    };
    machine.serial.onOutput = () => {
      socket.write(machine.serial.read());
      forward();
    };
    socket.on("data", (bytes: Buffer) => {
      waiting = Buffer.concat([waiting, bytes]);
      forward();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      machine.serial.onOutput = undefined;
      void machine.stop();
    });
    void machine.start();
  }).listen(path);
}

acceptTransport(
  "serial",
  () => {
    serve();
    const keys = new Keyring({ credentials: () => credentials, nowMs: () => Date.now() });
    return { transport: new SerialTransport(path), keys };
  },
  {
    skip: existsSync(inRepository("out", "vm", "main.js")) ? undefined : "no out/vm/main.js, npm run build makes it",
    openMs: 30_000,
    closeMs: 2000,
    leftBehind: (transport) => transport instanceof SerialTransport && transport.connected,
  },
);

after(() => {
  server?.close();
  rmSync(directory, { recursive: true });
});
