import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { expect } from "chai";
import { DriverFault } from "../../../../engine/sim/devices/virtio/queue.ts";
import { Gateway } from "../../../../engine/sim/gateway/gateway.ts";
import { gatewayNetwork } from "../../../../engine/sim/gateway/network.ts";
import type { TcpSocket } from "../../../../services/net/tcp/socket.ts";
import { Dice } from "../../../services/net/netsim/network.ts";
import { GatewayRig, Heard } from "./rig.ts";

const SECOND = 1_000_000;
const HOUR = 3600 * SECOND;
const SEED = 0x6a7e;
/** What may be on its way between a writer and a reader who does not read: stacks of 16 KiB, Node's buffers of up to 64. */
const BETWEEN = 4 * 16_384 + 2 * 65_536;

function noise(length: number, seed: number): Buffer {
  const dice = new Dice(seed);
  return Buffer.from(Array.from({ length }, () => dice.below(256)));
}

/** Everything that can be read from the guest's end now. */
function read(socket: TcpSocket): Buffer {
  const into = Buffer.alloc(socket.readable);
  socket.read(into, 0, into.length);
  return into;
}

describe(`the simulator's gateway (seed ${SEED})`, () => {
  let rig: GatewayRig;
  afterEach(() => rig.end());

  it("carries bytes both ways at once, all of them and in order", async () => {
    rig = new GatewayRig();
    const host = await rig.host();
    const heard = new Heard(host);
    const guest = await rig.accepted();
    const there = noise(200_000, SEED);
    const back = noise(150_000, SEED + 1);
    host.write(there);
    const got: Buffer[] = [];
    let sent = 0;
    await rig.until(() => {
      sent += guest.write(back, sent, back.length - sent);
      if (guest.readable > 0) got.push(read(guest));
      return heard.length === back.length && got.reduce((sum, { length }) => sum + length, 0) === there.length;
    });
    expect(Buffer.concat(got).equals(there)).to.equal(true);
    expect(Buffer.concat(heard.bytes).equals(back)).to.equal(true);
    expect(rig.guest?.tcp.counters.recovery.timeouts).to.equal(0);
    expect(rig.gateway.port.overruns).to.equal(0);
  });

  it("shows the guest its own address and a port for each connection", async () => {
    rig = new GatewayRig();
    const hosts = [await rig.host(), await rig.host()];
    const guests = [await rig.accepted(), await rig.accepted()];
    expect(guests.map(({ remoteAddress }) => remoteAddress)).to.deep.equal([0x0a000202, 0x0a000202]);
    expect(new Set(guests.map(({ remotePort }) => remotePort)).size).to.equal(2);
    for (const [i, host] of hosts.entries()) host.write(String(i));
    await rig.until(() => guests.every(({ readable }) => readable === 1));
    expect(guests.map((guest) => read(guest).toString()).sort()).to.deep.equal(["0", "1"]);
  });

  it("passes the end of the host's stream on behind its last byte, and the answer back", async () => {
    rig = new GatewayRig();
    const host = await rig.host();
    const heard = new Heard(host);
    const guest = await rig.accepted();
    host.end("question");
    await rig.until(() => guest.readable === 8);
    expect(guest.ended).to.equal(false);
    expect(read(guest).toString()).to.equal("question");
    await rig.until(() => guest.ended);
    guest.write(Buffer.from("answer"), 0, 6);
    await rig.until(() => heard.length === 6);
    expect(heard.ended).to.equal(false);
    guest.close();
    await rig.until(() => heard.closed && rig.gateway.connections === 0);
    expect(heard).to.include({ ended: true, error: undefined });
    expect(rig.gateway.counters).to.include({ closed: 1, host: 0, guest: 0 });
    expect(rig.guest?.tcp.counters.sockets).to.include({ reset: 0, aborted: 0 });
  });

  it("passes the end of the guest's stream on, and what the host still says", async () => {
    rig = new GatewayRig();
    const host = await rig.host();
    const heard = new Heard(host);
    const guest = await rig.accepted();
    guest.write(Buffer.from("bye"), 0, 3);
    guest.shutdown();
    await rig.until(() => heard.ended);
    expect(Buffer.concat(heard.bytes).toString()).to.equal("bye");
    host.write("more");
    await rig.until(() => guest.readable === 4);
    host.end();
    read(guest);
    await rig.until(() => guest.ended && heard.closed && rig.gateway.connections === 0);
    guest.close();
    expect(rig.gateway.counters).to.include({ closed: 1, host: 0, guest: 0 });
  });

  it("resets the guest's connection when the host's is reset", async () => {
    rig = new GatewayRig();
    const host = await rig.host();
    const guest = await rig.accepted();
    host.write("x");
    await rig.until(() => guest.readable === 1);
    host.resetAndDestroy();
    await rig.until(() => !guest.connected);
    expect(guest.error).to.equal("reset");
    expect(rig.gateway.counters).to.include({ closed: 0, host: 1 });
    expect(rig.gateway.stack.tcp.sockets).to.equal(0);
  });

  it("resets the host's connection when the guest's is reset, also after the guest had said its last", async () => {
    rig = new GatewayRig();
    for (const shut of [false, true]) {
      const host = await rig.host();
      const heard = new Heard(host);
      const guest = await rig.accepted();
      if (shut) {
        guest.shutdown();
        await rig.until(() => heard.ended);
      }
      guest.abort();
      await rig.until(() => rig.gateway.connections === 0);
      // Who has read the end hears of a reset when he writes.
      if (shut) host.write("x");
      await rig.until(() => heard.closed);
      expect(heard.error).to.be.oneOf(["ECONNRESET", "EPIPE"]);
    }
    expect(rig.gateway.counters).to.include({ closed: 0, guest: 2 });
    expect(rig.gateway.stack.tcp.sockets).to.equal(0);
  });

  it("ends a connection that the guest refuses", async () => {
    rig = new GatewayRig({ listening: false });
    const heard = new Heard(await rig.host());
    await rig.until(() => heard.closed);
    expect(heard.error).to.equal("ECONNRESET");
    expect(rig.gateway.counters).to.include({ refused: 1, guest: 0 });
  });

  it("waits for a guest that is not there yet, and gives up after half a minute", async () => {
    rig = new GatewayRig({ driven: false });
    const heard = new Heard(await rig.host());
    await rig.settled();
    rig.pass(29 * SECOND);
    await rig.settled();
    expect(heard.closed).to.equal(false);
    rig.pass(2 * SECOND);
    await rig.until(() => heard.closed);
    expect(rig.gateway.counters).to.include({ refused: 1 });
  });

  it("takes no more from the host than the guest reads", async () => {
    rig = new GatewayRig();
    const host = await rig.host();
    const guest = await rig.accepted();
    const bytes = noise(1 << 20, SEED + 2);
    host.write(bytes);
    await rig.settled();
    rig.pass(10 * SECOND);
    await rig.settled();
    const taken = rig.gateway.port.counters.txBytes;
    expect(taken).to.be.within(16_384, BETWEEN);
    rig.pass(60 * SECOND);
    await rig.settled();
    // Questions whether there is room yet.
    expect(rig.gateway.port.counters.txBytes - taken).to.be.below(2000);
    const got: Buffer[] = [];
    let length = 0;
    host.end();
    await rig.until(() => {
      const some = read(guest);
      length += some.length;
      got.push(some);
      return guest.ended;
    });
    expect(length).to.equal(bytes.length);
    expect(Buffer.concat(got).equals(bytes)).to.equal(true);
  });

  it("takes no more from the guest than the host reads", async () => {
    rig = new GatewayRig();
    const taken: Buffer[] = [];
    let goOn: (() => void) | undefined;
    // A socket that takes one piece and then nothing, until it is let.
    const slow = new Duplex({
      highWaterMark: 16_384,
      read: () => undefined,
      write: (bytes: Buffer, _encoding, done) => {
        taken.push(bytes);
        goOn = done;
      },
    });
    const host = Object.assign(slow, { setNoDelay: () => slow, resetAndDestroy: () => slow.destroy() });
    rig.gateway.accept(host as unknown as Socket);
    const guest = await rig.accepted();
    const bytes = noise(1 << 20, SEED + 3);
    let sent = 0;
    const write = (): number => (sent += guest.write(bytes, sent, bytes.length - sent));
    for (let i = 0; i < 100; i++) {
      write();
      await rig.settled();
      rig.pass(SECOND);
    }
    expect(sent).to.be.within(16_384, BETWEEN);
    expect(taken).to.have.length(1);
    await rig.until(() => {
      write();
      goOn?.();
      return taken.reduce((sum, { length }) => sum + length, 0) === bytes.length;
    });
    expect(Buffer.concat(taken).equals(bytes)).to.equal(true);
  });

  it("turns away whom it has no room for, and takes the next once there is", async () => {
    rig = new GatewayRig({ connections: 2 });
    const first = await rig.host();
    await rig.host();
    const guests = [await rig.accepted(), await rig.accepted()];
    const heard = new Heard(await rig.host());
    await rig.until(() => heard.closed);
    expect(heard.error).to.equal("ECONNRESET");
    expect(rig.gateway.counters).to.include({ accepted: 3, full: 1 });
    expect(rig.gateway.connections).to.equal(2);
    first.resetAndDestroy();
    await rig.until(() => rig.gateway.connections === 1);
    const again = await rig.host();
    again.write("in");
    const guest = await rig.accepted();
    await rig.until(() => guest.readable === 2);
    expect(rig.gateway.counters).to.include({ accepted: 4, full: 1, host: 1 });
    guests.forEach((socket) => socket.close());
  });

  it("loses nothing when the link is down for a while", async () => {
    rig = new GatewayRig();
    const host = await rig.host();
    const heard = new Heard(host);
    const guest = await rig.accepted();
    rig.device.setLink(false);
    host.write("there");
    guest.write(Buffer.from("back"), 0, 4);
    await rig.settled();
    rig.pass(3 * SECOND);
    expect([heard.length, guest.readable]).to.deep.equal([0, 0]);
    expect(rig.device.counters.rxDropped).to.be.greaterThan(0);
    expect(rig.device.counters.txDropped).to.be.greaterThan(0);
    rig.device.setLink(true);
    rig.pass(10 * SECOND);
    await rig.until(() => heard.length === 4 && guest.readable === 5);
    expect(read(guest).toString()).to.equal("there");
  });

  it("loses nothing when the device breaks and its driver sets it up anew", async () => {
    rig = new GatewayRig();
    const host = await rig.host();
    const guest = await rig.accepted();
    const bytes = noise(100_000, SEED + 4);
    host.write(bytes);
    await rig.until(() => guest.readable > 4000);
    rig.board.slot.guard(() => {
      throw new DriverFault("a test asks for a reset");
    });
    const got: Buffer[] = [];
    await rig.until(() => {
      rig.pass(1000);
      if (guest.readable > 0) got.push(read(guest));
      return got.reduce((sum, { length }) => sum + length, 0) === bytes.length;
    });
    expect(Buffer.concat(got).equals(bytes)).to.equal(true);
    expect(rig.resets).to.equal(1);
  });

  it("gives the guest an address that asks for one, and renews it", async () => {
    rig = new GatewayRig({ mode: "dhcp" });
    rig.pass(10 * SECOND);
    expect(rig.addressed).to.deep.equal(["10.0.2.15/24 gateway 10.0.2.2, leased by 10.0.2.2"]);
    const host = await rig.host();
    host.write("x");
    const guest = await rig.accepted();
    await rig.until(() => guest.readable === 1);
    rig.pass(30 * HOUR);
    expect(rig.guest?.dhcp?.state).to.equal("bound");
    expect(rig.guest?.dhcp?.counters).to.include({ expired: 0, refused: 0, ignored: 0 });
    expect(rig.gateway.dhcp?.counters).to.include({ refused: 0, ignored: 0, unsent: 0 });
    expect(rig.gateway.dhcp?.counters.acknowledged).to.be.within(2, 4);
    expect(guest.connected).to.equal(true);
  });

  it("does nothing while nothing happens", async () => {
    rig = new GatewayRig();
    rig.pass(SECOND);
    const { served } = rig;
    rig.pass(HOUR);
    expect(rig.served).to.equal(served);
    await rig.host();
    const guest = await rig.accepted();
    rig.pass(SECOND);
    const connected = rig.served;
    rig.pass(HOUR);
    expect(guest.connected).to.equal(true);
    // Both sides ask each other now and then whether they are there.
    expect(rig.served - connected).to.be.within(60, 600);
  });

  it("leaves nobody behind when it is closed, and its end of the cable to the next", async () => {
    rig = new GatewayRig();
    const host = await rig.host();
    const heard = new Heard(host);
    const guest = await rig.accepted();
    rig.gateway.close();
    await rig.until(() => heard.closed && !guest.connected);
    expect(heard.error).to.equal("ECONNRESET");
    expect(guest.error).to.equal("reset");
    expect(rig.gateway.connections).to.equal(0);
    expect(rig.device.wire).to.equal(undefined);
    const late = new Heard(await rig.host());
    await rig.until(() => late.closed);
    expect(rig.gateway.counters).to.include({ accepted: 2, full: 1, host: 1 });
  });

  it("refuses a machine without a network device, and one whose cable is taken", () => {
    rig = new GatewayRig();
    const network = gatewayNetwork({
      mode: "static",
      address: "10.0.2.15",
      prefix: 24,
      gateway: "10.0.2.2",
      consolePort: 1,
    });
    const clock = { virtual: true, nowUs: () => 0, advanceTo: () => undefined };
    const machine = { clock, attach: () => ({ deadline: 0, fire: () => undefined }), kick: () => undefined };
    expect(() => new Gateway({ ...machine, net: undefined }, network)).to.throw("the machine has no network device");
    expect(() => new Gateway({ ...machine, net: rig.device }, network)).to.throw("somebody at its other end");
  });
});

describe("the network of a manifest", () => {
  const configured = { address: "192.168.7.9", prefix: 24, gateway: "192.168.7.1", consolePort: 4000 } as const;

  it("is the manifest's, or QEMU's user network for a guest that asks for its address", () => {
    expect(gatewayNetwork({ mode: "static", ...configured })).to.deep.equal({
      ipv4: { address: "192.168.7.1", prefix: 24 },
      guest: 0xc0a80709 | 0,
      dhcp: false,
      consolePort: 4000,
    });
    expect(gatewayNetwork({ mode: "dhcp", ...configured })).to.deep.equal({
      ipv4: { address: "10.0.2.2", prefix: 24 },
      guest: 0x0a00020f,
      dhcp: true,
      consolePort: 4000,
    });
  });

  it("is refused where there is none, and where the gateway is on another", () => {
    expect(() => gatewayNetwork({ mode: "none", ...configured })).to.throw("the hive's network is off by manifest");
    expect(() => gatewayNetwork({ mode: "static", ...configured, gateway: "192.168.8.1" })).to.throw(
      "ipv4.gateway: 192.168.8.1 is no other machine in 192.168.7.9/24",
    );
    expect(() => gatewayNetwork({ mode: "static", ...configured, gateway: "192.168.7.9" })).to.throw("ipv4.gateway");
  });
});
