// The drop zone of the import page and of an empty gallery.
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
  const waiting = [];
  let running = 0;

  function push(file, line) {
    waiting.push([file, line]);
    tally.expect();
    while (running < Number(root.dataset.limit) && waiting.length) work();
  }

  async function work() {
    running += 1;
    while (waiting.length) {
      const [file, again] = waiting.shift();
      const line = again ?? blank();
      line.querySelector("[data-retry]").onclick = () => {
        tally.forget("failed");
        push(file, line);
      };
      const state = await upload(file, line, address);
      tally.count(state);
      if (state === "stored") document.body.dispatchEvent(new Event("uploaded"));
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
    async take(files) {
      for await (const file of files) push(file);
    },
  };
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
