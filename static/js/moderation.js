// The queue by keys: j k (or arrows) move, shift extends, x ticks, a r s decide, 1 to 9 give a reason; u is a data-key.
import { count, isWriting } from "./page.js";

const bulk = document.getElementById("bulk");
const page = document.querySelector(".moderation");
const place = document.getElementById("moderation-said");
let anchor = null; // the box where a range begins

const cards = () => [...document.querySelectorAll(".candidate")];
const current = () => document.activeElement?.closest?.(".candidate");
const box = (card) => card.querySelector(".pick input");
const picked = () => cards().filter((card) => box(card).checked);
const singleKeys = () => document.getElementById("shortcuts-on").checked;

// --- selection
function show() {
  if (!bulk) return;
  const all = bulk.querySelector("[data-all]");
  const number = picked().length;
  page.classList.toggle("selecting", number > 0);
  all.checked = number > 0 && number === cards().length;
  all.indeterminate = number > 0 && !all.checked;
  const words = bulk.querySelector("[data-picked]");
  words.textContent = number ? `${count(number, "picture")} selected` : words.dataset.none;
  const whole = bulk.querySelector("[name=all]");
  if (whole && !number) whole.checked = false;
}

function pick(some, isOn) {
  for (const card of some) box(card).checked = isOn;
  show();
}

function range(card) {
  const all = cards();
  const ends = [all.indexOf(anchor), all.indexOf(card)];
  return ends.includes(-1) ? [card] : all.slice(Math.min(...ends), Math.max(...ends) + 1);
}

addEventListener("click", (event) => {
  if (event.target.matches?.("[data-all]")) return pick(cards(), event.target.checked);
  if (event.target.closest?.("[data-cancel]")) {
    event.preventDefault();
    place.replaceChildren();
    return (picked()[0] ?? cards()[0])?.focus();
  }
  if (!event.target.matches?.(".pick input")) return;
  const card = event.target.closest(".candidate");
  if (event.shiftKey && anchor) pick(range(card), event.target.checked);
  anchor = card;
  show();
});

addEventListener("mousedown", (event) => {
  if (event.shiftKey && event.target.closest?.(".pick")) event.preventDefault(); // it would mark words
});

// --- moving
function move(by, extends_) {
  const all = cards();
  const at = all.indexOf(current());
  const next = at < 0 ? (all.find((card) => card.getBoundingClientRect().bottom > 120) ?? all[0]) : all[at + by];
  if (!next) return false;
  if (extends_ && at >= 0) {
    if (!anchor || !box(all[at]).checked) anchor = all[at];
    pick(cards(), false);
    pick(range(next), true);
  }
  next.focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}

// --- deciding
function press(name) {
  const many = picked().length > 0;
  const form = many ? bulk : current()?.querySelector(".decide-one") ?? document.querySelector(".one .decide-one");
  if (!form) return false;
  if (name !== "reject") return click(form.querySelector(`button[name=action][value=${name}]`));
  const why = form.querySelector(".why");
  if (!why) return false;
  why.open = true;
  why.querySelector("button[name=reject]:not([value=''])").focus();
  return true;
}

function click(button) {
  button?.click();
  return Boolean(button);
}

const DECISIONS = { a: "accept", r: "reject", s: "skip" };
const STEPS = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };

function act(key, shift) {
  if (key in STEPS && bulk) return move(STEPS[key], shift);
  if (key in DECISIONS) return press(DECISIONS[key]);
  const card = current();
  if (key === "x" && card) return pick([card], !box(card).checked), (anchor = card), true;
  if (key === "o" && card) return click(card.querySelector(".thumb"));
  return false;
}

function inReasons(why, key) {
  const buttons = [...why.querySelectorAll("button.bare")];
  if (key === "Escape") return close(why), true;
  if (/^[1-9]$/.test(key)) return click(buttons[key - 1]);
  const at = buttons.indexOf(document.activeElement);
  if (key === "ArrowDown" || key === "ArrowUp") return buttons[at + STEPS[key]]?.focus(), true;
  return false;
}

function close(why) {
  why.open = false;
  (why.closest(".candidate") ?? why.querySelector("summary")).focus();
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const why = event.target.closest?.(".why[open]");
  if (why && (key === "Escape" || !isWriting(event.target))) {
    if (inReasons(why, key)) event.preventDefault();
    return;
  }
  if (key === "Escape" && page.classList.contains("selecting")) return pick(cards(), false);
  if (isWriting(event.target) || (key.length === 1 && !singleKeys())) return;
  if (key.startsWith("Arrow") && !event.shiftKey && document.activeElement !== document.body && !current()) return;
  if (act(key, event.shiftKey)) event.preventDefault();
}, { capture: true }); // before the keys that every page has

addEventListener("pointerdown", (event) => {
  for (const why of document.querySelectorAll(".why[open]")) if (!why.contains(event.target)) why.open = false;
});

// --- what has been decided
// One field with all marks: a form has room for fewer boxes than a selection.
addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt !== bulk) return;
  event.detail.parameters.delete?.("candidate");
  event.detail.parameters.set?.("candidate", picked().map((card) => box(card).value).join(","));
});

// Somebody else was faster, or nothing was chosen: the sentence stands where the others do.
addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  if (target !== place || ![400, 403, 404, 409, 410].includes(xhr.status)) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});

function drop(tokens) {
  const all = cards();
  const gone = new Set(tokens);
  const stays = (card) => !gone.has(card.dataset.token);
  const first = all.findIndex((card) => !stays(card));
  if (first < 0) return;
  const next = all.slice(first).find(stays) ?? all.findLast(stays);
  for (const card of all) if (!stays(card)) card.remove();
  anchor = null;
  next?.focus();
}

/** Cards that come back stand once, and the first of them is where the reader goes on. */
function bring(before) {
  const back = cards().filter((card) => !before.has(card));
  for (const card of back) {
    const old = cards().find((other) => other !== card && other.dataset.token === card.dataset.token);
    old?.remove();
  }
  back[0]?.focus();
}

let before = null; // the cards, from the answer until its words stand
addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target === place) before = new Set(cards());
});

addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target !== place || !before) return; // it is told of each part of an answer
  const old = before;
  before = null;
  const said = place.querySelector("[data-said]");
  if (!said) return place.querySelector("[autofocus]")?.focus();
  if (said.dataset.gone) drop(said.dataset.gone.split(","));
  bring(old);
  show();
  if (cards().length) return;
  const onward = document.querySelector(".onward a");
  if (onward) onward.click();
  else if (!said.matches(".bad")) location.reload();
});

addEventListener("pageshow", () => pick(cards(), false)); // browsers would tick the boxes again
