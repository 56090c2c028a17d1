// Selecting pictures: the corner of one, shift for a range, Ctrl+A for all that are loaded, Escape to end.
import { count, isWriting } from "./page.js";

const form = document.getElementById("selection");
const says = document.getElementById("selection-says");
let anchor = null; // where a range begins

const boxes = () => [...document.querySelectorAll("[data-select] .pick input")];
const loaded = () => boxes().filter((box) => box.closest("[data-select]").checkVisibility());
const picked = () => boxes().filter((box) => box.checked);
const isSelecting = () => document.body.classList.contains("selecting");

/** The bar says how many; a preview was about the selection before. */
function show() {
  const number = picked().length;
  document.body.classList.toggle("selecting", number > 0);
  form.querySelector("[data-picked]").textContent = `${count(number, "picture")} selected`;
  says.replaceChildren();
}

function pick(some, isOn) {
  for (const box of some) box.checked = isOn;
  show();
}

function end() {
  anchor = null;
  pick(boxes(), false);
}

/** All from the one that was clicked before to this one. */
function range(box) {
  const all = loaded();
  const ends = [all.indexOf(anchor), all.indexOf(box)];
  if (ends.includes(-1)) return [box];
  return all.slice(Math.min(...ends), Math.max(...ends) + 1);
}

function choose(box, isOn, isRange) {
  pick(isRange && anchor ? range(box) : [box], isOn);
  anchor = box;
}

addEventListener("click", (event) => {
  if (event.target.matches?.(".pick input")) return choose(event.target, event.target.checked, event.shiftKey);
  if (event.target.closest?.("[data-picked-none]")) return end();
  const link = event.target.closest?.("[data-select] a[data-like]");
  if (!link || event.ctrlKey || event.metaKey || !(isSelecting() || event.shiftKey)) return;
  event.preventDefault(); // it would open the picture
  const box = link.closest("[data-select]").querySelector(".pick input");
  choose(box, event.shiftKey || !box.checked, event.shiftKey);
});

addEventListener("mousedown", (event) => {
  if (event.shiftKey && event.target.closest?.("[data-select]")) event.preventDefault(); // it would mark words
});

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && isSelecting()) return end();
  if (event.key !== "a" || !(event.ctrlKey || event.metaKey) || event.shiftKey || isWriting(event.target)) return;
  if (!loaded().length) return;
  event.preventDefault();
  pick(loaded(), true);
});

// One field with all numbers: a form has room for fewer boxes than a selection.
addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt !== form && event.detail.elt.form !== form) return;
  event.detail.parameters.delete?.("image");
  event.detail.parameters.set?.("images", picked().map((box) => box.value).join(","));
});

// A refusal is shown in the bar. A whole page (somebody was signed out) has no place there.
addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  if (target !== says) return;
  if (/<html/i.test(xhr.responseText)) {
    event.detail.shouldSwap = false;
    location.reload();
    return;
  }
  if (![400, 403, 404, 409].includes(xhr.status)) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});

/** A picture that is taken out of the page measures itself once more, and would ask for a file that is gone. */
function drop(tile) {
  for (const image of tile?.querySelectorAll("img") ?? []) ["srcset", "src"].forEach((name) => image.removeAttribute(name));
  tile?.remove();
}

addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== says) return;
  const gone = says.querySelector("[data-gone]")?.dataset.gone.split(",") ?? [];
  for (const number of gone) drop(document.querySelector(`[data-select="${number}"]`));
  says.querySelector("[data-focus]")?.focus();
  if (gone.length) form.querySelector("[data-picked]").textContent = `${count(picked().length, "picture")} selected`;
});

// It ends with the page; browsers would tick the boxes again.
addEventListener("pageshow", end);
