import { RuleTester } from "eslint";
import { parser } from "typescript-eslint";
import { layersRule } from "../../ci/layers.js";

RuleTester.describe = describe;
RuleTester.it = it;

const tester = new RuleTester({ languageOptions: { parser, sourceType: "module" } });
const refused = (reason: string): { errors: { message: string }[] } => ({ errors: [{ message: `${reason}.` }] });

tester.run("layers", layersRule, {
  valid: [
    { filename: "services/net/icmp.ts", code: 'import { checksum } from "./checksum.ts";' },
    { filename: "services/net/icmp.ts", code: 'import type { Clock } from "../ports/index.ts";' },
    { filename: "services/console/root.ts", code: 'import { Pump } from "../pump/pump.ts";' },
    { filename: "services/roles/ticket.ts", code: 'import { blake3 } from "@noble/hashes/blake3.js";' },
    { filename: "services/drivers/pl011.ts", code: 'import type { SerialPort } from "../ports/index.ts";' },
    { filename: "services/drivers/virtio/net.ts", code: 'import { Virtqueue } from "./virtqueue.ts";' },
    { filename: "services/drivers/pl031.ts", code: "export const time = (): number => host.nowUs();" },
    {
      filename: "services/main.ts",
      code: 'import { Pl011 } from "./drivers/pl011.ts"; import { Pump } from "./pump/pump.ts";',
    },
    {
      filename: "cohsh/main.ts",
      code: 'import { readFileSync } from "node:fs"; import { parse } from "../services/console/grammar.ts";',
    },
    { filename: "engine/sim/machine.ts", code: "setTimeout(() => process.exit(0), 1);" },
    {
      filename: "engine/sim/gateway/gateway.ts",
      code: 'import { createServer } from "node:net"; import { NetStack } from "../../../services/net/stack.ts";',
    },
    { filename: "test/services/net/icmp.test.ts", code: 'import { Pl011 } from "../../../services/drivers/pl011.ts";' },
    {
      filename: "services/worker-main.ts",
      code: 'import { Client } from "./secure9p/client.ts"; export const engine = sys.engine; new Client();',
    },
    // A local of the same name is nobody's global.
    { filename: "services/net/dhcp.ts", code: "const host = { name: 1 }; export const name = host.name;" },
    { filename: "services/net/icmp.ts", code: "export const sum = (console: number): number => console + 1;" },
  ],
  invalid: [
    {
      filename: "services/worker-main.ts",
      code: "export const now = (): number => host.nowUs();",
      ...refused("worker reaches the machine through ports, not through host"),
    },
    {
      filename: "services/worker-main.ts",
      code: "export const now = (): number => Date.now();",
      ...refused("worker takes time from a port alone"),
    },
    {
      filename: "services/worker-main.ts",
      code: 'import { Pl011 } from "./drivers/pl011.ts";',
      ...refused("worker may not import drivers (services/drivers/pl011.ts)"),
    },
    {
      filename: "services/workers/scheduler.ts",
      code: "export const engine = sys.engine;",
      ...refused("core is no worker and has no sys"),
    },
    {
      filename: "services/main.ts",
      code: "export const engine = sys.engine;",
      ...refused("composition is no worker and has no sys"),
    },
    {
      filename: "services/net/icmp.ts",
      code: 'import { Pl011 } from "../drivers/pl011.ts";',
      ...refused("core may not import drivers (services/drivers/pl011.ts)"),
    },
    {
      filename: "services/net/icmp.ts",
      code: 'import type { Pl011 } from "../drivers/pl011.ts";',
      ...refused("core may not import drivers (services/drivers/pl011.ts)"),
    },
    {
      filename: "services/roles/ticket.ts",
      code: 'import { randomBytes } from "@noble/hashes/utils.js";',
      ...refused("core runs in the VM and may not import the package @noble/hashes/utils.js"),
    },
    {
      filename: "services/pump/pump.ts",
      code: 'export { readFileSync } from "node:fs";',
      ...refused("core runs in the VM and may not import the package node:fs"),
    },
    {
      filename: "services/pump/pump.ts",
      code: 'export const load = () => import("fs");',
      ...refused("core runs in the VM and may not import the package fs"),
    },
    {
      filename: "services/pump/pump.ts",
      code: "export const load = (name: string) => import(name);",
      ...refused("a module of the VM is imported by its literal name"),
    },
    {
      filename: "services/drivers/pl011.ts",
      code: 'import { Pump } from "../pump/pump.ts";',
      ...refused("drivers may not import core (services/pump/pump.ts)"),
    },
    {
      filename: "services/drivers/pl011.ts",
      code: 'export * from "../main.ts";',
      ...refused("drivers may not import composition (services/main.ts)"),
    },
    {
      filename: "services/drivers/pl011.ts",
      code: 'import { name } from "../ports/index.ts";',
      ...refused("drivers may import nothing but types of ports (services/ports/index.ts)"),
    },
    {
      filename: "services/ports/index.ts",
      code: 'import type { Pump } from "../pump/pump.ts";',
      ...refused("ports may not import core (services/pump/pump.ts)"),
    },
    {
      filename: "services/console/root.ts",
      code: 'import { main } from "../main.ts";',
      ...refused("core may not import composition (services/main.ts)"),
    },
    {
      filename: "services/main.ts",
      code: 'import { Machine } from "../engine/sim/machine.ts";',
      ...refused("composition may not import simulator (engine/sim/machine.ts)"),
    },
    {
      filename: "cohsh/main.ts",
      code: 'import { Virtqueue } from "../services/drivers/virtio/virtqueue.ts";',
      ...refused("host tools may not import drivers (services/drivers/virtio/virtqueue.ts)"),
    },
    {
      filename: "engine/sim/net.ts",
      code: 'import { Virtqueue } from "../../services/drivers/virtio/virtqueue.ts";',
      ...refused("simulator may not import drivers (services/drivers/virtio/virtqueue.ts)"),
    },
    {
      filename: "engine/sim/gateway/port.ts",
      code: 'import { VirtioNet } from "../../../services/drivers/virtio/net.ts";',
      ...refused("simulator may not import drivers (services/drivers/virtio/net.ts)"),
    },
    {
      filename: "services/net/stack.ts",
      code: 'import { Gateway } from "../../engine/sim/gateway/gateway.ts";',
      ...refused("core may not import simulator (engine/sim/gateway/gateway.ts)"),
    },
    {
      filename: "gpu-bridge/main.ts",
      code: 'import { Pl011 } from "../services/drivers/pl011.ts";',
      ...refused("host tools may not import drivers (services/drivers/pl011.ts)"),
    },
    {
      filename: "services/net/icmp.ts",
      code: "export const now = (): number => host.nowUs();",
      ...refused("core reaches the machine through ports, not through host"),
    },
    {
      filename: "services/drivers/pl011.ts",
      code: 'console.log("sent");',
      ...refused("drivers runs in the VM, which has no console"),
    },
    {
      filename: "services/console/root.ts",
      code: "setTimeout(() => undefined, 1);",
      ...refused("core runs in the VM, which has no setTimeout"),
    },
    {
      filename: "services/net/utf8.ts",
      code: "export const encoder = new TextEncoder();",
      ...refused("core runs in the VM, which has no TextEncoder"),
    },
    {
      filename: "services/console/root.ts",
      code: "export const now = (): number => Date.now();",
      ...refused("core takes time from a port alone"),
    },
    {
      filename: "services/net/tcp.ts",
      code: "export const isn = (): number => Math.random();",
      ...refused("core takes chance from a port alone"),
    },
    {
      filename: "elsewhere/thing.ts",
      code: 'import { Pump } from "../services/pump/pump.ts";',
      ...refused("elsewhere/thing.ts stands in no layer of ci/layers.js"),
    },
  ],
});
