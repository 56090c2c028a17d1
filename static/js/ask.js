// Search by a picture, or by its address, that is pasted or dropped anywhere; or by one chosen on the search page.
import { addressIn, isAddress, watchDrops } from "./drop.js";
import { isImage, isWriting, token } from "./page.js";
import { say } from "./say.js";

let asking = false;

/** Sends the picture and goes to its answer; what is wrong with it is said. */
export function ask(file) {
  const body = new FormData();
  body.append("picture", file, file.name || "pasted.png");
  return post(document.body.dataset.search, body, "Looking for your picture…");
}

/** The same with the picture at an address, which the gallery fetches. */
export function askAddress(url) {
  const host = URL.parse?.(url)?.host ?? "there";
  return post(`${document.body.dataset.search}url/`, new URLSearchParams({ url }), `Fetching the picture from ${host}…`);
}

async function post(address, body, words) {
  if (asking) return;
  asking = true;
  const busy = say(words, { busy: true });
  const sentence = await send(address, body);
  asking = false;
  if (!sentence) return; // the answer is being opened
  busy.close();
  say(sentence, { bad: true });
}

async function send(address, body) {
  const headers = { Accept: "application/json", "X-CSRFToken": token() };
  try {
    const response = await fetch(address, { method: "POST", body, headers });
    const answer = await response.json().catch(() => ({}));
    if (answer.address) return void location.assign(answer.address);
    return answer.detail ?? `The gallery could not look for it now (${response.status}). Try it again in a moment.`;
  } catch {
    return "The gallery did not answer. Check the connection and try it again.";
  }
}

function askDropped(transfer) {
  const folder = [...transfer.items].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
  if (folder || transfer.files.length > 1) {
    say("Search takes one picture at a time. Many pictures and folders go to Import.", { bad: true });
  } else if (transfer.files.length) {
    ask(transfer.files[0]);
  } else if (addressIn(transfer)) {
    askAddress(addressIn(transfer));
  } else {
    say("There is no picture and no web address in what was dropped.", { bad: true });
  }
}

function askPasted(event) {
  const file = [...event.clipboardData.files].find(isImage);
  const text = event.clipboardData.getData("text/plain").trim();
  if (!file && isAddress(text) && !isWriting(event.target)) {
    event.preventDefault();
    askAddress(text);
    return;
  }
  // A copied table comes as text and as a picture of it: in a text field the text is meant.
  if (!file || (isWriting(event.target) && event.clipboardData.types.includes("text/plain"))) return;
  event.preventDefault();
  ask(file);
}

function askChosen(event) {
  const form = event.target.closest("[data-ask]");
  if (!form || !event.target.files?.length) return;
  ask(event.target.files[0]);
  form.reset();
}

addEventListener("paste", askPasted);
addEventListener("change", askChosen);
addEventListener("pageshow", () => (asking = false));
watchDrops(askDropped, () => !document.querySelector("[data-import]"), { addresses: true });
