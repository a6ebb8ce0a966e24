import { expect } from "chai";
import { CountedHeap, QuickJs } from "../../support/quickjs.ts";
import { QUICKJS_HIVE } from "../../support/quickjs-hive.ts";

const ENTRY = `${QUICKJS_HIVE}
import { Client } from "./services/secure9p/client.ts";
import { Session } from "./services/secure9p/session.ts";
const text = new Uint8Array(4000).fill(120);
const file = {
  qid: { type: 0, version: 0, path: 2 },
  open(request) {
    request.opened({
      read(read) { read.put(text, 0, text.length); read.done(); },
      write() {}, readdir() {}, close() {},
    });
  },
  getattr() {}, setattr() {}, walk() {},
};
const parked = { cancelled() {} };
const news = {
  ...file,
  qid: { type: 0, version: 0, path: 3 },
  open(request) { request.opened({ read(read) { read.park(parked); }, write() {}, readdir() {}, close() {} }); },
};
const root = {
  qid: { type: 0x80, version: 0, path: 1 },
  walk(request, name) { request.found(name.endsWith(".follow") ? news : file); },
  open() {}, getattr() {}, setattr() {},
};
const SERIAL = { name: "serial", throttle: 1, local: true };
const queen = hive.attach("queen", "operator-token", SERIAL).session;
const asking = new Client({ bytes });
const asked = queen.open9p();
let service;
let served;
function carry(from, to) {
  let moved = 0;
  while (from.unsent > 0) {
    const run = from.run;
    to.receive(from.out, from.start, run);
    from.sent(run);
    moved += run;
  }
  return moved;
}
function settle() {
  while (carry(asking, asked) + carry(asked, asking) + (service ? carry(service, served) + carry(served, service) : 0) > 0);
}
asking.version(() => {});
settle();
asking.attach(asking.fids.take(), "", "", () => {});
settle();
let got = 0;
globalThis.come = (tags = 16) => {
  service = hive.exports.open("files", 7);
  served = new Session({ tree: { attach: (request) => request.found(root) }, bytes, fids: 16, tags });
  settle();
  queen.view.mount("files", "/mnt");
};
globalThis.go = () => {
  service.end("left");
  served.close();
  service = undefined;
  served = undefined;
};
globalThis.read = (count, over) => {
  for (let i = 0; i < count; i++) {
    const fid = asking.fids.take();
    asking.walk(0, fid, ["mnt", "a"], () => {});
    settle();
    asking.open(fid, 0, () => {});
    settle();
    asking.read(fid, 0, 4000, (reply, error) => { if (!error && reply.data.length === 4000) got++; });
    if (over) go();
    settle();
    asking.clunk(fid, () => {});
    settle();
  }
  return got;
};
const followers = [];
globalThis.followers = (count) => {
  for (let i = 0; i < count; i++) {
    const login = hive.attach("queen", "operator-token", SERIAL).session;
    login.view.mount("files", "/mnt");
    // As a worker's own, for the others' places are fewer.
    login.view.session = 0;
    const follower = { client: new Client({ bytes }), session: login.open9p() };
    followers.push(follower);
    const { client, session } = follower;
    const both = () => { do settle(); while (carry(client, session) + carry(session, client) > 0); };
    client.version(() => {});
    both();
    client.attach(0, "", "", () => {});
    both();
    client.walk(0, 1, ["mnt", "x.follow"], () => {});
    both();
    client.open(1, 0, () => {});
    both();
    // What each of its requests takes of its own is there.
    for (let tag = 0; tag < 16; tag++) client.getattr(0, 1, () => {});
    both();
  }
};
globalThis.follow = () => {
  for (const { client, session } of followers) {
    for (let i = 0; i < 16; i++) client.read(1, 0, 100, () => {});
    while (carry(client, session) > 0);
  }
  settle();
  return service.following;
};
globalThis.visits = (count) => {
  for (let i = 0; i < count; i++) {
    come();
    read(1, i % 2 === 1);
    if (i % 2 === 0) go();
  }
  return hive.exports.counters.gone;
};
`;

describe("RemoteService: memory", function () {
  this.timeout(60_000);

  it("keeps nothing of requests that were answered, nor of exporters that are gone, and leaves no cycles", async () => {
    const vm = await CountedHeap.load(ENTRY);
    // Until the log's ring is as large as it becomes.
    vm.run("visits(600)");
    expect(vm.leftBy("visits(2)"), "bytes of an exporter").to.be.within(-16, 16);
    vm.run("come()");
    expect(vm.leftBy("read(5)"), "bytes of requests").to.be.within(-16, 16);
  });

  it("takes less than 128 KiB for one that is idle, and the session that serves it", async () => {
    const vm = await QuickJs.load(ENTRY);
    vm.run("visits(20)");
    const before = vm.heapUsed;
    vm.run("come(); read(10)");
    console.log(
      `      ${Math.ceil((vm.heapUsed - before) / 1024)} KiB for one that is idle, and the session that serves it`,
    );
    expect(vm.heapUsed - before).to.be.below(131_072);
    expect(vm.run("read(1)")).to.equal(10 + 10 + 1);
  });

  it("takes no more than is said for each read that waits", async () => {
    const vm = await QuickJs.load(ENTRY);
    vm.run("come(128); followers(6)");
    const before = vm.heapUsed;
    expect(vm.run("follow()")).to.equal(96);
    const each = Math.ceil((vm.heapUsed - before) / 96);
    console.log(`      ${each} bytes for each read that waits`);
    expect(each).to.be.within(1024 / 6, 1024);
  });
});
