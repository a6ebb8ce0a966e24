/** The reports of the bundle that ships, as an operator asks for them. */
import { expect } from "chai";
import type { VmBundle } from "../../../scripts/lib/vm-bundle.ts";
import {
  arpPacket,
  BROADCAST_MAC,
  ethernet,
  icmpMessage,
  internetSum,
  ipv4Frame,
  OWN_IP,
  OWN_MAC,
  PEER_IP,
  PEER_MAC,
  u16,
} from "../net/fixture.ts";
import { u32 } from "../net/tcp/fixture.ts";
import { bundle, credentials, Hive, type HiveSetup, manifestWith } from "./hive.ts";

const PORT = 31337;
const PEER_PORT = 40_000;
const SYN = 2;
const ACK = 16;

/** Numbers left out, for they move on between two looks. */
const shape = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/\d+/g, "n"));

function segment(flags: number, sequence: number, acknowledgement: number, data: number[] = []): number[] {
  const bare = [
    ...u16(PEER_PORT),
    ...u16(PORT),
    ...u32(sequence),
    ...u32(acknowledgement),
    0x50,
    flags,
    32,
    0,
    0,
    0,
    0,
    0,
    ...data,
  ];
  const sum = ~internetSum([...PEER_IP, ...OWN_IP, 0, 6, ...u16(bare.length), ...bare]) & 0xffff;
  bare.splice(16, 2, ...u16(sum));
  return ipv4Frame(bare, { protocol: 6 });
}

describe("reports of a hive", function () {
  this.timeout(60_000);
  let built: VmBundle;
  before(async () => (built = await bundle()));

  async function booted(setup?: HiveSetup): Promise<Hive> {
    const hive = new Hive(built, setup);
    await hive.boot();
    return hive;
  }

  async function operator(setup?: HiveSetup): Promise<Hive> {
    const hive = await booted(setup);
    await hive.ask(`attach queen ${credentials.token}`);
    return hive;
  }

  /** Lines of a verb's answer, without its acknowledgement and `END`. */
  const lines = async (hive: Hive, command: string): Promise<string[]> => {
    const [, answer, ...rest] = await hive.ask(command);
    expect(answer, command).to.match(/^OK /);
    expect(rest.pop(), command).to.equal("END");
    return rest;
  };

  it("stand below /proc, those on the network below /proc/net", async () => {
    const hive = await operator();
    expect(await lines(hive, "ls /proc")).to.have.members([
      "boot",
      "version",
      "time",
      "pump",
      "mem",
      "console",
      "rng",
      "net",
      "9p",
    ]);
    const files = ["interface", "arp", "ipv4", "icmp", "udp", "tcp", "console"];
    expect(await lines(hive, "ls /proc/net")).to.deep.equal(files);
    for (const file of files) expect(await lines(hive, `cat /proc/net/${file}`), file).to.not.deep.equal([]);
  });

  it("say the same to a verb and in their files", async () => {
    const hive = await operator();
    const files = ["interface", "arp", "ipv4", "icmp", "udp", "tcp"];
    const network = [];
    for (const file of files) network.push(...(await lines(hive, `cat /proc/net/${file}`)));
    expect(shape(await lines(hive, "netstats"))).to.deep.equal(shape(network));
    const memory = await lines(hive, "mem");
    expect(shape(await lines(hive, "cat /proc/mem")).slice(0, memory.length)).to.deep.equal(shape(memory));
    const [first] = await lines(hive, "cat /proc/console");
    expect(shape(await lines(hive, "ps"))).to.include(shape([first!])[0]);
  });

  it("have no line that a console would have to break", async () => {
    const hive = await operator();
    for (const command of ["mem", "netstats", "ps", "bi", "caps", "cat /proc/console", "cat /proc/rng"]) {
      for (const line of await lines(hive, command)) expect(line.length, line).to.be.below(512);
    }
  });

  it("count bytes and descriptors of the console's line", async () => {
    const hive = await operator({ console: {} });
    const [summary, line, rx, tx, ...rest] = await lines(hive, "cat /proc/console");
    expect(summary).to.match(/^console lines=2 refused=0 /);
    expect(line).to.match(
      /^line virtio-console received=\d\d+ sent=\d\d\d+ overruns=0 .* device_errors=0 resets=0 lost=0$/,
    );
    expect(rx).to.match(/^queue virtio-console\.rx size=64 free=0 driver=0 device=64 /);
    expect(tx).to.match(/^queue virtio-console\.tx size=16 free=\d+ driver=0 device=\d+ peak=[1-9]/);
    // The serial line shows the log beside it.
    expect(shape(rest)).to.deep.equal([
      "console lines=n refused=n cancelled=n err=n timed_out=n log_lost=n cut=n ignored=n",
      "line console received=n sent=n overruns=n errors=n refused=n",
    ]);
  });

  it("show who has the descriptors of entropy and network, and that none is lost", async () => {
    const hive = await operator();
    const [rng, queue] = await lines(hive, "cat /proc/rng");
    expect(rng).to.match(/^rng received=[1-9]\d* given=\d+ refused=0 device_errors=0 resets=0$/);
    expect(queue).to.match(/^queue rng size=1 free=[01] driver=0 device=[01] /);
    hive.machine.net?.inject(Uint8Array.from(ipv4Frame(icmpMessage(8, 0, [0, 1, 0, 1]))));
    await hive.quiet();
    const network = await lines(hive, "cat /proc/net/interface");
    expect(network.filter((line) => line.startsWith("queue "))).to.deep.equal([
      "queue net.rx size=128 free=0 driver=0 device=128 peak=128 bad_index=0 bad_id=0 bad_twice=0 bad_length=0",
      "queue net.tx size=128 free=127 driver=0 device=1 peak=1 bad_index=0 bad_id=0 bad_twice=0 bad_length=0",
    ]);
    expect(network).to.include(
      "device rx_frames=1 rx_bytes=42 tx_frames=1 tx_bytes=42 device_errors=0 resets=0 tx_full=0",
    );
  });

  for (const control of ["rate", "newreno"] as const) {
    it(`show that TCP sends as the manifest's ${control} has it`, async () => {
      const hive = await operator({ manifest: manifestWith({ network: { congestion_control: control } }) });
      const { net } = hive.machine;
      const answers: Uint8Array[] = [];
      const here = Uint8Array.from(
        ethernet(OWN_MAC, PEER_MAC, 0x0806, arpPacket(2, PEER_MAC, PEER_IP, OWN_MAC, OWN_IP)),
      );
      net!.wire = {
        frame: (bytes) => {
          if (bytes[13] === 6) net!.inject(here);
          else answers.push(bytes.slice());
        },
      };
      const pacing = async (): Promise<string | undefined> =>
        / pacing=(\S+) /.exec((await lines(hive, "cat /proc/net/tcp")).at(-1)!)?.[1];
      const send = async (...rest: Parameters<typeof segment>): Promise<Buffer> => {
        net!.inject(Uint8Array.from(segment(...rest)));
        await hive.machine.runFor(100_000);
        return Buffer.from(answers.at(-1)!);
      };
      const first = ((await send(SYN, 1000, 0)).readUInt32BE(38) + 1) | 0;
      const ping = [8, 0, 0, 0, ...Buffer.from("PING")];
      const answer = await send(ACK, 1001, first, ping);
      expect(await pacing()).to.equal("Infinity");
      // It is refused, and our goodbye is with it.
      await send(ACK, 1001 + ping.length, (first + answer.readUInt16BE(16) - 39) | 0);
      expect(await pacing()).to.match(control === "rate" ? /^[1-9]\d*$/ : /^Infinity$/);
    });
  }

  it("show a connection that comes in, and what it takes of the pools", async () => {
    const hive = await operator();
    const { net } = hive.machine;
    const answers: Uint8Array[] = [];
    net!.wire = { frame: (bytes) => void answers.push(bytes.slice()) };
    const question = arpPacket(1, PEER_MAC, PEER_IP, [0, 0, 0, 0, 0, 0], OWN_IP);
    net!.inject(Uint8Array.from(ethernet(BROADCAST_MAC, PEER_MAC, 0x0806, question)));
    net!.inject(Uint8Array.from(segment(SYN, 1000, 0)));
    await hive.machine.runFor(100_000);
    const half = (await lines(hive, "mem")).find((line) => line.includes("tcp.half_open"));
    expect(half).to.match(/ used=1 of=64 peak=1 cookies=0$/);
    const synAck = Buffer.from(answers.at(-1)!);
    net!.inject(Uint8Array.from(segment(ACK, 1001, (synAck.readUInt32BE(38) + 1) | 0)));
    await hive.machine.runFor(100_000);
    const shown = await lines(hive, "cat /proc/net/tcp");
    expect(shown[0]).to.equal("tcp sockets=1 half_open=0 time_wait=0");
    expect(shown.at(-1)).to.match(
      /^connection 0 10\.0\.2\.15:31337 10\.0\.2\.77:40000 established una=1 nxt=1 wnd=8192 rcv_nxt=1 rcv_wnd=16384 cwnd=\d+ ssthresh=\S+ pacing=\S+ mss=536 /,
    );
    const memory = (await lines(hive, "mem")).join("\n");
    expect(memory).to.match(/^pool tcp\.sockets bytes=\d+ used=1 of=40 peak=1 reclaimed=0$/m);
    expect(memory).to.match(/^pool door\.strangers bytes=\d+ used=1 of=8 peak=1 pushed_out=0$/m);
    expect(memory).to.match(/^pool net\.neighbours bytes=\d+ used=1 of=32 peak=1 evicted=0$/m);
    expect((await lines(hive, "cat /proc/net/arp")).join("\n")).to.match(
      /^neighbour 10\.0\.2\.77 02:aa:bb:cc:dd:ee offered/m,
    );
  });
});
