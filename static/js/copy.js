// Buttons that copy their data-copy.
import { say } from "./say.js";

addEventListener("click", async (event) => {
  const text = event.target.closest?.("[data-copy]")?.dataset.copy;
  if (text === undefined) return;
  if (await copied(text)) say("Copied.");
  else say("Your browser does not let this page copy: select the text and copy it yourself.", { bad: true });
});

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedTheOldWay(text); // the clipboard is only there on https and localhost
  }
}

function copiedTheOldWay(text) {
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
