// The form above the panels. It is kept in the address, so that a set-up can be bookmarked and sent to someone.

/** Of this machine only, so not in the address. */
const DEVICES = ["camera", "microphone"];
const KEYS = ["scope", "stream", "transport", "source", "region", "strict", "transcode"];

/** The variant that is published with a transcoder, and the one that is played: the smallest of the three it makes. */
const VARIANT = { publish: "_1", play: "_3" };

/** @param {HTMLFormElement} form */
export function settings(form) {
  const given = new URLSearchParams(location.search);
  for (const key of KEYS) {
    const field = form.elements[key];
    if (!given.get(key)) continue;
    if (field.type === "checkbox") field.checked = given.get(key) === field.value;
    else field.value = given.get(key);
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", () => history.replaceState(null, "", `?${new URLSearchParams(filled(form))}`));
  return () => (form.reportValidity() ? read(form) : null);
}

/**
 * The settings of one panel: with a transcoder, `stream` is a variant. `base` is the name that was typed.
 * @param {"publish" | "play"} role
 */
export function forRole(role, settings) {
  const variant = settings.transcode ? VARIANT[role] : "";
  return { ...settings, base: settings.stream, stream: settings.stream + variant };
}

function read(form) {
  return Object.fromEntries([...KEYS, ...DEVICES].map((key) => [key, value(form.elements[key])]));
}

function value(field) {
  if (field.type === "checkbox") return field.checked ? field.value : "";
  return field.value.trim();
}

/** Without what is empty. */
function filled(form) {
  return Object.entries(read(form)).filter(([key, value]) => value && KEYS.includes(key));
}
