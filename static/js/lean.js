// Fields that say nothing stay out of the address of an answer.
function idle(form) {
  return [...form.elements].filter((field) => field.name && !field.value);
}

addEventListener("submit", (event) => {
  if (!event.target.matches("[data-lean]")) return;
  const fields = idle(event.target);
  fields.forEach((field) => (field.disabled = true));
  setTimeout(() => fields.forEach((field) => (field.disabled = false))); // whoever comes back wants to write in them
});
