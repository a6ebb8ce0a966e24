/** Part of `npm run docs`: fails on dead links in README.md and the pages of `docs/`. */
import { existsSync, readdirSync } from "node:fs";
import { deadLinks } from "./lib/markdown-links.ts";
import { inRepository, repository } from "./lib/repository.ts";

const pages = readdirSync(inRepository("docs"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".md"))
  .map((name) => inRepository("docs", name));
const readme = inRepository("README.md");
if (existsSync(readme)) pages.push(readme);
const dead = pages.sort().flatMap((page) => deadLinks(page, repository));
for (const sentence of dead) console.error(`check-links: ${sentence}`);
console.log(`check-links: ${pages.length} pages, ${dead.length} dead links`);
process.exitCode = dead.length === 0 ? 0 : 1;
