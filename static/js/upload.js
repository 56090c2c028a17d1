// One file on its way to the gallery: its line, its bar, and the server's line when it has arrived.
import { token } from "./page.js";

/**
 * Uploads the file and shows it in its line; edits: what to do if it is here in another form (hold, keep, skip).
 * Resolves to the line's data-state: stored, known, held, skipped, refused or failed.
 */
export async function upload(file, line, address, edits) {
  line.dataset.state = "uploading";
  delete line.dataset.attention;
  line.querySelector("[data-retry]").hidden = true;
  line.querySelector(".name").textContent = line.querySelector(".name").title = file.name;
  const bar = line.querySelector("progress");
  bar.hidden = false;
  word(line, "uploading…");
  const answer = await send(file, address, edits, (share) => {
    bar.value = share;
    if (share === 1) word(line, "being looked at…");
  });
  const result = lineOf(answer);
  if (!result) return fail(line, answer.detail ?? "The connection broke off.");
  if (result.id) document.getElementById(result.id)?.remove(); // the same bytes wait already, further down
  line.replaceWith(result);
  window.htmx?.process(result);
  return result.dataset.state;
}

function send(file, address, edits, progress) {
  return new Promise((done) => {
    const request = new XMLHttpRequest(); // fetch cannot tell how far an upload is
    request.open("POST", address);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name.toWellFormed?.() ?? file.name));
    request.setRequestHeader("X-Edits", edits);
    request.setRequestHeader("X-CSRFToken", token());
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => done({ html: request.responseText, detail: detailOf(request) });
    request.onerror = request.onabort = () => done({});
    request.send(file);
  });
}

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
