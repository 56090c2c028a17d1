// Words inside a picture: a word and its box light up together, and what is selected over the picture is copied as
// words and lines.
function light(event) {
  const name = event.target.closest?.("[data-word]")?.dataset.word;
  for (const it of document.querySelectorAll("[data-word].lit, [data-word]:is(:hover)")) it.classList.remove("lit");
  if (name !== undefined) for (const it of document.querySelectorAll(`[data-word="${name}"]`)) it.classList.add("lit");
}

addEventListener("pointerover", light);

addEventListener("copy", (event) => {
  const selection = getSelection();
  const start = selection.anchorNode?.parentElement?.closest(".text-boxes");
  if (!start || selection.isCollapsed) return;
  const lines = [...start.querySelectorAll(":scope > g")].map((line) => selected(line, selection)).filter(Boolean);
  event.clipboardData.setData("text/plain", lines.join("\n"));
  event.preventDefault();
});

function selected(line, selection) {
  const words = [...line.querySelectorAll("text")].filter((word) => selection.containsNode(word, true));
  return words.map((word) => part(word.firstChild, selection.getRangeAt(0))).join(" ").trim();
}

/** Of the first and of the last word perhaps only some letters. */
function part(text, range) {
  const start = text === range.startContainer ? range.startOffset : 0;
  const end = text === range.endContainer ? range.endOffset : text.length;
  return text.data.slice(start, end);
}

// A word that was searched for is shown first, where the picture is larger than the window.
if (new URLSearchParams(location.search).has("mark")) {
  const stage = document.querySelector(".text-boxes")?.getBoundingClientRect();
  const box = document.querySelector(".text-boxes .marked rect");
  if (stage && box && box.getBoundingClientRect().bottom > innerHeight) box.scrollIntoView({ block: "center" });
}
