// The words of a picture, and the page where lines are drawn.

// A refusal is shown where the words are, with what was typed. A whole page (somebody was signed out, the picture is in
// the trash) has no place there: what this page is by now says why.
addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  if (!target.matches("#words, #line")) return;
  if (/<html/i.test(xhr.responseText)) {
    event.detail.shouldSwap = false;
    location.reload();
    return;
  }
  if (![400, 403, 404, 409].includes(xhr.status)) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});

// The button that was pressed is gone: what it did is next, for the keyboard and for screen readers.
addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id === "words") document.querySelector("#words [data-focus]")?.focus();
});

// The slider and the number are one; before htmx asks what would be shown.
addEventListener("input", (event) => {
  const twin = document.getElementById(event.target.dataset?.twin);
  if (twin && event.target.validity.valid) twin.value = event.target.value;
}, { capture: true });
