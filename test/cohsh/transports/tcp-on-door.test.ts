/** The transports' acceptance over TCP: a hive's own door in this process, on a port of the loopback. */

import { Keyring } from "../../../cohsh/tickets/keyring.ts";
import { TcpTransport } from "../../../cohsh/transports/tcp.ts";
import { acceptTransport } from "../transport.acceptance.ts";
import { openTcpHive, type TcpHive } from "./tcp-hive.ts";

describe("through a hive's own door", () => {
  let hive: TcpHive;
  before(async () => {
    hive = await openTcpHive();
  });
  after(() => hive.close());

  acceptTransport(
    "tcp",
    () => {
      const keys = new Keyring({ credentials: () => hive.credentials, nowMs: () => Date.now(), tokenIsQueen: false });
      const address = {
        host: "127.0.0.1",
        // There is one only once the tests run.
        get port() {
          return hive.port;
        },
      };
      return { transport: new TcpTransport(Object.assign(address, { token: () => keys.token() })), keys };
    },
    {
      openMs: 10_000,
      closeMs: 1000,
      leftBehind: (transport) => transport instanceof TcpTransport && transport.connected,
    },
  );
});
