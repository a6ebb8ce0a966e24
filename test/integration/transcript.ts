/**
 * What two engines' serial lines have in common, told alike: the transcript from the banner on, without what may
 * differ (times, the kernel's name and its own boot phase).
 */
export function comparableTranscript(output: string): string {
  const lines = output.replaceAll("\r", "").replaceAll("\x1b[K", "");
  const banner = lines.indexOf("Cohesix ");
  if (banner < 0) throw new Error(`no banner in: ${lines.slice(0, 500)}`);
  return lines
    .slice(banner)
    .replace(/^(cohesix> )(?=\[ *\d)/gm, "")
    .replace(/^\[ *\d+\.\d{6}\]/gm, "[time]")
    .replace(/\b\d+\.\d{3} ms\b/g, "<time>")
    .replace(/wall time \S+/g, "wall time <date>")
    .replace(/ on .+, qemu-arm-virt$/m, " on <kernel>, qemu-arm-virt")
    .replace(/^kernel .+$/gm, "kernel <kernel>")
    .replace(/^phase kernel <time>\n/gm, "");
}
