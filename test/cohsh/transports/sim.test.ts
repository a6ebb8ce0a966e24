import { existsSync } from "node:fs";
import { SimTransport } from "../../../cohsh/transports/sim.ts";
import { inRepository } from "../../../scripts/lib/repository.ts";
import { acceptTransport } from "../transport.acceptance.ts";
import { withOwnCredentials } from "./candidate.ts";

acceptTransport("sim", () => withOwnCredentials((credentials) => new SimTransport(credentials)), {
  skip: existsSync(inRepository("out", "vm", "main.js")) ? undefined : "no out/vm/main.js, npm run build makes it",
  openMs: 20_000,
  closeMs: 2000,
  leftBehind: (transport) => transport instanceof SimTransport && transport.running,
});
