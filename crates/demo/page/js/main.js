// Puts the page together.

import { Around } from "./around.js";
import { devices } from "./devices.js";
import { Panel } from "./panel.js";
import { settings } from "./settings.js";
import { isLoopback, Share } from "./share.js";

const form = document.getElementById("settings");
const read = settings(form);
const [publish, play] = ["publish", "play"].map((role) => new Panel(document.getElementById(role), role, read));
const share = new Share(read);
devices(form);
form.addEventListener("change", ({ target }) => ["source", "camera", "microphone"].includes(target.name) && publish.swap());

// Leaving ends the sessions, so that the names are free at once.
addEventListener("pagehide", () => [publish, play].forEach((panel) => panel.isWanted && panel.stop()));

new Around({
  watch(scope, stream) {
    form.elements.scope.value = scope;
    form.elements.stream.value = stream;
    form.dispatchEvent(new Event("change"));
    play.restart();
  },
  told({ statusPage, shared }) {
    share.shared = shared;
    const link = document.getElementById("status-page");
    // It listens on loopback only, so that it is no use elsewhere.
    link.hidden = !statusPage || !isLoopback();
    if (statusPage) link.href = statusPage;
  },
});

document.getElementById("arrival").textContent = arrival();
// The link of the Share button: a page that only plays.
if (new URLSearchParams(location.search).get("view") === "play") {
  document.documentElement.dataset.view = "play";
  play.start();
}
document.documentElement.dataset.ready = "true";

/** How this page itself came: what the browser and the proxy agreed on. */
function arrival() {
  const protocol = performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "";
  const name = { h2: "HTTP/2", "http/1.1": "HTTP/1.1", h3: "HTTP/3" }[protocol] ?? protocol;
  const secure = location.protocol === "https:" ? "TLS" : "plain";
  return [location.host, name, secure].filter(Boolean).join(" · ");
}
