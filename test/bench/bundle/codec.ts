/**
 * Benchmarks of the 9P codec: a mix of messages as a client reading files and writing lines makes it, encoded and decoded
 * one frame after the other. What is decoded are the bytes that encoding made, so both work on the same frames.
 */
import * as p9 from "../../../services/secure9p/constants.ts";
import { DECODED, decode } from "../../../services/secure9p/decode.ts";
import { encode, UNFIT } from "../../../services/secure9p/encode.ts";
import { Message } from "../../../services/secure9p/message.ts";
import { Reader, type Span, Writer } from "../../../services/secure9p/wire.ts";
import { type Benchmark, bytes } from "./benchmark.ts";

/** Bytes of an Rread, about what `/proc/boot` has. */
const READ = 600;
const ROOM = 8192;

function fill(span: Span, text: string): void {
  const content = new Uint8Array(text.length);
  bytes.encode(text, content, 0);
  span.set(content, 0, content.length);
}

function message(type: number, tag: number, set: (m: Message) => void): Message {
  const m = new Message();
  m.type = type;
  m.tag = tag;
  set(m);
  return m;
}

/** Each request with its reply; a walk of two names. */
function mix(): Message[] {
  const qid = { type: p9.QTFILE, version: 7, path: 42 };
  return [
    message(p9.TWALK, 1, (m) => {
      m.newfid = 5;
      m.nwname = 2;
      fill(m.wnames[0]!, "proc");
      fill(m.wnames[1]!, "boot");
    }),
    message(p9.RWALK, 1, (m) => {
      m.nwqid = 2;
      Object.assign(m.wqids[0]!, { type: p9.QTDIR, path: 2 });
      Object.assign(m.wqids[1]!, qid);
    }),
    message(p9.TLOPEN, 2, (m) => (m.fid = 5)),
    message(p9.RLOPEN, 2, (m) => {
      Object.assign(m.qid, qid);
      m.iounit = 8168;
    }),
    message(p9.TREAD, 3, (m) => {
      m.fid = 5;
      m.count = 4096;
    }),
    message(p9.RREAD, 3, (m) => fill(m.data, "x".repeat(READ))),
    message(p9.TGETATTR, 4, (m) => {
      m.fid = 5;
      m.mask = p9.GETATTR_BASIC;
    }),
    message(p9.RGETATTR, 4, (m) => {
      Object.assign(m.qid, qid);
      m.attributes.valid = p9.GETATTR_BASIC;
      m.attributes.size = READ;
    }),
    message(p9.TCLUNK, 5, (m) => (m.fid = 5)),
    message(p9.RCLUNK, 5, () => undefined),
    message(p9.TWRITE, 6, (m) => {
      m.fid = 6;
      fill(m.data, "heartbeat 42: all is well, and the line has some length to it.\n");
    }),
    message(p9.RWRITE, 6, (m) => (m.count = 63)),
  ];
}

const messages = mix();
const writer = new Writer(bytes);
const room = new Uint8Array(ROOM);
const frames = messages.map((m) => {
  const size = encode(m, writer, room, 0, ROOM);
  if (size === UNFIT) throw new Error(`codec: message ${m.type} does not encode`);
  return room.slice(0, size);
});
const reader = new Reader();
const decoded = new Message();

export const codecBenchmarks: readonly Benchmark[] = [
  {
    name: "9p-encode-frame",
    batch: 50 * messages.length,
    run: (count) => {
      for (let done = 0; done < count; done += messages.length) {
        for (let i = 0; i < messages.length; i++) encode(messages[i]!, writer, room, 0, ROOM);
      }
    },
  },
  {
    name: "9p-decode-frame",
    batch: 50 * frames.length,
    run: (count) => {
      for (let done = 0; done < count; done += frames.length) {
        for (let i = 0; i < frames.length; i++) {
          const frame = frames[i]!;
          if (decode(decoded, reader, frame, 0, frame.length) !== DECODED) throw new Error("codec: a frame is refused");
        }
      }
    },
  },
];
