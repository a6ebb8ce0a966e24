import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { needsSshd, Sshd } from "../cohsh/ssh/sshd.ts";
import { inSimulator, type ListeningHive, onQemu } from "./listening-hive.ts";
import { tcpShell } from "./tcp-shell.ts";

for (const machine of [inSimulator, onQemu]) {
  describe(`by way of an ssh server, a hive ${machine.name}`, function () {
    machine.needed(this);
    needsSshd(this);
    this.timeout(120_000);
    let hive: ListeningHive;
    let sshd: Sshd;
    let folder: string;
    let known: string;
    before(async () => {
      folder = mkdtempSync(join(tmpdir(), "ssh-via-"));
      known = join(folder, "known_hosts");
      sshd = await Sshd.start();
      writeFileSync(known, sshd.knownLine);
      hive = await machine.start();
    });
    after(async () => {
      await sshd.end();
      rmSync(folder, { recursive: true });
      await hive.end();
    });

    tcpShell(
      () => hive,
      () => ["--via", sshd.url, "--known-hosts", known, "--identity", sshd.userKey],
    );
  });
}
