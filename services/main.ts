/**
 * The hive's composition root: reads what the image is configured to be, brings the subsystems up one a turn, and exports `turn`.
 * It alone knows drivers and core. A subsystem that does not come up is named in the log and missing from then on;
 * only a damaged image stops the machine, with a sentence that says which file.
 */
import { HostComponents } from "./drivers/components.ts";
import { Pl011 } from "./drivers/pl011.ts";
import { Pl031 } from "./drivers/pl031.ts";
import { VirtioConsole } from "./drivers/virtio/console.ts";
import { DEVICE_IDS, probeVirtio, type VirtioMmio } from "./drivers/virtio/mmio.ts";
import { VirtioNet } from "./drivers/virtio/net.ts";
import { VirtioRng } from "./drivers/virtio/rng.ts";
import { LAYOUT } from "./components/layout.ts";
import { PongProtocol } from "./components/pong.ts";
import { Supervisor } from "./components/supervisor.ts";
import { type BuildInfo, readBuildInfo } from "./config/build-info.ts";
import { type Manifest, readManifest } from "./config/manifest.ts";
import { RootConsole } from "./console/root-console.ts";
import { DoorServer } from "./console/door/server.ts";
import { rootVerbs } from "./console/verbs.ts";
import { Hive } from "./hive/hive.ts";
import { HIVE_LIMITS } from "./hive/limits.ts";
import { BootLog } from "./log/boot-log.ts";
import { drainLog } from "./log/log-drain.ts";
import { formatMac } from "./net/address.ts";
import { NetSources } from "./net/sources.ts";
import { NetStack } from "./net/stack.ts";
import type { Bytes, Pool, Random, SerialPort, WallClock } from "./ports/index.ts";
import type { Facts } from "./proc/facts.ts";
import { addReport, addReports } from "./proc/files.ts";
import { linkLines, networkReports, type Reports } from "./proc/network.ts";
import { row } from "./proc/rows.ts";
import { Interrupts } from "./pump/interrupts.ts";
import { DONE } from "./pump/jobs.ts";
import { isOutOfMemory } from "./pump/out-of-memory.ts";
import { Pump } from "./pump/pump.ts";
import { readCredentials } from "./roles/credentials.ts";
import * as schemas from "./queen/validators.js";
import { WORKER_RULES } from "./workers/rules.ts";

/** `raised` bit of component events. */
const COMPONENT = 2;
const PROMPT = "cohesix> ";
const DOOR_SHUT = "the network door stays shut";
/** Each worker and each login may wait for several things at once. */
const TIMERS = 512;
/** Connections beside those of sessions: not authenticated yet, waiting to be accepted, saying goodbye. */
const SPARE_SOCKETS = 24;
const PONG_PRIORITY = 100;
const PONG_ARENA_BYTES = 65536;
const PONG_SETTLE_US = 5_000_000;
/** How long virtio-rng may take for its first bytes before the log says so. */
const RNG_PATIENCE_US = 1_000_000;

/** A line that says what it holds. */
interface ReportedSerial extends SerialPort {
  pools(): readonly Pool[];
  queues(): readonly string[];
}

/* Host functions look at no `this`, and a call around each would cost as much as what most of them do. */
/* eslint-disable @typescript-eslint/unbound-method */
const bytes: Bytes = {
  copy: host.copy,
  checksum: host.checksum,
  encode: host.utf8Encode,
  decode: host.utf8Decode,
  validate: host.utf8Validate,
  plain: host.plainRun,
};
/* eslint-enable @typescript-eslint/unbound-method */

/** A file of the image as text. Without it the image is damaged, and the machine stops. */
function imageFile<T>(name: string, read: (text: string) => T): T {
  const file = host.rootfsRead(name);
  if (file === null) return host.halt(`image: ${name} is missing`);
  try {
    return read(host.utf8Decode(new Uint8Array(file), 0, file.byteLength));
  } catch (error) {
    if (isOutOfMemory(error)) throw error;
    return host.halt(`image: ${error instanceof Error ? error.message : host.describe(error)}`);
  }
}

const build: BuildInfo = imageFile("build.json", readBuildInfo);
const manifest: Manifest = imageFile("manifest.json", readManifest);
const credentials = imageFile("credentials.json", readCredentials);
const log = new BootLog({ clock: host, bytes, ringBytes: manifest.logRingBytes, lineBytes: manifest.lineBytes });
const pump = new Pump({
  clock: host,
  log,
  heap: { usedBytes: () => host.memory().heapUsed, collect: () => host.gc() },
  describe: (error) => host.describe(error),
  wanted: () => hive?.scheduler.running !== undefined,
  tickUs: manifest.pumpTickUs,
  timers: TIMERS,
});
const interrupts = new Interrupts(pump);
const components = new HostComponents(host);
const supervisor = new Supervisor({
  components,
  log,
  clock: host,
  timers: pump.timers,
  layout: LAYOUT,
  policy: manifest.components.onFault,
});
/** What each driver serves, for `bi`. */
const devices: string[] = [];
/** What is bounded, of each part that came up, and the reports on consoles, the one with the prompt first. */
const pools: (() => readonly Pool[])[] = [];
const consoles: (() => readonly string[])[] = [];
/** Clock and entropy as the hive sees them, before and after their drivers came up. */
let rtc: Pl031 | undefined;
let rng: VirtioRng | undefined;
const wallClock: WallClock = { unixSeconds: () => rtc?.unixSeconds() };
const random: Random = {
  get ready() {
    return rng?.ready ?? false;
  },
  fill: (into) => rng?.fill(into) ?? false,
};
let network: Reports | undefined;
let linkReport: (() => readonly string[]) | undefined;
let hive: Hive | undefined;
let doorReport: (() => readonly string[]) | undefined;
/** The line that shows a prompt; one that is not opened shows the log alone. */
let console: RootConsole | undefined;

const facts: Facts = {
  machine: host,
  build,
  pump,
  log,
  supervisor,
  devices: () => devices,
  console: () => consoles.flatMap((lines) => lines()),
  link: () => linkReport?.() ?? [],
  network: () => network,
  pools: () => pools.flatMap((made) => made()),
};

function banner(): void {
  const boot = host.bootInfo();
  log.print(`Cohesix ${build.version} (${build.revision}) on ${boot.kernel}, ${boot.platform}`);
  log.print(`image ${build.imageHash}, QuickJS ${build.quickjs}`);
  if (boot.restarts > 0) log.line("boot", `the runtime was rebuilt, restart ${boot.restarts} since power-on`);
}

function serial(): void {
  const node = host.devices().find((device) => device.compatible === "arm,pl011");
  if (node === undefined) throw new Error("no PL011 in the device tree");
  const port = new Pl011(host, node);
  interrupts.attach("serial-rx", "pl011", port.bit, () => port.service());
  devices.push(`serial ${node.name} irq ${node.irq}`);
  console = consoleOn(port, "console", manifest.serialConsole);
}

/** Put a console on a line. */
function consoleOn(port: ReportedSerial, name: string, interactive: boolean): RootConsole {
  const made = new RootConsole({
    port,
    bytes,
    clock: host,
    timers: pump.timers,
    log,
    hive: () => hive,
    verbs: rootVerbs(facts),
    lineBytes: manifest.lineBytes,
    patienceUs: manifest.limits.providerUs,
    prompt: PROMPT,
    interactive,
    failed: (verb, error) => pump.report(`verb ${verb} failed`, error),
  });
  pump.attach("serial-rx", name, made.receive);
  pump.attach("dispatch", name, made.dispatch);
  pump.attach("serial-tx", name, made.transmit);
  pools.push(() => [...port.pools(), ...made.pools(name)]);
  consoles.unshift(() => [made.summary(), row(`line ${name}`, port.counters), ...port.queues()]);
  return made;
}

/** Where the machine has a virtio console, that is the console; the serial line goes on to show the log. */
function virtioConsole(transport: VirtioMmio): void {
  const { node } = transport;
  const port = new VirtioConsole(host, transport, (why) => log.line("virtio", `${node.name} was reset: ${why}`));
  interrupts.attach("serial-rx", "virtio-console", port.bit, () => port.service());
  devices.push(`console ${node.name} irq ${node.irq}`);
  console = consoleOn(port, "virtio-console", true);
}

function realTimeClock(): void {
  const node = host.devices().find((device) => device.compatible === "arm,pl031");
  if (node === undefined) throw new Error("no PL031 in the device tree: no wall time");
  rtc = Pl031.probe(host, node);
  if (rtc === undefined) throw new Error(`${node.name} is no PL031: no wall time`);
  devices.push(`rtc ${node.name}`);
  log.line("rtc", `wall time ${new Date(rtc.unixSeconds() * 1000).toISOString()}`);
}

function entropy(transport: VirtioMmio | undefined): void {
  if (transport === undefined) {
    log.line("rng", `no virtio-rng device: no entropy, so ${DOOR_SHUT}`);
    return;
  }
  const { node } = transport;
  const device = new VirtioRng(host, transport);
  rng = device;
  interrupts.attach("jobs", "virtio-rng", device.bit, () => device.service());
  devices.push(`rng ${node.name} irq ${node.irq}`);
  pools.push(() => device.pools());
  pump.timers.schedule(host.nowUs() + RNG_PATIENCE_US, () => {
    if (!device.ready) log.line("rng", `${node.name} gave nothing within ${RNG_PATIENCE_US / 1e6} s: ${DOOR_SHUT}`);
  });
}

/** Whoever asks for the network shall find why there is none. */
function noNetwork(why: string): void {
  log.line("net", why);
  devices.push(`net none: ${why}`);
}

function ethernet(transport: VirtioMmio | undefined): void {
  const { mode, address, prefix, gateway, control } = manifest.network;
  if (mode === "none") return noNetwork("off by manifest");
  if (transport === undefined) return noNetwork("no virtio-net device");
  const { node } = transport;
  const audit = (text: string): void => [log, hive?.queenLog].forEach((kept) => kept?.line("net", text));
  const port = new VirtioNet(host, transport, {
    linkChanged: (up) => {
      audit(`link ${up ? "up" : "down"}`);
      if (up) stack.linkUp();
    },
    restarted: (why) => audit(`${node.name} was reset: ${why}`),
  });
  const ipv4 = mode === "static" ? { address, prefix, gateway } : undefined;
  const tcp = { sockets: manifest.limits.sessions + SPARE_SOCKETS, control };
  const stack = new NetStack({ port, clock: host, bytes, random, timers: pump.timers, ipv4, addressed: audit, tcp });
  const sources = new NetSources({ name: node.name, port, stack, timers: pump.timers, log });
  interrupts.attach("net-rx", "virtio-net", port.bit, () => {
    port.service();
    stack.raise();
  });
  pump.attach("net-rx", "interface", sources.receive);
  pump.initialise("door", () => door(stack));
  pump.attach("net-tx", "tcp", sources.transmit);
  devices.push(`net ${node.name} irq ${node.irq} mac ${formatMac(port.mac, 0)}`);
  log.line("net", `${stack.address}, link ${port.linkUp ? "up" : "down"}`);
  linkReport = () => linkLines(port, stack);
  network = networkReports(port, stack);
  pools.push(() => [...port.pools(), ...stack.pools()]);
}

/** The console over TCP, with sessions as the serial line has one. It is served before TCP sends. */
function door(stack: NetStack): void {
  const { limits, lineBytes, network: configured } = manifest;
  const server = new DoorServer({
    listener: stack.tcp.listen(configured.consolePort, limits.sessions),
    bytes,
    clock: host,
    timers: pump.timers,
    hive: () => hive,
    verbs: rootVerbs(facts),
    limits: { sessions: limits.sessions, lineBytes, unsentBytes: limits.unsentBytes },
    patienceUs: limits.providerUs,
    failed: (what, error) => pump.report(what, error),
  });
  pump.attach("net-rx", "door", server.receive);
  pump.attach("dispatch", "door", server.dispatch);
  pump.attach("net-tx", "door", server.transmit);
  doorReport = () => server.lines();
  pools.push(() => server.pools());
}

function virtio(): void {
  const { devices: found, refusals } = probeVirtio(host, host.devices());
  for (const refusal of refusals) log.line("virtio", refusal);
  const first = (id: number): VirtioMmio | undefined => found.find(({ deviceId }) => deviceId === id)?.transport;
  const line = manifest.virtioConsole ? first(DEVICE_IDS.console) : undefined;
  if (line !== undefined) pump.initialise("virtio-console", () => virtioConsole(line));
  pump.initialise("rng", () => entropy(first(DEVICE_IDS.rng)));
  if (COHESIX_NET) pump.initialise("net", () => ethernet(first(DEVICE_IDS.net)));
  else noNetwork("left out of this build");
}

/** The namespace, logins, the Queen's commands and the workers. */
function ninedoor(): void {
  const { limits, workers, budgetMaximum } = manifest;
  const { sessions, mounts, fids, tags, unsentBytes, providerUs } = limits;
  hive = new Hive({
    clock: host,
    spare: pump.spare,
    wallClock,
    random,
    bytes,
    timers: pump.timers,
    components,
    supervisor,
    bootLog: log,
    schemas,
    credentials,
    limits: {
      ...HIVE_LIMITS,
      sessions,
      mounts,
      fids,
      tags,
      unsentBytes,
      providerUs,
      namespace: {
        lineBytes: manifest.lineBytes,
        logBytes: manifest.queenLogBytes,
        workers: limits.workers,
        telemetryBytes: workers.telemetryBytes,
      },
    },
    workers: { ...WORKER_RULES, ...workers, maximum: budgetMaximum },
    failed: (error) => pump.report("a file's provider threw", error),
  });
  hive.namespace.addLog("boot.log", log.ring);
  pools.push(() => hive?.pools() ?? []);
  addReports(hive.namespace, facts);
  if (doorReport !== undefined) addReport(hive.namespace, "net/console", doorReport);
  const entropySource = rng;
  if (entropySource !== undefined) {
    addReport(hive.namespace, "rng", () => [row("rng", entropySource.counters), ...entropySource.queues()]);
  }
}

function firstComponents(): void {
  const { pong, pongMode, callsPerSecond } = manifest.components;
  if (!pong) {
    log.line("components", "none by manifest");
    return;
  }
  // PING 1 and PONG 1 come once per boot, however often the runtime is rebuilt.
  if (host.bootInfo().restarts > 0) {
    log.line("components", "pong had its turn in this boot");
    return;
  }
  supervisor.start("pong.elf", new PongProtocol(log), {
    priority: PONG_PRIORITY,
    arenaBytes: PONG_ARENA_BYTES,
    args: [pongMode, 0, 0, 0],
    callsPerSecond,
    settleUs: PONG_SETTLE_US,
  });
}

function tick(): void {
  const period = manifest.tickPeriodUs;
  if (period === 0) return;
  let count = 0;
  const beat = (dueUs: number): void => {
    log.line("pump", `tick ${++count}`);
    pump.timers.schedule(dueUs + period, () => beat(dueUs + period));
  };
  const first = host.nowUs() + period;
  pump.timers.schedule(first, () => beat(first));
}

pump.attach("ipc", "components", supervisor);

/** Bring-up, one entry a turn, so that what the serial line has to say leaves meanwhile. */
const boot: readonly (() => void)[] = [
  () => {
    banner();
    pump.initialise("serial", serial);
    // Without a serial line the log goes where the engine's own last words go.
    if (console !== undefined) return;
    const print = (line: string): void => host.log(`${line}\n`);
    pump.attach("dispatch", "log", drainLog(log, bytes, manifest.lineBytes, print));
  },
  () => pump.initialise("rtc", realTimeClock),
  () => pump.initialise("virtio", virtio),
  () => pump.initialise("ninedoor", ninedoor),
  () => pump.initialise("tick", tick),
  () => pump.initialise("console", () => console?.open()),
  () => pump.initialise("components", firstComponents),
];

pump.addJob({
  name: "boot",
  restarts: 0,
  start: () => {
    let at = 0;
    return (nowUs) => {
      boot[at++]?.();
      return at < boot.length ? nowUs : DONE;
    };
  },
});

/** One turn: what came up since the last is remembered for its stage, then the pump serves all of them. */
export function turn(raised: number, nowUs: number): number {
  interrupts.raise(raised);
  if (raised & COMPONENT) supervisor.raise();
  return pump.turn(nowUs, (raised & COMPONENT) !== 0);
}
