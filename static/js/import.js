// The drop zone of the import page and of an empty gallery; the decisions on what is held.
import { watchDrops } from "./drop.js";
import { chosenFiles, droppedFiles } from "./files.js";
import { tallyOf } from "./tally.js";
import { upload } from "./upload.js";

const zones = new WeakMap();

function zoneOf(root) {
  if (!zones.has(root)) zones.set(root, open(root));
  return zones.get(root);
}

function open(root) {
  const address = root.querySelector("[data-upload]").dataset.upload;
  const lines = root.querySelector(".lines");
  const tally = tallyOf(root);
  const edits = root.querySelector("[name=edits]");
  const mine = root.querySelector("[name=private]"); // who has no account keeps nothing to oneself
  const waiting = [];
  let running = 0;

  // What was chosen when the file was dropped: the next batch may be told otherwise.
  const chosen = () => ({ edits: edits.value, isPrivate: Boolean(mine?.checked) });

  function push(file, line, policy = chosen()) {
    waiting.push([file, line, policy]);
    tally.expect();
    while (running < Number(root.dataset.limit) && waiting.length) work();
  }

  async function work() {
    running += 1;
    while (waiting.length) {
      const [file, again, policy] = waiting.shift();
      const line = again ?? blank();
      line.querySelector("[data-retry]").onclick = () => {
        tally.forget("failed");
        push(file, line, policy);
      };
      const state = await upload(file, line, address, policy);
      tally.count(state);
      if (state === "stored") tell("uploaded");
      if (state === "held") tell("held");
    }
    running -= 1;
  }

  // A line is made when its file's turn comes: a folder of 100,000 must not become 100,000 empty lines.
  function blank() {
    lines.append(root.querySelector("template[data-line]").content.cloneNode(true));
    return lines.lastElementChild;
  }

  root.querySelector("[data-attention]").addEventListener("change", (event) => {
    lines.classList.toggle("attention", event.target.checked);
  });
  addEventListener("beforeunload", (event) => {
    if (running) event.preventDefault();
  });
  return {
    tally,
    async take(files) {
      for await (const file of files) push(file);
    },
  };
}

const tell = (what) => document.body.dispatchEvent(new Event(what));

// A decision is answered by the line that takes the place of the question. One that was too late is no success: htmx
// would leave the page alone.
addEventListener("htmx:beforeSwap", ({ detail }) => {
  const { target, xhr } = detail;
  if (!target.matches?.(".line") || !/<li class="line/.test(xhr.responseText)) return;
  detail.shouldSwap = true;
  detail.isError = false;
  const list = target.parentElement;
  const place = [...list.children].indexOf(target);
  setTimeout(() => decided(list.children[place], target.dataset.state));
});

function decided(line, before) {
  const root = line.closest("[data-import]");
  if (root) zoneOf(root).tally.move(before, line.dataset.state);
  if (document.activeElement === document.body) line.focus(); // its button is gone
  tell("held");
  if (line.dataset.state === "stored") tell("uploaded");
}

watchDrops(
  (transfer) => zoneOf(document.querySelector("[data-import]")).take(droppedFiles(transfer)),
  () => Boolean(document.querySelector("[data-import]")),
);

addEventListener("change", async (event) => {
  const root = event.target.closest("[data-import]");
  if (!root || event.target.type !== "file") return;
  await zoneOf(root).take(chosenFiles(event.target));
  event.target.value = ""; // the same files can be chosen again
});
