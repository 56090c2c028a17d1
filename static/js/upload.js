// One file on its way to the gallery: its line, its bar, and the server's line when it has arrived.
import { token } from "./page.js";

const LONGEST_WAIT = 900; // seconds; what takes longer is said instead

/**
 * Uploads the file and shows it in its line. policy: { edits: what to do if it is here in another form (hold, keep,
 * skip), isPrivate: only for who uploads it }.
 * Resolves to the line's data-state: stored, known, held, skipped, refused or failed.
 */
export async function upload(file, line, address, policy) {
  line.dataset.state = "uploading";
  delete line.dataset.attention;
  line.querySelector("[data-retry]").hidden = true;
  line.querySelector(".name").textContent = line.querySelector(".name").title = file.name;
  const bar = line.querySelector("progress");
  bar.hidden = false;
  const answer = await sent(file, line, address, policy, bar);
  const result = lineOf(answer);
  if (!result) return fail(line, answer.detail ?? "The connection broke off.");
  if (result.id) document.getElementById(result.id)?.remove(); // the same bytes wait already, further down
  line.replaceWith(result);
  window.htmx?.process(result);
  return result.dataset.state;
}

/** Who has sent enough for now waits and goes on. */
async function sent(file, line, address, policy, bar) {
  for (;;) {
    word(line, "uploading…");
    const answer = await send(file, address, policy, (share) => {
      bar.value = share;
      if (share === 1) word(line, "being looked at…");
    });
    if (!answer.wait || answer.wait > LONGEST_WAIT) return answer;
    word(line, `waiting: the gallery takes more in ${answer.wait} seconds`);
    await new Promise((done) => setTimeout(done, 1000 * answer.wait));
  }
}

function send(file, address, { edits, isPrivate }, progress) {
  return new Promise((done) => {
    const request = new XMLHttpRequest(); // fetch cannot tell how far an upload is
    request.open("POST", address);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name.toWellFormed?.() ?? file.name));
    request.setRequestHeader("X-Edits", edits);
    if (isPrivate) request.setRequestHeader("X-Private", "1");
    request.setRequestHeader("X-CSRFToken", token());
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => done({ html: request.responseText, detail: detailOf(request), wait: waitOf(request) });
    request.onerror = request.onabort = () => done({});
    request.send(file);
  });
}

const waitOf = (request) => (request.status === 429 ? Number(request.getResponseHeader("Retry-After")) || 60 : 0);

function detailOf(request) {
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return `The gallery could not take it now (${request.status}).`;
  }
}

function lineOf({ html }) {
  if (!html) return null;
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector("li.line");
}

function fail(line, detail) {
  word(line, detail);
  line.querySelector(".result").classList.add("bad");
  line.querySelector("progress").hidden = true;
  line.querySelector("[data-retry]").hidden = false;
  line.dataset.attention = "";
  return (line.dataset.state = "failed");
}

function word(line, text) {
  const result = line.querySelector(".result");
  result.classList.remove("bad");
  result.textContent = text;
}
