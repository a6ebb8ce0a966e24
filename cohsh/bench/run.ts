/** One run of `cohsh bench`: sees first that a hive is there and lets one in, measures it, and leaves no connection behind. */

import { DoorWire } from "../../scripts/lib/door-wire.ts";
import { SIGNAL_STATUS } from "../9p/run.ts";
import { addressOf, tcpKeys } from "../transports/make.ts";
import { addressText, connectConsole, type ConsoleConnection, dial } from "../transports/tcp-connection.ts";
import { within } from "../transports/within.ts";
import type { BenchOptions } from "./cli.ts";
import { LOG, measure, type Report, toBeWritten } from "./measure.ts";
import { reportJson, reportLines } from "./report.ts";

/** @returns the exit status. */
export async function runBench(options: BenchOptions): Promise<number> {
  const { count, readOnly, json, timeoutMs, openTimeoutMs } = options;
  const leave = new AbortController();
  let status = 0;
  for (const [signal, code] of Object.entries(SIGNAL_STATUS)) {
    process.on(signal, () => {
      status = code;
      leave.abort();
    });
  }
  const address = addressOf(options);
  const where = addressText(address);
  const report: Report = { figures: [], skipped: [], written: 0 };
  const wires = new Set<DoorWire>();
  leave.signal.addEventListener("abort", () => wires.forEach((wire) => wire.close()));
  const connect = async (): Promise<DoorWire> => {
    const socket = await within(openTimeoutMs, [leave.signal], (signal) => dial(address, signal));
    const wire = new DoorWire(socket);
    wires.add(wire);
    socket.once("close", () => wires.delete(wire));
    return wire;
  };
  try {
    const keys = tcpKeys(options);
    const [token, ticket] = [keys.token(), keys.find("queen", undefined)];
    if ("missing" in token) throw new Error(token.missing);
    if ("missing" in ticket) throw new Error(ticket.missing);
    const probe = (signal: AbortSignal): Promise<ConsoleConnection> =>
      connectConsole(address, token.credential, signal);
    (await within(openTimeoutMs, [leave.signal], probe)).close();
    const lines = toBeWritten(count).toLocaleString("en-US");
    const note = readOnly ? "nothing is written" : `about ${lines} lines are appended to ${LOG}`;
    if (!json) process.stdout.write(`# the hive at ${where}, as the Queen; ${note}\n`);
    const way = { token: token.credential, ticket: ticket.credential, count, readOnly, timeoutMs };
    await measure({ connect, ...way }, report);
  } catch (error) {
    if (!leave.signal.aborted) {
      status = 1;
      const why = error instanceof Error ? error.message : String(error);
      process.stderr.write(`cohsh: ${why.includes(where) ? why : `the hive at ${where}: ${why}`}\n`);
    }
  } finally {
    for (const wire of wires) wire.close();
    address.via?.close();
  }
  // What was measured before it failed is not lost.
  if (report.figures.length > 0 || status === 0) {
    const hive = addressText({ host: address.host, port: address.port });
    const text = json ? reportJson(report, hive, address.via?.name) : reportLines(report).join("\n");
    process.stdout.write(`${text}\n`);
  }
  return status;
}
