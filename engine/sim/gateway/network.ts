/** What the network of a simulated hive is like by its manifest, seen from the gateway's end of the cable. */
import { checkIpv4Config, type Ipv4Config } from "../../../services/net/address.ts";
import type { Manifest } from "../../../services/config/manifest.ts";

export interface GatewayNetwork {
  /** The gateway's own address. */
  readonly ipv4: Ipv4Config;
  /** The guest's address. */
  readonly guest: number;
  /** Whether the guest asks for its address. */
  readonly dhcp: boolean;
  /** Where the guest's console listens. */
  readonly consolePort: number;
}

/** What a guest is given that asks for an address: QEMU's user network. */
const LEASED = { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2" } as const;

/** @throws Error, one sentence, if there is no network, or a gateway cannot be on it. */
export function gatewayNetwork(configured: Omit<Manifest["network"], "control">): GatewayNetwork {
  const { mode, consolePort } = configured;
  if (mode === "none") throw new Error("the hive's network is off by manifest, so it has no port");
  const { address, prefix, gateway } = mode === "dhcp" ? LEASED : configured;
  const { address: guest } = checkIpv4Config({ address, prefix, gateway });
  return { ipv4: { address: gateway, prefix }, guest, dhcp: mode === "dhcp", consolePort };
}
