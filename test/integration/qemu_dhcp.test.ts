/**
 * Addresses by DHCP on seL4 in QEMU: its user network has a server; a hub with nobody else on it has none.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { credentialsPath } from "../../scripts/lib/credentials.ts";
import { HiveProcess } from "../../scripts/lib/hive-process.ts";
import { readCredentials } from "../../services/roles/credentials.ts";
import { ConsoleWire } from "./console-wire.ts";
import { listeningHive } from "./listening-hive.ts";
import { ImageWorkshop, needsQemu } from "./qemu-image.ts";

const patienceMs = 60_000;

/** QEMU with the machine's network card on a hub of its own. */
const ALONE = `#!/usr/bin/env bash
set -euo pipefail
arguments=("$@")
for i in "\${!arguments[@]}"; do
    case \${arguments[i]} in user,id=net0*) arguments[i]=hubport,id=net0,hubid=0 ;; esac
done
exec "\${REAL_QEMU:-qemu-system-aarch64}" "\${arguments[@]}"
`;

describe("a hive on seL4 in QEMU that gets its address by DHCP", function () {
  needsQemu(this);
  let workshop: ImageWorkshop;
  let image: string;
  let credentials: ReturnType<typeof readCredentials>;

  before(() => {
    workshop = new ImageWorkshop();
    const manifest = JSON.parse(Buffer.from(workshop.file("manifest.json")).toString("utf8")) as {
      network: { mode: string };
    };
    manifest.network.mode = "dhcp";
    image = workshop.withFiles("dhcp.elf", { "manifest.json": JSON.stringify(manifest) });
    credentials = readCredentials(readFileSync(credentialsPath, "utf8"));
  });
  after(() => workshop.remove());

  it("is leased one, says so in both logs and in /proc, and is reached there over TCP", async () => {
    const { hive, port } = await listeningHive(image);
    try {
      const leased = /net: (10\.0\.2\.15\/24 gateway 10\.0\.2\.2, leased by 10\.0\.2\.2)\r?\n/;
      if (!leased.test(hive.output)) await hive.expect(leased, patienceMs);
      expect(hive.output).to.not.contain("no DHCP server");
      const wire = await ConsoleWire.open(port);
      wire.send(`AUTH ${credentials.token}`, `ATTACH queen ${credentials.tickets.queen}`, "CAT /proc/boot");
      expect(await wire.lines(2)).to.deep.equal(["OK AUTH", "OK ATTACH role=queen"]);
      expect(await wire.stream()).to.include.members(["address 10.0.2.15/24 gateway 10.0.2.2"]);
      wire.send("CAT /proc/net/dhcp");
      const [, state, lease, counters] = await wire.stream();
      expect(state).to.equal("dhcp state bound");
      expect(lease).to.match(
        /^lease 10\.0\.2\.15\/24 gateway 10\.0\.2\.2 server 10\.0\.2\.2 renew_s=[1-9]\d* expires_s=[1-9]\d*$/,
      );
      expect(counters).to.match(/^dhcp discovers=1 requests=1 offers=1 acknowledged=1 refused=0 /);
      wire.send("LOG");
      expect((await wire.stream()).join("\n")).to.match(
        /\] net: 10\.0\.2\.15\/24 gateway 10\.0\.2\.2, leased by 10\.0\.2\.2$/m,
      );
      wire.close();
    } finally {
      expect(await hive.end(), hive.messages).to.equal(0);
    }
  });

  it("boots without a server, says that nobody answers, and has its console", async () => {
    const qemu = join(workshop.folder, "qemu-alone");
    writeFileSync(qemu, ALONE, { mode: 0o755 });
    const around = ["env", `REAL_QEMU=${process.env["QEMU"] ?? ""}`, `QEMU=${qemu}`];
    const hive = new HiveProcess(["--image", image, "--port", "none"], around);
    try {
      await hive.expect(/net: none \(DHCP init\), link up\r?\n[^]*PONG 1\r?\n/, patienceMs);
      hive.type("ping\r");
      await hive.expect(/OK PING reply=pong\r?\nPONG\r?\n/, patienceMs);
      await hive.expect(/net: no DHCP server has given an address yet; asking on\r?\n/, patienceMs);
      hive.type(`attach queen ${credentials.token}\rcat /proc/boot\rcat /proc/net/dhcp\r`);
      await hive.expect(/link up mtu=1500 changes=1\r?\naddress none \(DHCP selecting\)\r?\nEND\r?\n/, patienceMs);
      await hive.expect(/dhcp state selecting\r?\ndhcp discovers=[2-9] requests=0 offers=0 [^]*END\r?\n/, patienceMs);
      hive.type("log\r");
      await hive.expect(/\] net: no DHCP server has given an address yet; asking on\r?\n[^]*END\r?\n/, patienceMs);
    } finally {
      expect(await hive.end(), hive.messages).to.equal(0);
    }
  });
});
