// The evidence: a slider that uncovers, and panels that open under their cards.
addEventListener("input", (event) => {
  if (event.target.matches(".swipe")) event.target.closest(".view").style.setProperty("--at", event.target.value);
});

const opener = (panel) => document.querySelector(`[hx-target="#${panel.id}"]`);

function close(panel) {
  panel.replaceChildren();
  opener(panel).setAttribute("aria-expanded", "false");
  opener(panel).firstElementChild.textContent = "Show the evidence";
}

// A second press closes what the first one opened.
addEventListener("htmx:beforeRequest", (event) => {
  const panel = event.detail.target;
  if (!panel.matches(".panel") || !panel.childElementCount) return;
  event.preventDefault();
  close(panel);
});

addEventListener("htmx:afterSwap", (event) => {
  const panel = event.detail.target;
  if (!panel.matches(".panel")) return;
  opener(panel).setAttribute("aria-expanded", "true");
  opener(panel).firstElementChild.textContent = "Hide the evidence";
  panel.focus({ preventScroll: true });
  panel.scrollIntoView({ block: "nearest" });
});

// A refusal is a sentence, and belongs where the evidence would be.
addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.target.matches(".panel") || event.detail.xhr.status === 0) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});

addEventListener("click", (event) => {
  const panel = event.target.closest("[data-close-evidence]")?.closest(".panel");
  if (!panel) return;
  close(panel);
  opener(panel).focus();
});
