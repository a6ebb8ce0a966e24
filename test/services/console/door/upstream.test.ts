import { openTcpHive } from "../../../cohsh/transports/tcp-hive.ts";
import { acceptUpstream } from "./upstream.acceptance.ts";

describe("console door: an upstream client", () => {
  acceptUpstream(async () => {
    const hive = await openTcpHive();
    const { token, tickets } = hive.credentials;
    return {
      port: hive.port,
      token,
      ticket: tickets.queen ?? "",
      report: () => hive.report(),
      close: () => hive.close(),
    };
  });
});
