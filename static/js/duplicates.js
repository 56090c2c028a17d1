// Duplicates: what is kept is not dropped; a refusal takes the place of the group that it is about.

// Before htmx hears of it, which asks for the words of what is ticked.
addEventListener("change", (event) => {
  const form = event.target.closest("[data-choose]");
  if (!form || event.target.name !== "keep") return;
  // The one that was kept before goes, as the others do; without any ticks nothing was meant to go.
  const boxes = [...form.querySelectorAll("[name=drop]")];
  const meant = boxes.some((box) => box.checked);
  for (const box of boxes) box.checked = box.value !== event.target.value && (box.checked || (meant && box.value === form.dataset.kept));
  form.dataset.kept = event.target.value;
}, { capture: true });

for (const form of document.querySelectorAll("[data-choose]")) {
  form.dataset.kept = form.querySelector("[name=keep]:checked")?.value ?? "";
}

// Somebody else was faster: the sentence stands where the group was.
addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  if (!target.matches(".family, .decided") || ![403, 404, 409, 410].includes(xhr.status)) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});
