/** The one place that knows all transports. */

import type { Options } from "../cli.ts";
import type { Transport } from "../transport.ts";

export async function makeTransport(options: Pick<Options, "transport" | "sel4" | "net">): Promise<Transport> {
  switch (options.transport) {
    case "mock": {
      const { MockTransport } = await import("./mock.ts");
      return new MockTransport();
    }
    case "sim": {
      const { SimTransport } = await import("./sim.ts");
      return new SimTransport();
    }
    case "qemu": {
      const { QemuTransport } = await import("./qemu.ts");
      return new QemuTransport({ sel4: options.sel4, net: options.net });
    }
  }
}
