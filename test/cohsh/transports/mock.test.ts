import { MockTransport } from "../../../cohsh/transports/mock.ts";
import { acceptTransport } from "../transport.acceptance.ts";

acceptTransport("mock", () => new MockTransport(), { openMs: 1000, closeMs: 1000 });
