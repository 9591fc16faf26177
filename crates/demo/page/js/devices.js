// Which camera and microphone: two lists that follow what is plugged in.

const KINDS = { camera: "videoinput", microphone: "audioinput" };

/** @param {HTMLFormElement} form  Keeps its lists up to date. */
export function devices(form) {
  if (!navigator.mediaDevices) return;
  const refresh = async () => {
    const found = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    for (const [name, kind] of Object.entries(KINDS)) fill(form.elements[name], found.filter((device) => device.kind === kind));
  };
  navigator.mediaDevices.addEventListener("devicechange", refresh);
  // Names are told once the camera was allowed.
  document.addEventListener("whipstitch:source", refresh);
  refresh();
}

/** Says that a source was opened. */
export function opened() {
  document.dispatchEvent(new Event("whipstitch:source"));
}

function fill(list, found) {
  const chosen = list.value;
  const named = found.filter(({ deviceId, label }) => deviceId && label);
  list.replaceChildren(new Option("Default", ""), ...named.filter(({ deviceId }) => deviceId !== "default").map(({ deviceId, label }) => new Option(label, deviceId)));
  if (named.some(({ deviceId }) => deviceId === chosen)) list.value = chosen;
}
