import { MockTransport } from "../../../cohsh/transports/mock.ts";
import { acceptTransport } from "../transport.acceptance.ts";
import { withOwnCredentials } from "./candidate.ts";

acceptTransport("mock", () => withOwnCredentials((credentials) => new MockTransport(credentials)), {
  openMs: 10_000,
  closeMs: 1000,
});
