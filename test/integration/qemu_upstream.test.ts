/** What upstream's shell does, against a hive on seL4 in QEMU. */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { acceptUpstream } from "../services/console/door/upstream.acceptance.ts";
import { listeningHive } from "./listening-hive.ts";
import { needsQemu } from "./qemu-image.ts";

describe("an upstream client of a hive on seL4 in QEMU", function () {
  needsQemu(this);
  acceptUpstream(async () => {
    const { hive, port } = await listeningHive();
    const { token, tickets } = readCredentials(readFileSync(credentialsPath, "utf8"));
    const close = async (): Promise<void> => {
      expect(await hive.end(), hive.messages).to.equal(0);
    };
    return { port, token, ticket: tickets.queen ?? "", close };
  });
});
