/** What upstream's shell does, against a hive on each kind of machine. */
import { readFileSync } from "node:fs";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { acceptUpstream } from "../services/console/door/upstream.acceptance.ts";
import { inSimulator, onQemu } from "./listening-hive.ts";

for (const kind of [onQemu, inSimulator]) {
  describe(`an upstream client of a hive ${kind.name}`, function () {
    kind.needed(this);
    this.timeout(120_000);
    acceptUpstream(async () => {
      const hive = await kind.start();
      const { token, tickets } = readCredentials(readFileSync(credentialsPath, "utf8"));
      return { port: hive.port, token, ticket: tickets.queen ?? "", close: () => hive.end() };
    });
  });
}
