/** A bundle that holds more and more memory until there is none; the engine has to say who held what. */
const held: string[][] = [];

export function turn(_raised: number, nowUs: number): number {
  const block: string[] = [];
  for (let index = 0; index < 1000; index++) block.push(`held ${held.length} ${index}`);
  held.push(block);
  return nowUs;
}
