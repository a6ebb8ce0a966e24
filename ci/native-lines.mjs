/**
 * `node ci/native-lines.mjs [--list] [FOLDER]`: counts the native code of our own, so that the part of the system which is
 * not TypeScript stays small enough to read. Root task and loader must have fewer than 3,000 lines, the components fewer
 * than 500; what they share counts with the root. A line counts if it holds anything but blanks and comments; without FOLDER
 * it counts engine/native without what is not in the hive.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";

const componentsFolder = "components";
/** @typedef {{ name: string, limit: number, lines: number }} Part */
/** @type {Part} */
const root = { name: "root task and loader", limit: 3000, lines: 0 };
/** @type {Part} */
const components = { name: "components", limit: 500, lines: 0 };
/** Beside the hive: a yardstick for the network and a tool of the build machine. */
const notInTheHive = ["bench", "qjsbc"];

/** Comments and what may look as if it held one: strings and character constants, which end with their line. */
const tokens =
  /\/\*[\s\S]*?(?:\*\/|$)|\/\/(?:\\\r?\n|[^\n])*|"(?:\\\r?\n|\\.|[^"\\\n])*"?|'(?:\\\r?\n|\\.|[^'\\\n])*'?/g;

/**
 * @param {string} text C or assembly for the C preprocessor
 * @returns {number} lines that are neither blank nor only comment
 */
function codeLines(text) {
  const code = text.replace(tokens, (token) => (token.startsWith("/") ? token.replace(/[^\n]/g, " ") : token));
  return code.split("\n").filter((line) => line.trim() !== "").length;
}

/**
 * @param {string} folder
 * @returns {string[]} the native sources in it, as sorted paths from there
 */
function nativeSources(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[chS]$/.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !notInTheHive.includes(path.split(sep)[0] ?? ""))
    .sort();
}

/**
 * @param {string} reason
 * @returns {never}
 */
function refuse(reason) {
  console.error(`native-lines: ${reason}`);
  process.exit(2);
}

const given = process.argv.slice(2);
const list = given[0] === "--list";
if (list) given.shift();
if (given.length > 1 || given[0]?.startsWith("-") === true) refuse("usage: ci/native-lines.mjs [--list] [FOLDER]");
const folder = given[0] ?? resolve(import.meta.dirname, "..", "engine", "native");

/** @type {string[]} */
let paths = [];
try {
  paths = nativeSources(folder);
} catch (error) {
  refuse(`${folder} cannot be read: ${String(error)}`);
}
if (paths.length === 0) refuse(`${folder} holds no .c, .h or .S file`);

for (const path of paths) {
  const lines = codeLines(readFileSync(join(folder, path), "utf8"));
  if (list) console.log(`${String(lines).padStart(5)} ${path}`);
  const part = path.split(sep)[0] === componentsFolder ? components : root;
  part.lines += lines;
}
for (const { name, limit, lines } of [root, components]) {
  console.log(`${name}: ${lines} lines, limit ${limit}`);
  if (lines < limit) continue;
  console.error(`native-lines: ${name}: ${lines} lines, not less than ${limit}`);
  process.exitCode = 1;
}
