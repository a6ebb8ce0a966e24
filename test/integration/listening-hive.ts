/** A hive on seL4 in QEMU whose console listens on a free port of the loopback. */
import { freePort } from "../../scripts/lib/free-port.ts";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { hiveImage } from "./qemu-image.ts";

const patienceMs = 60_000;

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
