/** Services of a hive that a tree serves or that the test plays, and what their tests ask of them. */
import { expect } from "chai";
import { SERVED } from "../../../../cohsh/export/serve.ts";
import * as p9 from "../../../../services/secure9p/constants.ts";
import { Session } from "../../../../services/secure9p/session.ts";
import { TestTree } from "../../secure9p/fixture.ts";
import { nodeBytes } from "../../support/ports.ts";
import type { Visitor } from "../support.ts";
import { type Exporter, ExportHive } from "./support.ts";

export const AWAY = "!EBUSY";
export const GONE = "!ESHUTDOWN";
export const FILE = { type: p9.QTFILE, version: 0, path: 7 };
export const DIR = { type: p9.QTDIR, version: 0, path: 8 };

export function serve(tree: TestTree): Session {
  return new Session({ tree, bytes: nodeBytes, ...SERVED });
}

/** A hive with a service that serves a tree as it should. */
export function served(tree = new TestTree()) {
  const hive = new ExportHive();
  const session = serve(tree);
  const exporter = hive.dial("files", session);
  return { hive, tree, session, exporter, queen: hive.mounted("files") };
}

/** A hive with a service that the test plays. */
export function played() {
  const hive = new ExportHive();
  const exporter = hive.dial("files").welcome();
  return { hive, exporter, queen: hive.mounted("files") };
}

/** Where each stands in the service's root. */
const roots = new WeakMap<Visitor, number>();

/** Ask for a name there, in a step of its own, so that the answer says why not. */
export function step(queen: Visitor, name: string, fid = 9) {
  const root = roots.get(queen) ?? (queen.walk("/mnt") as number);
  roots.set(queen, root);
  return queen.ask((done) => queen.client.walk(root, fid, [name], done));
}

/** After each test nothing is left of any exporter, whatever it did. */
export function leavesNothing(hive: ExportHive, exporter: Exporter): void {
  exporter.service.end("test");
  expect(hive.timers.size, "timers").to.equal(0);
  expect([exporter.service.inFlight, exporter.service.waiting], "under way").to.deep.equal([0, 0]);
  expect(hive.failures).to.deep.equal([]);
}
