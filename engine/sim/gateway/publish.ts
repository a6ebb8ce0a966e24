/**
 * The console of a simulated hive at a port of the host: a listening socket whose connections the gateway carries on. What keeps
 * it from listening is one sentence, and nothing of it is left then.
 */
import { createServer, type Socket } from "node:net";
import { Gateway, type GatewayMachine } from "./gateway.ts";
import type { GatewayNetwork } from "./network.ts";

export interface Address {
  /** IPv4 address of the host that is listened at. */
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
}

export interface Published extends Address {
  readonly gateway: Gateway;
  /** Listen no more and break off all connections. */
  close(): Promise<void>;
}

/**
 * @param connections most at once, if it is said
 * @throws Error, one sentence, if the port cannot be listened at or the machine has no network, or virtual time.
 */
export async function publish(
  machine: GatewayMachine,
  network: GatewayNetwork,
  address: Address,
  connections?: number,
): Promise<Published> {
  // Where time leaps over every pause, somebody outside of it would always be too late.
  if (machine.clock.virtual) throw new Error("a machine in virtual time has no port on the host");
  const gateway = new Gateway(machine, network, connections);
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    gateway.accept(socket);
  });
  const close = async (): Promise<void> => {
    gateway.close();
    // Also what the guest has done with and the host's program has not read.
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((settle) => server.close(() => settle()));
  };
  try {
    await new Promise<void>((settle, fail) => {
      server.on("error", fail);
      server.listen(address.port, address.host, settle);
    });
  } catch (error) {
    gateway.close();
    throw new Error(sentence(error, address), { cause: error });
  }
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
  return { host: address.host, port, gateway, close };
}

function sentence(error: unknown, { host, port }: Address): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EADDRINUSE") return `port ${port} on ${host} is in use by another program`;
  if (code === "EADDRNOTAVAIL") return `${host} is no address of this machine`;
  if (code === "EACCES") return `port ${port} on ${host} may not be listened at by this user`;
  return `port ${port} on ${host} cannot be listened at: ${error instanceof Error ? error.message : String(error)}`;
}
