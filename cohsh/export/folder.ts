/**
 * A folder of this machine as a tree to serve over 9P, for reading only. Nothing outside it is reached: names do not lead out, a
 * symbolic link counts as the file in the folder that it leads to or is not there, and what was opened is looked at once more to see
 * that it is the file that was found. Everything that is neither a file nor a folder is left out.
 */

import { createHash } from "node:crypto";
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, lstat, open, opendir, readlink, realpath } from "node:fs/promises";
import {
  COMPONENT_BYTES,
  DT_DIR,
  DT_REG,
  ENTRY_HEADER,
  GETATTR_BASIC,
  QTDIR,
  QTFILE,
  S_IFDIR,
  S_IFREG,
} from "../../services/secure9p/constants.ts";
import { Attributes } from "../../services/secure9p/message.ts";
import { BUSY, INVALID, NOT_FOUND, PERMISSION, type Refusal, TOO_BIG } from "../../services/secure9p/refusal.ts";
import type { Node, OpenFile, Request, Tree } from "../../services/secure9p/tree.ts";
import type { Qid } from "../../services/secure9p/wire.ts";
import { wantsToWrite } from "../../services/ninedoor/attributes.ts";

/** Files and folders open at once. */
const OPEN_LIMIT = 256;
/** Names of one folder; one with more is refused, not cut. */
const NAMES_LIMIT = 65_536;
const READABLE = 0o555;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Inode numbers below this are told apart from those of other devices by what stands above it. */
const INODES = 2n ** 48n;
/** Devices that are told apart so; files of others get a number drawn from what they are. */
const DEVICES = 31;

/** What cannot be told by an error of the system. */
class Refused extends Error {
  readonly why: Refusal;

  constructor(why: Refusal) {
    super(why.name);
    this.why = why;
  }
}

/** A file or folder that was looked at. */
interface Seen {
  readonly path: string;
  readonly stats: BigIntStats;
}

export class Folder implements Tree {
  readonly path: string;
  readonly #stats: BigIntStats;
  readonly #devices: bigint[] = [];
  #open = 0;

  private constructor(path: string, stats: BigIntStats) {
    this.path = path;
    this.#stats = stats;
  }

  /** @throws Error with one sentence if there is no such folder. */
  static async at(path: string): Promise<Folder> {
    let real: string;
    let stats: BigIntStats;
    try {
      real = await realpath(path);
      stats = await lstat(real, { bigint: true });
      if (stats.isDirectory()) await (await opendir(real)).close();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      const why =
        code === "ENOENT" ? "is not there" : code === "EACCES" ? "may not be read by this user" : "cannot be read";
      throw new Error(`${path} ${why}`, { cause: error });
    }
    if (!stats.isDirectory()) throw new Error(`${path} is no folder`);
    return new Folder(real, stats);
  }

  /** Files and folders that are open. */
  get open(): number {
    return this.#open;
  }

  attach(request: Request): void {
    request.found(new FolderNode(this, { path: this.path, stats: this.#stats }));
  }

  /** What a name in a folder leads to. @throws Refused, or an error of the system */
  async find(folder: string, name: string): Promise<Seen> {
    const at = `${folder === "/" ? "" : folder}/${name}`;
    const path = await realpath(at);
    const stats = await lstat(path, { bigint: true });
    // A link to a folder may lead in a circle.
    const shown = stats.isFile() ? this.#holds(path) : stats.isDirectory() && path === at;
    if (!shown) throw new Refused(NOT_FOUND);
    return { path, stats };
  }

  /** What is there now, if it is still the same. @throws as {@link find} */
  async again({ path, stats }: Seen): Promise<BigIntStats> {
    if ((await realpath(path)) !== path) throw new Refused(NOT_FOUND);
    return this.#same(await lstat(path, { bigint: true }), stats);
  }

  /** Open what was found. @throws as {@link find} */
  async openSeen({ path, stats }: Seen): Promise<FileHandle> {
    if (this.#open >= OPEN_LIMIT) throw new Refused(BUSY);
    this.#open++;
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, READ);
      this.#same(await handle.stat({ bigint: true }), stats);
      // A folder on the way may have been replaced by a link in the meantime.
      if (!this.#holds(await pathOf(handle, path))) throw new Refused(NOT_FOUND);
      return handle;
    } catch (error) {
      this.#open--;
      await handle?.close();
      throw error;
    }
  }

  close(handle: FileHandle): void {
    this.#open--;
    void handle.close().catch(() => undefined);
  }

  qid(stats: BigIntStats): Qid {
    const { mtimeNs, size } = stats;
    const version = Number(BigInt.asUintN(32, mtimeNs / 1000n + size));
    return { type: stats.isDirectory() ? QTDIR : QTFILE, version, path: this.#number(stats) };
  }

  #holds(path: string): boolean {
    return this.path === "/" || path.startsWith(`${this.path}/`) || path === this.path;
  }

  #same(now: BigIntStats, then: BigIntStats): BigIntStats {
    if (now.dev !== then.dev || now.ino !== then.ino || now.mode >> 12n !== then.mode >> 12n)
      throw new Refused(NOT_FOUND);
    return now;
  }

  #number({ dev, ino }: BigIntStats): number {
    let device = this.#devices.indexOf(dev);
    if (device < 0 && this.#devices.length < DEVICES) device = this.#devices.push(dev) - 1;
    if (device >= 0 && ino < INODES) return Number(BigInt(device) * INODES + ino);
    const drawn = createHash("sha256").update(`${dev} ${ino}`).digest().readBigUInt64LE() % INODES;
    return Number(BigInt(DEVICES) * INODES + drawn);
  }
}

/** Where an open file is. Not every system can say that of the very file. */
async function pathOf(handle: FileHandle, path: string): Promise<string> {
  return process.platform === "linux" ? readlink(`/proc/self/fd/${handle.fd}`) : realpath(path);
}

class FolderNode implements Node {
  readonly qid: Qid;
  readonly #folder: Folder;
  readonly #seen: Seen;

  constructor(folder: Folder, seen: Seen) {
    this.#folder = folder;
    this.#seen = seen;
    this.qid = folder.qid(seen.stats);
  }

  walk(request: Request, name: string): void {
    const found = this.#folder.find(this.#seen.path, name);
    later(request, found, (seen) => request.found(new FolderNode(this.#folder, seen)));
  }

  open(request: Request): void {
    if (wantsToWrite(request.flags)) return request.refuse(PERMISSION);
    const folder = this.#folder;
    const { path, stats } = this.#seen;
    const opened = folder.openSeen(this.#seen).then(async (handle) => {
      if (!stats.isDirectory()) return new OpenedFile(folder, handle);
      try {
        return new OpenedFolder(folder, handle, path, await namesIn(handle, path));
      } catch (error) {
        folder.close(handle);
        throw error;
      }
    });
    later(
      request,
      opened,
      (file) => request.opened(file),
      (file) => file.close(),
    );
  }

  getattr(request: Request, file: OpenFile | undefined): void {
    const stats = file instanceof Opened ? file.stats() : this.#folder.again(this.#seen);
    later(request, stats, (now) => {
      this.qid.version = this.#folder.qid(now).version;
      request.attributes(attributesOf(now));
    });
  }

  setattr(request: Request): void {
    request.refuse(PERMISSION);
  }
}

/** What an open file and an open folder have in common. */
abstract class Opened implements OpenFile {
  protected readonly folder: Folder;
  protected readonly handle: FileHandle;

  constructor(folder: Folder, handle: FileHandle) {
    this.folder = folder;
    this.handle = handle;
  }

  abstract read(request: Request): void;
  abstract readdir(request: Request): void;

  write(request: Request): void {
    request.refuse(PERMISSION);
  }

  stats(): Promise<BigIntStats> {
    return this.handle.stat({ bigint: true });
  }

  close(): void {
    this.folder.close(this.handle);
  }
}

class OpenedFile extends Opened {
  read(request: Request): void {
    const { offset, count } = request;
    const bytes = Buffer.allocUnsafe(count);
    later(request, this.handle.read(bytes, 0, count, offset), ({ bytesRead }) => {
      request.put(bytes, 0, bytesRead);
      request.done();
    });
  }

  readdir(request: Request): void {
    request.refuse(INVALID);
  }
}

class OpenedFolder extends Opened {
  readonly #path: string;
  readonly #names: readonly string[];

  constructor(folder: Folder, handle: FileHandle, path: string, names: readonly string[]) {
    super(folder, handle);
    this.#path = path;
    this.#names = names;
  }

  read(request: Request): void {
    request.refuse(INVALID);
  }

  readdir(request: Request): void {
    later(request, this.#page(request.offset, request.count), (page) => {
      for (const { at, name, qid } of page) {
        const type = (qid.type & QTDIR) === 0 ? DT_REG : DT_DIR;
        if (!request.entry(qid, at + 1, type, name)) break;
      }
      request.done();
    });
  }

  /** Entries from there on, about as many as fit; none at the end alone. */
  async #page(from: number, count: number): Promise<{ at: number; name: string; qid: Qid }[]> {
    const names = this.#names;
    for (let at = from; at < names.length;) {
      const first = at;
      for (let room = count; at < names.length && (room > 0 || at === first); at++) {
        room -= ENTRY_HEADER + Buffer.byteLength(names[at]!);
      }
      const seen = await Promise.all(names.slice(first, at).map((name, i) => this.#entry(first + i, name)));
      const page = seen.filter((entry) => entry !== undefined);
      if (page.length > 0) return page;
    }
    return [];
  }

  async #entry(at: number, name: string): Promise<{ at: number; name: string; qid: Qid } | undefined> {
    try {
      return { at, name, qid: this.folder.qid((await this.folder.find(this.#path, name)).stats) };
    } catch {
      return undefined;
    }
  }
}

/** The names in an open folder, as many as there may be. */
async function namesIn(handle: FileHandle, path: string): Promise<string[]> {
  const names: string[] = [];
  const at = process.platform === "linux" ? `/proc/self/fd/${handle.fd}` : path;
  for await (const { name } of await opendir(at)) {
    if (names.length === NAMES_LIMIT) throw new Refused(TOO_BIG);
    if (Buffer.byteLength(name) <= COMPONENT_BYTES) names.push(name);
  }
  return names.sort();
}

function attributesOf(stats: BigIntStats): Attributes {
  const attributes = new Attributes();
  const { mode, nlink, size, blksize, blocks, atimeNs, mtimeNs, ctimeNs } = stats;
  attributes.valid = GETATTR_BASIC;
  attributes.mode = (stats.isDirectory() ? S_IFDIR : S_IFREG) | (Number(mode) & READABLE);
  attributes.nlink = Number(nlink);
  attributes.size = stats.isDirectory() ? 0 : Number(size);
  attributes.blksize = Number(blksize);
  attributes.blocks = Number(blocks);
  [attributes.atimeSec, attributes.atimeNsec] = timeOf(atimeNs);
  [attributes.mtimeSec, attributes.mtimeNsec] = timeOf(mtimeNs);
  [attributes.ctimeSec, attributes.ctimeNsec] = timeOf(ctimeNs);
  return attributes;
}

function timeOf(ns: bigint): [seconds: number, ns: number] {
  return ns < 0n ? [0, 0] : [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)];
}

/** Answer when the work is done, unless nobody waits any more. @param unwanted is given what came then */
function later<T>(
  request: Request,
  work: Promise<T>,
  answer: (result: T) => void,
  unwanted: (result: T) => void = () => undefined,
): void {
  let over = false;
  request.park({ cancelled: () => (over = true) });
  work.then(
    (result) => (over ? unwanted(result) : answer(result)),
    (error: unknown) => {
      if (!over) request.refuse(refusalOf(error));
    },
  );
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  ENOENT: NOT_FOUND,
  ENOTDIR: NOT_FOUND,
  ELOOP: NOT_FOUND,
  EACCES: PERMISSION,
  EPERM: PERMISSION,
  EISDIR: INVALID,
  EINVAL: INVALID,
  ENAMETOOLONG: TOO_BIG,
};

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refused) return error.why;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return REFUSALS[code] ?? BUSY;
}
