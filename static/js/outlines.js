// An outline and what it belongs to light up together.
function light(event) {
  const name = event.target.closest?.("[data-outline]")?.dataset.outline;
  for (const it of document.querySelectorAll("[data-outline]")) it.classList.toggle("lit", it.dataset.outline === name);
}

addEventListener("pointerover", light);
addEventListener("focusin", light);
