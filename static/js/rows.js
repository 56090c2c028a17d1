// Endless rows without a jump: the last row is held back until the next page completes it.

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

// The next page did not come: everything is shown, and its plain link is there.
function giveUp(event) {
  if (!event.target.matches(".ahead")) return;
  const rows = event.target.closest(".rows");
  event.target.remove();
  hold(rows);
}

addEventListener("htmx:responseError", giveUp);
addEventListener("htmx:sendError", giveUp);
