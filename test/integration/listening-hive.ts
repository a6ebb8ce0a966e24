/** A hive on seL4 in QEMU whose console listens on a free port of the loopback. */
import { createServer } from "node:net";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { hiveImage } from "./qemu-image.ts";

const patienceMs = 60_000;

/** A port that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((settle, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address !== null ? settle(address.port) : fail(new Error("no port")),
      );
    });
  });
}

/** @returns the hive, up, and the port. Whoever asks ends it. */
export async function listeningHive(): Promise<{ readonly hive: HiveProcess; readonly port: number }> {
  const port = await freePort();
  const hive = new HiveProcess(["--image", hiveImage, "--net", "user", "--tcp-port", String(port)]);
  try {
    await hive.expect(/PONG 1\r?\n/, patienceMs);
    return { hive, port };
  } catch (error) {
    await hive.end();
    throw error;
  }
}
