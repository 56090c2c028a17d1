// The menu in the bar is open until something else is looked at.
const menu = document.querySelector(".menu");

addEventListener("pointerdown", (event) => {
  if (!menu.contains(event.target)) menu.open = false;
});

menu.addEventListener("focusout", (event) => {
  if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
});

menu.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
