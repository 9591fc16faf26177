// The page: each event of `/events` refreshes the tables, while the page is visible.

import { attempt, change, notice, read, surely } from "./ask.js";
import { Charts } from "./charts.js";
import { one } from "./dom.js";
import { lookups, nodes } from "./nodes.js";
import { recent } from "./recent.js";
import { Sessions } from "./sessions.js";
import { status } from "./status.js";
import { Streams } from "./streams.js";
import { clock } from "./words.js";

const LOST = "Connection to the proxy lost; reconnecting.";
const charts = new Charts();
const sessions = new Sessions();
const streams = new Streams((name) => sessions.only(name));
let lost = false;

async function tables() {
  if (document.hidden) return;
  const asked = await Promise.allSettled([sessions.refresh(), streams.refresh(), nodes(), lookups(), recent()]);
  const failed = asked.find(({ status }) => status === "rejected");
  // An unreachable proxy is reported below, once.
  if (failed && !lost && !(failed.reason instanceof TypeError)) notice(failed.reason.message, "bad");
}

async function begin() {
  status(await read("status"));
  charts.begin(await read("history"));
  await tables();
}

/** One refresh at a time: slow answers must not pile up requests. */
let busy = false;
async function tick() {
  if (busy) return;
  busy = true;
  await tables();
  busy = false;
}

const events = new EventSource("events");
events.addEventListener("open", () => {
  if (lost) notice("", "good");
  lost = false;
  // Reload everything that was missed.
  begin().catch((error) => notice(error.message, "bad"));
});
events.addEventListener("status", ({ data }) => {
  status(JSON.parse(data));
  tick();
});
events.addEventListener("history", ({ data }) => charts.add(JSON.parse(data)));
events.addEventListener("error", () => {
  lost = true;
  one("#verdict").dataset.tone = "bad";
  one("#verdict-word").textContent = "No answer";
  one("#verdict-why").replaceChildren();
  notice(LOST, "bad");
});
document.addEventListener("visibilitychange", tick);

// On a phone the details are folded, so that what matters fits on a few screens.
const wide = matchMedia("(min-width: 44.01rem)");
function fold() {
  for (const panel of document.querySelectorAll("details[data-wide]")) panel.open = wide.matches;
}
wide.addEventListener("change", fold);
fold();
const zone = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts().find(({ type }) => type === "timeZoneName");
one("#zone").textContent = `times in ${zone?.value ?? "local time"}`;

one("#copy").addEventListener("click", () => attempt(async () => {
  const causes = [...document.querySelectorAll("#verdict-why li")].map((line) => `- ${line.textContent}`);
  await navigator.clipboard.writeText([document.title, ...causes, location.href].join("\n"));
}, () => "Copied."));

one("#reload").addEventListener("click", () => attempt(() => change("reload"), (parts) => Object.entries(parts)
  .map(([part, result]) => `${part.replaceAll("_", " ")}: ${result}`)
  .join(", ")));

one("#drain").addEventListener("click", () => surely({
  what: "Drain this proxy? It accepts no new clients, closes every WebSocket, and needs a restart to serve again.",
  verb: "Drain",
  act: () => change("drain"),
  done: ({ deadline_at: end }) => `Draining, until ${clock(end)} at the latest.`,
}));

one("#forget").addEventListener("click", () => surely({
  what: "Drop all cached lookups? The Stream Manager is asked again for every stream; active sessions stay.",
  verb: "Drop all",
  act: () => change("lookups/forget"),
  done: ({ forgotten }) => `${forgotten} dropped.`,
}));

one("#log").addEventListener("submit", (event) => {
  event.preventDefault();
  const { level, for: span } = event.target.elements;
  attempt(() => change("log-level", { level: level.value, for_ms: Number(span.value) }), ({ now, until_at: end }) => `Log level ${now} until ${clock(end)}.`);
});
