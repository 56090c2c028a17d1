// What is dropped anywhere on the page, files or the address of a picture: the overlay, and whom they go to.
import { isWriting } from "./page.js";

let own = false; // a picture of this very page is being dragged
addEventListener("dragstart", () => (own = true));
addEventListener("dragend", () => (own = false));

/** Calls take(dataTransfer) for files dropped anywhere, while wanted() says so; also for an address, if addresses. */
export function watchDrops(take, wanted, { addresses = false } = {}) {
  const overlay = document.getElementById("drop");
  const holds = (types, place) => types.includes("Files") || (addresses && types.includes("text/uri-list") && !isWriting(place));
  const concerns = (event) => !own && wanted() && holds(event.dataTransfer?.types ?? [], event.target);

  addEventListener("dragover", (event) => {
    if (!concerns(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    overlay.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) overlay.hidden = true;
  });
  addEventListener("drop", (event) => {
    overlay.hidden = true;
    if (!concerns(event)) return;
    event.preventDefault();
    take(event.dataTransfer);
  });
}

/** The address of a picture in what was dropped: of the <img> itself, where a link lies around it; "" if there is none. */
export function addressIn(transfer) {
  const pictures = new DOMParser().parseFromString(transfer.getData("text/html"), "text/html").images;
  const source = pictures.length === 1 ? (pictures[0].getAttribute("src") ?? "") : "";
  if (isAddress(source)) return source;
  const lines = transfer.getData("text/uri-list").split(/\r?\n/);
  return lines.find((line) => isAddress(line)) ?? "";
}

/** One web address and nothing else. */
export const isAddress = (text) => /^https?:\/\/[^\s]+$/i.test(text);
