/**
 * A table of something for each type of message. A type is one byte on the wire, so every type that can come is in the
 * table, `undefined` if the protocol has no such message.
 */
export function byType<Row>(rows: Readonly<Record<number, Row>>): readonly (Row | undefined)[] {
  return Array.from({ length: 256 }, (_, type) => rows[type]);
}
