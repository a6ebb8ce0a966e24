/**
 * Finds the links of a Markdown page and those of them that lead nowhere inside the repository. Code is not
 * searched; addresses on the web are not followed.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";

export interface Link {
  readonly target: string;
  /** 1-based. */
  readonly line: number;
}

/** The text with everything between code fences and backticks blanked, lines kept. */
function withoutCode(markdown: string): string {
  const blank = (text: string): string => text.replace(/[^\n]/g, " ");
  return markdown.replace(/^(```|~~~)[^]*?^\1[^\n]*$/gm, blank).replace(/`[^`\n]*`/g, blank);
}

export function linksOf(markdown: string): Link[] {
  const text = withoutCode(markdown);
  const lineAt = (index: number): number => text.slice(0, index).split("\n").length;
  const inline = [...text.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const references = [...text.matchAll(/^\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)/gm)];
  return [...inline, ...references].map((match) => ({ target: match[1] ?? "", line: lineAt(match.index) }));
}

/** The anchors that a page's headings get, as GitHub makes them. */
export function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of markdown
    .replace(/^(```|~~~)[^]*?^\1[^\n]*$/gm, "")
    .matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-");
    let name = slug;
    for (let copy = 1; anchors.has(name); copy++) name = `${slug}-${copy}`;
    anchors.add(name);
  }
  return anchors;
}

/** One sentence per dead link of a page. */
export function deadLinks(page: string, top: string): string[] {
  const markdown = readFileSync(page, "utf8");
  const name = relative(top, page);
  return linksOf(markdown).flatMap(({ target, line }) => {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return [];
    const [path = "", anchor] = target.split("#", 2);
    const file = path === "" ? page : join(dirname(page), decodeURIComponent(path));
    if (relative(top, file).startsWith("..")) return [`${name}:${line}: ${target} leads out of the repository.`];
    if (!existsSync(file)) return [`${name}:${line}: ${target} leads to nothing.`];
    if (anchor === undefined || anchor === "" || statSync(file).isDirectory() || !file.endsWith(".md")) return [];
    return anchorsOf(readFileSync(file, "utf8")).has(anchor)
      ? []
      : [`${name}:${line}: ${path || name} has no heading #${anchor}.`];
  });
}
