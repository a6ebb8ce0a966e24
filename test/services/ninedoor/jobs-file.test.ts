import { expect } from "chai";
import { JOB_BYTES, JOB_LINES, JobsFile } from "../../../services/ninedoor/jobs-file.ts";
import { Lifetime } from "../../../services/ninedoor/place.ts";
import { QTFILE } from "../../../services/secure9p/constants.ts";
import { nodeBytes, utf8 } from "../support/ports.ts";
import { acceptsAsProvider, place } from "./provider.acceptance.ts";
import { Hive, WAITS } from "./support.ts";

/** @param session of whoever reads it; the worker's own is 0 */
function jobsFile(session = 0) {
  const hive = new Hive();
  const life = new Lifetime();
  const { counters, files } = hive.namespace;
  const file = new JobsFile({ qid: files.qids.next(QTFILE), bytes: nodeBytes, counters, life, lineBytes: 6208 });
  const put = (line: string): boolean => file.put(utf8(line), 0, utf8(line).length);
  return { hive, end: () => life.end(), file, put, visitor: place(hive, file, session), content: "" };
}

acceptsAsProvider("jobs", { waits: true }, jobsFile);

describe("jobs file", () => {
  it("gives one line a read, whatever the offset, in the order in which they came, and then waits", () => {
    const { visitor, file, put } = jobsFile();
    const fid = visitor.opened("/file");
    expect([put('{"job":"a"}'), put("bä"), file.size]).to.deep.equal([true, true, 2]);
    expect(visitor.read(fid, 0)).to.equal('{"job":"a"}\n');
    expect(visitor.read(fid, 123)).to.equal("bä\n");
    const waiting = visitor.readLater(fid, 0);
    expect([waiting.result, file.waiting]).to.deep.equal([WAITS, true]);
    put("c");
    put("d");
    visitor.pump();
    expect([waiting.result, file.waiting, file.size]).to.deep.equal(["c\n", false, 1]);
    expect(visitor.read(fid, 0)).to.equal("d\n");
  });

  it("raises its version with every line that comes and goes", () => {
    const { visitor, put } = jobsFile();
    const before = visitor.qid("/file").version;
    put("a");
    visitor.read(visitor.opened("/file"), 0);
    expect(visitor.qid("/file").version).to.equal(before + 2);
  });

  it("has room for so many lines, and again when one is read", () => {
    const { visitor, hive, put } = jobsFile();
    const fid = visitor.opened("/file");
    for (let i = 0; i < JOB_LINES; i++) expect(put(`line ${i}`)).to.equal(true);
    expect([put("more"), hive.namespace.counters.jobsRefused]).to.deep.equal([false, 1]);
    expect(visitor.read(fid, 0)).to.equal("line 0\n");
    expect([put("more"), put("too many")]).to.deep.equal([true, false]);
    const rest = Array.from({ length: JOB_LINES }, () => visitor.read(fid, 0)).join("");
    expect(rest).to.equal("line 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nmore\n");
  });

  it("has room for so many bytes, to the last one", () => {
    const { visitor, put } = jobsFile();
    const fid = visitor.opened("/file");
    const long = "x".repeat(6208);
    expect([put(`${long}x`), put(long), put(long)]).to.deep.equal([false, true, true]);
    const left = JOB_BYTES - 2 * 6209;
    expect([put("y".repeat(left)), put("y".repeat(left - 1)), put("z")]).to.deep.equal([false, true, false]);
    expect(put("")).to.equal(true);
    expect(visitor.read(fid, 0, 8000)).to.equal(`${long}\n`);
    expect(put("z")).to.equal(true);
    const rest = Array.from({ length: 4 }, () => visitor.read(fid, 0, 8000));
    expect(rest).to.deep.equal([`${long}\n`, `${"y".repeat(left - 1)}\n`, "\n", "z\n"]);
  });

  it("always takes the empty line, and of several in a row one", () => {
    const { visitor, file, put, hive } = jobsFile();
    const fid = visitor.opened("/file");
    for (let i = 0; i < JOB_LINES; i++) for (const line of ["", "", `${i}`, ""]) expect(put(line)).to.equal(true);
    expect([file.size, put("9"), put("")]).to.deep.equal([2 * JOB_LINES + 1, false, true]);
    expect(visitor.read(fid, 0)).to.equal("\n");
    const rest = Array.from({ length: 2 * JOB_LINES }, () => visitor.read(fid, 0)).join("");
    expect(rest).to.equal("0\n\n1\n\n2\n\n3\n\n4\n\n5\n\n6\n\n7\n\n");
    expect(visitor.readLater(fid, 0).result).to.equal(WAITS);
    expect(hive.namespace.counters.jobsRefused).to.equal(1);
  });

  it("lets one read wait, and loses no line when that one is flushed or its fid goes", () => {
    const { visitor, hive, file, put } = jobsFile();
    const fid = visitor.opened("/file");
    const flushed = visitor.readLater(fid, 0);
    expect(visitor.read(fid, 0)).to.equal("!EBUSY");
    expect(hive.namespace.counters.waitersRefused).to.equal(1);
    visitor.client.flush(flushed.tag as number, { name: "Busy", code: "FLUSHED", errno: 0 });
    visitor.pump();
    expect([flushed.result, file.waiting]).to.deep.equal(["!FLUSHED", false]);
    const clunked = visitor.readLater(fid, 0);
    visitor.clunk(fid);
    expect([clunked.result, file.waiting]).to.deep.equal(["!EBADF", false]);
    expect(put("kept")).to.equal(true);
    expect(visitor.read(visitor.opened("/file"), 0)).to.equal("kept\n");
    expect(visitor.session.counters.late).to.equal(0);
  });

  it("is a pool of all workers, with the fullest and with what was refused, of workers that are gone too", () => {
    const hive = new Hive({ workers: 4 });
    const { workers } = hive.namespace;
    const put = (id: string, line: string): boolean => workers.find(id)!.jobs!.put(utf8(line), 0, line.length);
    const pool = () => workers.pools().find(([name]) => name === "worker.jobs");
    const most = JOB_BYTES + JOB_LINES + 1;
    const shown = (used: number, peak: number, refused: number) =>
      expect(pool()).to.deep.equal(["worker.jobs", 4 * most, used, most, peak, "refused", refused]);
    shown(0, 0, 0);
    hive.spawn(false);
    const [first, second] = [hive.spawn(true), hive.spawn(true)];
    shown(0, 0, 0);
    for (let i = 0; i < JOB_LINES; i++) put(first, "1234");
    put(second, "1");
    shown(5 * JOB_LINES, 5 * JOB_LINES, 0);
    expect([put(first, "5"), put(first, "6")]).to.deep.equal([false, false]);
    workers.remove(first);
    shown(2, 5 * JOB_LINES, 2);
    expect(put(second, "x".repeat(JOB_BYTES))).to.equal(false);
    shown(2, 5 * JOB_LINES, 3);
    expect(hive.namespace.counters.jobsRefused).to.equal(3);
  });

  it("keeps a line for which a read has no room, be it there already or not", () => {
    const { visitor, put } = jobsFile();
    const fid = visitor.opened("/file");
    const waiting = visitor.readLater(fid, 0, 4);
    put("1234");
    visitor.pump();
    expect([waiting.result, visitor.read(fid, 0, 4)]).to.deep.equal(["!EMSGSIZE", "!EMSGSIZE"]);
    expect(visitor.read(fid, 0, 5)).to.equal("1234\n");
  });

  it("keeps a line that its reader's quota does not pay for", () => {
    const hive = new Hive();
    const id = hive.spawn(true);
    const quotas = { bandwidthBytes: 9, cursorResumes: 0, cursorAdvances: 0 };
    const own = hive.enter(hive.view("worker-gpu", { subject: id, quotas }, 0));
    const { jobs } = hive.namespace.workers.find(id)!;
    const fid = own.opened("/worker/self/jobs");
    for (const line of ["1234", "56789"]) jobs!.put(utf8(line), 0, line.length);
    expect([own.read(fid, 0), own.read(fid, 0), jobs!.size]).to.deep.equal(["1234\n", "!EAGAIN", 1]);
  });

  it("is the worker's own session's only", () => {
    const { visitor } = jobsFile(1);
    expect(visitor.open("/file")).to.equal("!EPERM");
    const hive = new Hive();
    const id = hive.spawn(true);
    const { jobs } = hive.namespace.workers.find(id)!;
    expect(jobs).to.be.instanceOf(JobsFile);
    const own = hive.enter(hive.view("worker-gpu", { subject: id }, 0));
    const fid = own.opened("/worker/self/jobs");
    expect(hive.visit("worker-gpu", { subject: id }).open("/worker/self/jobs")).to.equal("!EPERM");
    expect(hive.visit("queen").open(`/worker/${id}/jobs`)).to.equal("!ENOENT");
    jobs!.put(utf8("a job"), 0, 5);
    expect(own.read(fid, 0)).to.equal("a job\n");
    const none = hive.spawn();
    expect(hive.namespace.workers.find(none)!.jobs).to.equal(undefined);
    const heartbeat = hive.enter(hive.view("worker-heartbeat", { subject: none }, 0));
    expect(heartbeat.open("/worker/self/jobs")).to.equal("!ENOENT");
  });

  it("ends with its worker: who waits is told, lines are gone, and no more are taken", () => {
    const { visitor, hive, end, put, file } = jobsFile();
    const fid = visitor.opened("/file");
    const waiting = visitor.readLater(fid, 0);
    end();
    visitor.pump();
    expect([waiting.result, visitor.read(fid, 0), put("late"), put("")]).to.deep.equal([
      "!ESHUTDOWN",
      "!ESHUTDOWN",
      false,
      false,
    ]);
    expect(hive.namespace.counters.closed).to.equal(2);
    const other = jobsFile();
    const unread = other.visitor.opened("/file");
    other.put("unread");
    other.end();
    expect([other.file.size, other.visitor.read(unread, 0)]).to.deep.equal([0, "!ESHUTDOWN"]);
    expect(file.size).to.equal(0);
  });
});
