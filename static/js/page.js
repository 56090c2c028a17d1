// What every module asks of the page.

export const token = () => document.querySelector('meta[name="csrf-token"]').content;

/** Where a key or a paste belongs to the text that is being written. */
export const isWriting = (element) => Boolean(element?.closest?.("input:not([type=checkbox], [type=radio], [type=file]), textarea, select, [contenteditable]"));

export const isImage = (file) => file.type.startsWith("image/");

/** 1 -> "1 picture", 2000 -> "2,000 pictures" */
export const count = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

/** An icon of the sprite, whose address the header knows. */
export function icon(name) {
  const drawing = document.querySelector(".brand .icon").cloneNode(true);
  const use = drawing.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${name}`));
  return drawing;
}
