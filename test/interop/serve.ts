/**
 * `npx tsx test/interop/serve.ts [--port N]`: the hive of these checks on a port of the loopback, for whoever wants to look
 * at it with a client of their own. It prints what to type, and ends with Ctrl-C.
 */
import { Command, InvalidArgumentError } from "commander";
import { Hive } from "./hive.ts";
import { Listener } from "./listener.ts";

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65535) throw new InvalidArgumentError("a port, 0 to 65535.");
  return value;
}

const options = new Command("serve")
  .description("Serves a hive over 9P on the loopback.")
  .option("--port <n>", "TCP port, 0 for a free one", port, 5640)
  .parse()
  .opts<{ port: number }>();
const hive = new Hive();
const listener = await Listener.open(options.port, { session: (failed) => hive.session(failed) });
const server = `127.0.0.1:${listener.port}`;
console.log(`export TICKET=${hive.queen}
diodls -s ${server} -a $TICKET -l worker
diodcat -s ${server} -a $TICKET log/queen.log
mount -t 9p -o trans=tcp,port=${listener.port},version=9p2000.L,aname=$TICKET,msize=8192,cache=none 127.0.0.1 /mnt`);
