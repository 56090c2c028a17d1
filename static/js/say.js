// Short words at the foot of the window, read aloud by screen readers.
import { icon } from "./page.js";

const STAYS = 6000;

/** Says a sentence; errors stay until they are closed, busy ones until the caller closes them. Returns {close}. */
export function say(sentence, { bad = false, busy = false } = {}) {
  const place = document.getElementById(bad ? "says-alert" : "says-status");
  for (const other of place.children) if (other.textContent.trim() === sentence) other.remove();
  const box = document.createElement("div");
  box.className = "say";
  box.append(busy ? spinner() : icon(bad ? "warning" : "yes"), paragraph(sentence));
  const close = () => box.remove();
  if (!busy) box.append(closer(close));
  if (!busy && !bad) setTimeout(close, STAYS);
  place.append(box);
  return { close };
}

function spinner() {
  const turning = document.createElement("span");
  turning.className = "spinner";
  return turning;
}

function paragraph(sentence) {
  const words = document.createElement("p");
  words.textContent = sentence;
  return words;
}

function closer(close) {
  const button = document.createElement("button");
  button.type = "button";
  button.ariaLabel = "Close";
  button.append(icon("close"));
  button.addEventListener("click", close);
  return button;
}

// A page that comes back from the browser's memory starts silent.
addEventListener("pagehide", () => document.querySelectorAll(".say").forEach((box) => box.remove()));
