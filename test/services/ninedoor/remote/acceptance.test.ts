import { Directory } from "../../../../services/ninedoor/directory.ts";
import { Lifetime, type Place } from "../../../../services/ninedoor/place.ts";
import { Probe } from "../../../../services/ninedoor/relay.ts";
import { FollowFile } from "../../../../services/ninedoor/follow-file.ts";
import { RecordAppender, RingFile } from "../../../../services/ninedoor/ring-file.ts";
import { Ring } from "../../../../services/ninedoor/ring.ts";
import { TextFile } from "../../../../services/ninedoor/text-file.ts";
import { QTAPPEND, QTDIR, QTFILE } from "../../../../services/secure9p/constants.ts";
import { nodeBytes, utf8 } from "../../support/ports.ts";
import { acceptsAsProvider, place, type Subject } from "../provider.acceptance.ts";
import { Hive } from "../support.ts";
import { ExportHive } from "./support.ts";

/** What a file needs of the hive that it is in. */
function parts(type: number) {
  const there = new Hive();
  const life = new Lifetime();
  const { counters, files } = there.namespace;
  return { there, life, options: { qid: files.qids.next(type), bytes: nodeBytes, counters, life } };
}

/** A file of one hive as `/file` of another, to which the first exports what a Queen sees. */
function exported(there: Hive, file: Place, life: Lifetime, rest: Pick<Subject, "content" | "change">): Subject {
  const hive = new ExportHive();
  const exporter = hive.dial("files", place(there, file).session);
  const found = new Probe();
  // A probe does not wait, and this one is to be answered.
  found.park = () => undefined;
  exporter.service.root!.walk(found, "file", hive.view("queen"));
  exporter.carry();
  const visitor = hive.watched(place(hive, found.place!));
  return { hive, visitor, end: () => life.end(), ...rest };
}

const CONTENT = "zero\none\ntwo\n";

function filledRing() {
  const ring = new Ring(nodeBytes, 64, 20);
  const add = (record: string): void => void ring.append(utf8(record), 0, utf8(record).length);
  for (const record of ["zero", "one", "two"]) add(record);
  return { ring, change: () => add("more") };
}

acceptsAsProvider("a computed text, of an exporter", {}, () => {
  const { there, life, options } = parts(QTFILE);
  let made = 0;
  const file = new TextFile({ ...options, limit: 100, openLimit: 131_072, text: () => `text ${made}\n` });
  return exported(there, file, life, { content: "text 0\n", change: () => void made++ });
});

acceptsAsProvider("a ring, of an exporter", { grows: true }, () => {
  const { there, life, options } = parts(QTFILE);
  const { ring, change } = filledRing();
  return exported(there, new RingFile({ ...options, ring, appending: undefined }), life, { content: CONTENT, change });
});

acceptsAsProvider("a ring that clients append to, of an exporter", { grows: true, line: "more" }, () => {
  const { there, life, options } = parts(QTAPPEND);
  const { ring, change } = filledRing();
  const handler = new RecordAppender(nodeBytes, ring);
  const file = new RingFile({ ...options, ring, appending: { handler, lineBytes: 20 } });
  return exported(there, file, life, { content: CONTENT, change });
});

acceptsAsProvider("a ring that is followed, of an exporter", { waits: true, grows: true }, () => {
  const { there, life, options } = parts(QTFILE);
  const { ring, change } = filledRing();
  const file = new FollowFile({ ...options, ring, waiters: 4 });
  return exported(there, file, life, { content: CONTENT, change });
});

acceptsAsProvider("a directory, of an exporter", { directory: true }, () => {
  const { there, life, options } = parts(QTDIR);
  return exported(there, new Directory(options), life, { content: "" });
});
