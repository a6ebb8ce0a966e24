/**
 * NineDoor behind a unix socket, in a process of its own: `ninedoor-listener.ts SOCKET BOOT`, where BOOT is a file with
 * the text of `/proc/boot`. Every connection is a Queen's, so only a folder that nobody else can enter is a place for it;
 * it ends when its standard input does, however that comes about.
 */
import { readFileSync } from "node:fs";
import { type ConnectOpts, createServer, Socket, type SocketConstructorOpts } from "node:net";
import { nodeBytes } from "./node-bytes.ts";
import { SessionTree } from "../../services/ninedoor/attach.ts";
import { AuditLog } from "../../services/log/audit-log.ts";
import { Namespace } from "../../services/ninedoor/namespace.ts";
import { View } from "../../services/ninedoor/view.ts";
import { Grant } from "../../services/roles/grant.ts";
import { Session } from "../../services/secure9p/session.ts";
import { NinePWire } from "./ninep-wire.ts";

const [path, boot] = process.argv.slice(2);
if (path === undefined || boot === undefined) throw new Error("ninedoor-listener: SOCKET BOOT");
const text = readFileSync(boot, "utf8");
const clock = { nowUs: () => Math.floor(performance.now() * 1000) };
const namespace = new Namespace({ bytes: nodeBytes, clock, queen: { take: () => undefined } });
namespace.addProc("boot", () => text);
const audit = new AuditLog(namespace.queenLog, clock);
let sessions = 0;

function serve(connection: Socket): void {
  const view = new View({
    namespace,
    grant: Grant.ofOperator(clock.nowUs()),
    session: ++sessions,
    leases: { isLessee: () => false },
    audit,
    clock,
  });
  const session = new Session({ tree: new SessionTree(view, namespace.counters), bytes: nodeBytes });
  const wire: NinePWire = new NinePWire(session, (buffer, callback) => {
    // Only a socket that is made with a buffer to read into allocates nothing for each read, and a server makes none.
    const handle: unknown = Reflect.get(connection, "_handle");
    const options: SocketConstructorOpts & ConnectOpts & { handle: unknown } = { handle, onread: { buffer, callback } };
    return new Socket(options);
  });
  wire.socket.read(0);
  wire.socket.on("close", () => session.close());
}

createServer({ pauseOnConnect: true }, serve).listen(path, () => console.log("listening"));
process.stdin.resume().on("end", () => process.exit(0));
