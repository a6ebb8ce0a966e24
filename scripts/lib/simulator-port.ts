/**
 * Where the console of a hive in the simulator listens on the host: the options that `scripts/qemu-run.sh` has for one in QEMU, with
 * the same defaults and the same words for what is wrong.
 */
import { isIPv4 } from "node:net";
import { gatewayNetwork } from "../../engine/sim/gateway/network.ts";
import { type Address, publish, type Published } from "../../engine/sim/gateway/publish.ts";
import type { Machine } from "../../engine/sim/machine.ts";
import { readManifest } from "../../services/config/manifest.ts";

export interface PortOptions {
  readonly net?: string | undefined;
  /** A number, or `none`. */
  readonly port?: string | undefined;
  readonly bind?: string | undefined;
}

const PORT = "31337";
const BIND = "127.0.0.1";

/** @returns `undefined` for no port. @throws Error, one sentence, if the options say nothing that can be. */
export function hostAddress({ net = "user", port = PORT, bind = BIND }: PortOptions): Address | undefined {
  if (net !== "none" && net !== "user") throw new Error(`--net ${net}: the simulator has only none and user`);
  if (!isIPv4(bind)) throw new Error(`--bind ${bind}: an IPv4 address of this machine, or 0.0.0.0 for all of them`);
  if (port !== "none" && !(/^(?:0|[1-9][0-9]{0,4})$/.test(port) && Number(port) <= 65535)) {
    throw new Error(`--tcp-port ${port}: a number from 1 to 65535, 0 for a free one, or none`);
  }
  return net === "none" || port === "none" ? undefined : { host: bind, port: Number(port) };
}

/**
 * @param say told where it listens, or why nowhere, and what to know of that
 * @throws Error, one sentence with what to do, if the port cannot be listened at.
 */
export async function publishConsole(
  machine: Machine,
  manifest: string,
  address: Address,
  say: (text: string) => void,
): Promise<Published | undefined> {
  const { network } = readManifest(manifest);
  if (network.mode === "none") {
    say("the hive has no TCP console: its network is off by manifest");
    return undefined;
  }
  let published: Published;
  try {
    published = await publish(machine, gatewayNetwork(network), address);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${why}: give another with --tcp-port or --bind, or --tcp-port none`, { cause: error });
  }
  const { host, port } = published;
  if (!host.startsWith("127.")) {
    say(
      `warning: the console's port ${port} is open to whoever reaches ${host}, and credentials cross in clear:` +
        " forward it through ssh instead where others can listen",
    );
  }
  say(`attach with: cohsh --transport tcp --host ${host === "0.0.0.0" ? BIND : host} --port ${port}`);
  return published;
}
