/**
 * The hive with its layers charged for their time. `caps` on its console says on the debug console what each took since the last
 * time it was asked, and answers as ever.
 */
import { turn as serve } from "../../../services/main.ts";
import { Supervisor } from "../../../services/components/supervisor.ts";
import { FramePort } from "../../../services/workers/frame-port.ts";
import { DoorClient } from "../../../services/console/door/client.ts";
import { FileClient } from "../../../services/console/file-client.ts";
import { VirtioNet } from "../../../services/drivers/virtio/net.ts";
import { Hive } from "../../../services/hive/hive.ts";
import { Interface } from "../../../services/net/interface.ts";
import { Output } from "../../../services/net/output.ts";
import { TcpSocket } from "../../../services/net/tcp/socket.ts";
import { TcpListener } from "../../../services/net/tcp/listener.ts";
import { Tcp } from "../../../services/net/tcp/tcp.ts";
import { Pump } from "../../../services/pump/pump.ts";
import { RemoteService } from "../../../services/ninedoor/remote/service.ts";
import { Operations } from "../../../services/secure9p/operations.ts";
import { Session } from "../../../services/secure9p/session.ts";
import { ViewNode } from "../../../services/ninedoor/view-node.ts";
import { before, type Layer, Layers } from "./layers.ts";

const layers = new Layers(() => host.nowUs());

layers.charge(VirtioNet.prototype, "virtio", ["service", "receive", "release", "reserve", "commit", "flush"]);
layers.charge(Interface.prototype, "ip", ["poll"]);
layers.charge(Output.prototype, "ip", ["begin", "send", "reply"]);
layers.charge(Tcp.prototype, "tcp", ["receive", "service", "busy", "nextUs"]);
layers.charge(TcpListener.prototype, "tcp", ["accept"]);
layers.charge(TcpSocket.prototype, "tcp", ["skip", "write", "shutdown", "close", "abort"]);
layers.charge(DoorClient.prototype, "console", ["serve", "transmit", "expire"]);
layers.charge(Hive.prototype, "hive", ["authenticate", "attach"]);
layers.charge(FileClient.prototype, "9p", ["pump", "clunk", "close"]);
layers.charge(FileClient.prototype, "9p", ["open", "read", "readdir", "write", "getattr"], "console");
layers.charge(Session.prototype, "9p", ["serveLocally", "ask", "clunk", "receive", "close"]);
layers.charge(Operations.prototype, "9p", [
  "put",
  "entry",
  "wrote",
  "attributes",
  "done",
  "found",
  "opened",
  "refused",
]);
layers.charge(RemoteService.prototype, "9p", ["receive", "submit", "forget", "clunk"]);
layers.charge(ViewNode.prototype, "ninedoor", ["walk", "open", "getattr"]);
layers.charge(Supervisor.prototype, "workers", ["serve", "ready"]);
layers.charge(FramePort.prototype, "workers", ["flush"]);

/** Files have classes of their own that nobody else knows; each is charged once the first of it is opened. */
const files = new Set<object>();
before(Operations.prototype, "opened", (_slot, file) => {
  const kind = Object.getPrototypeOf(file) as object;
  if (!files.has(kind)) layers.charge(kind, "ninedoor", ["read", "write", "readdir", "close"]);
  files.add(kind);
});

/** What looks whether there is something to do belongs to who would do it. */
const SOURCES: Readonly<Record<string, Layer>> = {
  interface: "ip",
  door: "console",
  tcp: "tcp",
  components: "workers",
};
before(Pump.prototype, "attach", (_stage, name, source) => {
  const layer = SOURCES[name as string];
  if (layer !== undefined) layers.charge(source as object, layer, ["serve", "ready"]);
});

const frames = { in: 0, out: 0 };
before(VirtioNet.prototype, "release", () => frames.in++);
before(VirtioNet.prototype, "commit", () => frames.out++);

const engine = host as { caps: typeof host.caps };
const { caps } = engine;
engine.caps = () => {
  for (const line of layers.report()) host.log(`${line}\n`);
  host.log(`profiled ${frames.in} ${frames.out}\n`);
  frames.in = 0;
  frames.out = 0;
  return caps();
};

export const turn = layers.wrap((raised, nowUs) => serve(raised as number, nowUs as number), "pump");
