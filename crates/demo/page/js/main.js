// Puts the page together.

import { Panel } from "./panel.js";
import { settings } from "./settings.js";

const read = settings(document.getElementById("settings"));
const panels = ["publish", "play"].map((role) => new Panel(document.getElementById(role), role, read));

// Leaving ends the sessions, so that the names are free at once.
addEventListener("pagehide", () => panels.forEach((panel) => panel.attempt && panel.stop()));

document.getElementById("arrival").textContent = arrival();
document.documentElement.dataset.ready = "true";

/** How this page itself came: what the browser and the proxy agreed on. */
function arrival() {
  const protocol = performance.getEntriesByType("navigation")[0]?.nextHopProtocol ?? "";
  const name = { h2: "HTTP/2", "http/1.1": "HTTP/1.1", h3: "HTTP/3" }[protocol] ?? protocol;
  const secure = location.protocol === "https:" ? "TLS" : "plain";
  return [location.host, name, secure].filter(Boolean).join(" · ");
}
