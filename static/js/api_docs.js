// The forms of the page that explains the API: send what they hold, show what comes.

const token = document.querySelector("#token");
const csrf = document.querySelector("meta[name=csrf-token]").content;

for (const form of document.querySelectorAll(".operation form")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form);
  });
}

async function ask(form) {
  const answer = form.parentElement.querySelector(".answer");
  const button = form.querySelector("button");
  button.disabled = true;
  answer.textContent = "Asking …";
  try {
    await show(answer, await fetch(...request(form)));
  } catch (error) {
    answer.textContent = `No answer: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

function request(form) {
  const query = new URLSearchParams();
  const body = new FormData();
  const headers = token.value.trim() ? { Authorization: `Bearer ${token.value.trim()}` } : { "X-CSRFToken": csrf };
  let path = form.dataset.path;
  let sent = null;
  for (const field of form.querySelectorAll("[data-place]")) {
    const { place } = field.dataset;
    if (place === "json") {
      headers["Content-Type"] = "application/json";
      sent = field.value;
    } else if (place === "path") {
      path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    } else if (place === "query") {
      if (field.value) query.set(field.name, field.value);
    } else if (field.type === "file") {
      for (const file of field.files) body.append(field.name, file);
    } else if (field.value) {
      body.append(field.name, field.value);
    }
  }
  if (form.querySelector("[data-place=form]")) sent = body;
  const address = query.size ? `${path}?${query}` : path;
  return [address, { method: form.dataset.method, headers, body: sent }];
}

async function show(answer, response) {
  const kind = response.headers.get("Content-Type") || "";
  const head = document.createElement("p");
  head.textContent = `${response.status} ${response.statusText} · ${decodeURI(response.url)}`;
  const isText = /^text\/|json|xml/.test(kind);
  answer.replaceChildren(head, isText || !kind ? words(await response.text()) : file(await response.blob(), response.url));
}

/** Pictures are shown; all else is to be kept. */
function file(blob, address) {
  return blob.type.startsWith("image/") ? picture(blob) : link(blob, new URL(address).pathname.split("/").at(-1));
}

function link(blob, name) {
  const keep = document.createElement("a");
  keep.href = URL.createObjectURL(blob);
  keep.download = name;
  keep.textContent = `Keep the file (${blob.size.toLocaleString("en")} bytes)`;
  return keep;
}

function picture(blob) {
  const image = new Image();
  image.alt = "What came";
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  image.src = URL.createObjectURL(blob);
  return image;
}

function words(text) {
  const shown = document.createElement("pre");
  shown.className = "mono";
  try {
    shown.textContent = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    shown.textContent = text.slice(0, 20_000);
  }
  return shown;
}
