// How many of the files are through, and what became of them.
import { count } from "./page.js";

const WORDS = {
  stored: "stored",
  known: "already here",
  held: "waiting for your decision",
  skipped: "skipped",
  dropped: "not stored",
  refused: "refused",
  failed: "not uploaded",
};

export function tallyOf(root) {
  const box = root.querySelector(".tally");
  const bar = box.querySelector("progress");
  const states = Object.fromEntries(Object.keys(WORDS).map((state) => [state, 0]));
  let expected = 0;

  const sum = () => Object.entries(states).filter(([, n]) => n).map(([state, n]) => `${n.toLocaleString("en")} ${WORDS[state]}`).join(", ");

  function show() {
    const done = Object.values(states).reduce((a, b) => a + b, 0);
    box.hidden = false;
    bar.max = expected;
    bar.value = done;
    box.querySelector("[data-total]").textContent = done < expected ? `${done.toLocaleString("en")} of ${count(expected, "file")}` : count(expected, "file");
    box.querySelector("[data-sum]").textContent = sum();
    // Aloud only when all are through: a thousand lines would never end.
    root.querySelector("[data-status]").textContent = done === expected ? `${count(expected, "file")}: ${sum()}.` : "";
  }

  return {
    expect() {
      expected += 1;
      show();
    },
    count(state) {
      states[state] += 1;
      show();
    },
    /** What was held has been decided on, or waits again. */
    move(before, after) {
      if (!states[before] || !(after in states)) return;
      states[before] -= 1;
      states[after] += 1;
      show();
    },
    /** A file is tried again: it is counted anew. */
    forget(state) {
      states[state] -= 1;
      expected -= 1;
    },
  };
}
