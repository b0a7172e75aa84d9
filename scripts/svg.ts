/**
 * What the pictures of this project share: SVG by hand, in the colours that the reader's system prefers.
 *
 * @module
 */

/** Page and texts. What shows the picture may be dark where the reader's system is light, so it brings its background. */
export const STYLE = `
  .page { fill: #ffffff; }
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .head { font-size: 16px; font-weight: 600; }
  .title { font-weight: 600; }
  .small { font-size: 11px; fill: #59636e; }
  .number { text-anchor: start; font-variant-numeric: tabular-nums; }`;

/** {@linkcode STYLE} for the dark, to be put into `@media (prefers-color-scheme: dark)`. */
export const DARK_STYLE = `
    .page { fill: #0d1117; }
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }`;

/** A picture. */
export function picture(
  width: number,
  height: number,
  title: string,
  style: string,
  content: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${style}\n</style>`,
    `<rect class="page" width="${width}" height="${height}" rx="6"/>`,
    ...content,
    "</svg>\n",
  ].join("\n");
}

/** A text; `y` is its baseline. */
export function text(x: number, y: number, content: string, style?: string): string {
  return `<text x="${x.toFixed(1)}" y="${y}"${style ? ` class="${style}"` : ""}>${escaped(content)}</text>`;
}

/** A text as it may stand in XML. */
export function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
