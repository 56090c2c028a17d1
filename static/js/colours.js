// Colour pickers beside the text field; the text is what is sent, and what works without this file.
const MOST = 5;
const START = ["3f7fd0", "f0a33c", "3f8f3f", "d9362b", "7a4aa8"];

for (const form of document.querySelectorAll("[data-colours]")) {
  const text = form.querySelector("input[name=c]");
  const row = form.querySelector(".pickers");
  const add = document.createElement("button");
  Object.assign(add, { type: "button", className: "add-colour", textContent: "+", ariaLabel: "Add a colour" });
  add.addEventListener("click", () => {
    const input = picker(START[row.children.length - 1] ?? START[0]).querySelector("input");
    write();
    input.focus();
    input.showPicker?.();
  });
  row.append(add);

  function picker(hex) {
    const made = form.querySelector("template").content.cloneNode(true).firstElementChild;
    const input = made.querySelector("input");
    input.value = `#${hex}`;
    input.addEventListener("input", write);
    made.querySelector("button").addEventListener("click", () => {
      made.remove();
      write();
      add.focus();
    });
    add.before(made);
    return made;
  }

  /** The text follows the pickers. */
  function write() {
    const inputs = [...row.querySelectorAll("input")];
    text.value = inputs.map((input) => input.value.slice(1)).join(", ");
    inputs.forEach((input, i) => (input.ariaLabel = `Colour ${i + 1}, ${input.value}`));
    add.hidden = inputs.length >= MOST;
  }

  /** The pickers follow the text. */
  function read() {
    row.querySelectorAll(".picker").forEach((old) => old.remove());
    const hexes = text.value.split(/[\s,]+/).map((part) => part.replace("#", "").toLowerCase());
    for (const hex of hexes.slice(0, MOST)) {
      if (/^[0-9a-f]{6}$/.test(hex)) picker(hex);
      else if (/^[0-9a-f]{3}$/.test(hex)) picker([...hex].map((digit) => digit + digit).join(""));
    }
    add.hidden = row.querySelectorAll(".picker").length >= MOST;
  }

  text.addEventListener("input", read);
  read();
}
