// The form above the panels. It is kept in the address, so that a set-up can be bookmarked and sent to someone.

const KEYS = ["scope", "stream", "transport", "source"];

/** @param {HTMLFormElement} form */
export function settings(form) {
  const given = new URLSearchParams(location.search);
  for (const key of KEYS) {
    const field = form.elements[key];
    if (given.get(key)) field.value = given.get(key);
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => history.replaceState(null, "", `?${new URLSearchParams(read(form))}`));
  return () => (form.reportValidity() ? read(form) : null);
}

function read(form) {
  return Object.fromEntries(KEYS.map((key) => [key, form.elements[key].value.trim()]));
}
