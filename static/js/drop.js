// Files dropped anywhere on the page: the overlay, and whom they go to.

let own = false; // a picture of this very page is being dragged
addEventListener("dragstart", () => (own = true));
addEventListener("dragend", () => (own = false));

/** Calls take(dataTransfer) for files dropped anywhere, while wanted() says so. */
export function watchDrops(take, wanted) {
  const overlay = document.getElementById("drop");
  const concerns = (event) => !own && wanted() && event.dataTransfer?.types.includes("Files");

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
