// On every page.
import "./ask.js";
import "./copy.js";
import "./keys.js";
import { say } from "./say.js";

function failed(event) {
  const strip = event.detail.target?.closest?.(".strip-body");
  if (strip) {
    strip.querySelector(".ghosts")?.remove();
    strip.querySelector(".unscripted")?.classList.remove("unscripted"); // its plain link, to try again
  }
  say("Part of this page could not be loaded. Check the connection and reload it.", { bad: true });
}

addEventListener("htmx:responseError", failed);
addEventListener("htmx:sendError", failed);
