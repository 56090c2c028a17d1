// Suggestions under a search box and under fields that take a tag: a combobox with a list, as ARIA 1.2 describes it.
// The keyboard stays in the field; which suggestion is meant is said by aria-activedescendant.

const FIELDS = "#asking, #q, #add-tag, [data-complete]";
const PAUSE = 90; // ms without a key before the gallery is asked
const list = document.createElement("ul");
list.id = "completions";
list.className = "completions";
list.role = "listbox";
list.ariaLabel = "Suggestions";
list.hidden = true;

let field = null;
let found = [];
let active = -1;
let timer = 0;
let asking = null;
let refusedFor = null; // what stood in the field when Escape closed the list

const onlyTags = (input) => input.id === "add-tag" || input.dataset.complete === "tags";

// The gallery counts characters, the browser counts halves of some of them.
const characters = (text, units) => [...text.slice(0, units)].length;
const units = (text, count) => [...text].slice(0, count).join("").length;

addEventListener("focusin", (event) => {
  if (event.target.matches?.(FIELDS)) begin(event.target);
});

function begin(input) {
  if (input.role === "combobox") return;
  input.role = "combobox";
  input.autocomplete = "off";
  input.ariaAutoComplete = "list";
  input.ariaExpanded = "false";
  input.setAttribute("aria-controls", list.id);
  input.addEventListener("input", () => soon(input));
  input.addEventListener("keydown", pressed);
  input.addEventListener("blur", close);
}

function soon(input) {
  field = input;
  refusedFor = null;
  clearTimeout(timer);
  asking?.abort();
  if (!input.value.trim()) return close();
  timer = setTimeout(() => ask(input), PAUSE);
}

async function ask(input) {
  const written = input.value;
  const query = new URLSearchParams({ q: written, at: characters(written, input.selectionStart ?? written.length) });
  if (onlyTags(input)) query.set("for", "tags");
  asking = new AbortController();
  try {
    const response = await fetch(`${document.body.dataset.search}complete/?${query}`, { signal: asking.signal });
    if (!response.ok) return close();
    const { suggestions } = await response.json();
    if (input.value !== written || document.activeElement !== input || refusedFor === written) return;
    show(input, suggestions);
  } catch {
    // aborted by the next letter, or the gallery is away: then there are no suggestions
  }
}

function show(input, suggestions) {
  // What is written in full already needs no suggestion.
  found = suggestions.filter((one) => suggestions.length > 1 || fitted(input.value, one).trim() !== input.value.trim());
  if (!found.length) return close();
  list.replaceChildren(...found.map(option));
  const layer = input.closest("dialog") ?? document.body;
  if (list.parentElement !== layer) layer.append(list);
  list.hidden = false;
  input.ariaExpanded = "true";
  mark(-1);
  place();
}

function option(one, index) {
  const item = document.createElement("li");
  item.id = `completion-${index}`;
  item.role = "option";
  item.ariaSelected = "false";
  const name = piece("what", one.said ? `${one.said} → ${one.label}` : one.label);
  item.append(name);
  if (one.note) item.append(piece("note-of", one.note));
  if (one.count !== undefined) item.append(piece("number", one.count.toLocaleString("en")));
  item.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the keyboard
  item.addEventListener("click", () => take(index));
  return item;
}

function piece(kind, text) {
  const span = document.createElement("span");
  span.className = kind;
  span.textContent = text;
  return span;
}

function place() {
  if (list.hidden || !field) return;
  const box = field.getBoundingClientRect();
  const width = Math.min(Math.max(box.width, 280), innerWidth - 16);
  list.style.width = `${width}px`;
  list.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  list.style.top = `${box.bottom + 4}px`;
  list.style.maxHeight = `${Math.max(132, innerHeight - box.bottom - 12)}px`;
}

function mark(index) {
  active = index;
  [...list.children].forEach((item, place) => (item.ariaSelected = String(place === index)));
  if (index < 0) return field.removeAttribute("aria-activedescendant");
  field.setAttribute("aria-activedescendant", list.children[index].id);
  list.children[index].scrollIntoView({ block: "nearest" });
}

function close() {
  clearTimeout(timer);
  asking?.abort();
  if (list.hidden) return;
  list.hidden = true;
  found = [];
  active = -1;
  field.ariaExpanded = "false";
  field.removeAttribute("aria-activedescendant");
}

function pressed(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (list.hidden) {
    if (event.key === "ArrowDown" && event.target.value.trim()) {
      event.preventDefault();
      soon(event.target);
    }
    return;
  }
  const keys = {
    ArrowDown: () => mark(active + 1 < found.length ? active + 1 : -1),
    ArrowUp: () => mark(active < 0 ? found.length - 1 : active - 1),
    Escape: () => {
      refusedFor = field.value;
      close();
    },
  };
  if (active >= 0 && !event.shiftKey) Object.assign(keys, { Enter: () => take(active), Tab: () => take(active) });
  if (!keys[event.key]) {
    if (event.key === "Enter") close();
    return;
  }
  event.preventDefault();
  event.stopPropagation();
  keys[event.key]();
}

function fitted(written, one) {
  return written.slice(0, units(written, one.start)) + one.text + written.slice(units(written, one.end));
}

function take(index) {
  const one = found[index];
  const input = field;
  const after = input.value.slice(units(input.value, one.end));
  const ends = units(input.value, one.start) + one.text.length;
  const more = one.kind === "field"; // its value comes next
  const room = !more && !onlyTags(input) && !/^[\s)|,&]/.test(after) ? " " : "";
  input.value = fitted(input.value, { ...one, text: one.text + room });
  input.setSelectionRange(ends + room.length, ends + room.length);
  close();
  if (more) soon(input);
}

addEventListener("resize", place);
addEventListener("scroll", place, { passive: true, capture: true });
addEventListener("pagehide", close);
if (document.activeElement?.matches(FIELDS)) begin(document.activeElement);
