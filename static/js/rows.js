// Endless rows without a jump: the last row is held back until the next page completes it. The page is not painted
// before this script has run (blocking="render"): whoever had seen the last row would see it jump.

/** Pictures of the last row would move and grow when more join them, so they wait for those. */
function hold(rows) {
  const tiles = [...rows.querySelectorAll(".tile")];
  for (const tile of tiles) tile.classList.remove("held");
  if (!window.htmx || !rows.querySelector(".ahead")) return;
  const top = tiles.at(-1)?.offsetTop;
  const last = tiles.filter((tile) => tile.offsetTop === top);
  if (last.length < tiles.length) for (const tile of last) tile.classList.add("held");
}

for (const rows of document.querySelectorAll(".rows")) {
  let width = 0;
  new MutationObserver(() => hold(rows)).observe(rows, { childList: true }); // runs before the next paint
  new ResizeObserver(() => {
    if (rows.clientWidth === width) return;
    width = rows.clientWidth;
    hold(rows);
  }).observe(rows);
}

// The address follows the reader, so that a reload or a way back leads to the same pictures.
function follow() {
  const above = [...document.querySelectorAll(".rows [data-place]")].filter((it) => it.getBoundingClientRect().top < innerHeight / 2);
  const place = above.at(-1)?.dataset.place;
  if (!place || place === location.search) return;
  history.scrollRestoration = "manual"; // the page will begin there: the old distance from its top means nothing
  history.replaceState(history.state, "", place);
}

let waiting = 0;
addEventListener("scroll", () => {
  clearTimeout(waiting);
  waiting = setTimeout(follow, 150);
}, { passive: true });

// The next page did not come: everything is shown, and its plain link is there.
function giveUp(event) {
  if (!event.target.matches(".ahead")) return;
  const rows = event.target.closest(".rows");
  event.target.remove();
  hold(rows);
}

addEventListener("htmx:responseError", giveUp);
addEventListener("htmx:sendError", giveUp);
