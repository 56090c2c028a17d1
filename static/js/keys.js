// Keys: j, k, o, s among pictures; what a page gives to a key stands in its data-key.
import { isWriting } from "./page.js";

const SWITCH = "single-keys";

const singleKeys = () => read() !== "off";

function read() {
  try {
    return localStorage.getItem(SWITCH);
  } catch {
    return null; // storage is forbidden in this browser
  }
}

const dialog = document.getElementById("shortcuts");
const box = document.getElementById("shortcuts-on");
box.checked = singleKeys();
box.addEventListener("change", () => {
  try {
    localStorage.setItem(SWITCH, box.checked ? "on" : "off");
  } catch {
    // then it lasts until the next page
  }
});

addEventListener("click", (event) => {
  if (event.target.closest("[data-open=shortcuts]")) dialog.showModal();
});

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isWriting(event.target) || document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key.length === 1 && !box.checked) return;
  if (key.startsWith("Arrow") && event.target.closest(".strip-row")) return; // there arrows scroll
  if (act(key)) event.preventDefault();
});

function act(key) {
  if (key === "?") return dialog.showModal(), true;
  const named = [...document.querySelectorAll("[data-key]")].find((it) => it.dataset.key.split(" ").includes(key));
  if (named) return named.click(), true;
  const tiles = [...document.querySelectorAll("[data-tiles] [data-like]")];
  const at = tiles.indexOf(document.activeElement);
  if (key === "j" || key === "k") return move(tiles, at, key === "j" ? 1 : -1);
  if (at < 0) return false;
  if (key === "o") return tiles[at].click(), true;
  if (key === "s") return location.assign(tiles[at].dataset.like), true;
  return false;
}

function move(tiles, at, by) {
  const next = at < 0 ? tiles.find((tile) => tile.getBoundingClientRect().top >= 0) : tiles[at + by];
  next?.focus();
  return Boolean(next);
}

// Back to where the rows were left, when the reader comes straight from them.
addEventListener("click", (event) => {
  const link = event.target.closest?.('a[data-key="u"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !document.referrer) return;
  const from = new URL(document.referrer);
  if (from.origin !== location.origin || from.pathname !== link.pathname || history.length < 2) return;
  event.preventDefault();
  history.back();
});
