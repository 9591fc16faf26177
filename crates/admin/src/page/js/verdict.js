// The overall state, in a word, with the reasons.

import { one, make } from "./dom.js";
import { clock, count, span } from "./words.js";

const SOON_DAYS = 14;
const FULL = 0.9;

/** `/status` in a word, with the reasons. */
export function verdict(status) {
  const reasons = [...troubles(status)];
  if (status.state === "drained") return { word: "Drained", tone: "warn", reasons };
  if (status.state === "draining") return { word: "Draining", tone: "warn", reasons };
  if (status.state !== "ready") return { word: "Starting", tone: "warn", reasons };
  const tone = ["bad", "warn"].find((tone) => reasons.some((reason) => reason.tone === tone)) ?? "good";
  const word = { bad: "Action required", warn: "Warning", good: "Healthy" }[tone];
  return { word, tone, reasons };
}

function* troubles({ drain, manager, certificates, sessions, reloads, log_level: log }) {
  if (drain) {
    const end = { whole: "everything ended by itself", cut: "the remaining requests and sessions were closed" }[drain.outcome];
    const rest = [count(drain.exchanges, "request"), count(drain.sockets, "WebSocket")].join(" and ");
    const text = end
      ? `Drained since ${clock(drain.began_at)}: ${end}. The process waits for its signal.`
      : `Draining since ${clock(drain.began_at)}, until ${clock(drain.deadline_at)} at the latest; ${rest} left`;
    yield { tone: "warn", text };
  }
  if (manager.breaker === "open" || manager.state === "failing") {
    const since = manager.failing_since_at ? ` since ${clock(manager.failing_since_at)}` : "";
    const cause = manager.last_error ? ` (${manager.last_error})` : "";
    const down = `The Stream Manager is down${since}${cause}`;
    yield manager.breaker === "open"
      ? { tone: "bad", text: `${down}. Cached lookups are served; new streams get 503 until it answers.` }
      : { tone: "warn", text: `${down}; lookups are still sent to it.` };
  }
  if (manager.login?.error) {
    yield { tone: "bad", text: `Login at the Stream Manager ${manager.login.state} since ${clock(manager.login.since_at)}: ${manager.login.error}. Nodes from lookups are served; host= and WebSockets to nodes that only other replicas know are refused.` };
  }
  for (const { names, days_left: days } of certificates) {
    const what = names[0] ?? "a certificate";
    if (days == null) yield { tone: "warn", text: `The end of the certificate of ${what} cannot be read` };
    else if (days < 0) yield { tone: "bad", text: `The certificate of ${what} has expired` };
    else if (days < SOON_DAYS) yield { tone: "warn", text: `The certificate of ${what} expires in ${count(days, "day")}` };
  }
  if (sessions.limit_sockets && sessions.sockets >= FULL * sessions.limit_sockets) {
    yield { tone: "warn", text: `${sessions.sockets} of ${sessions.limit_sockets} WebSocket sessions in use (limits.sockets)` };
  }
  if (reloads?.last_result === "failed") yield { tone: "warn", text: `The last reload, at ${clock(reloads.last_at)}, failed; the former configuration and files are still in use. The log says why.` };
  if (log?.until_at) yield { tone: "", text: `Log level ${log.now} for ${span(log.until_at - Date.now())} more` };
}

/** Draws it. */
export function show(status) {
  const { word, tone, reasons } = verdict(status);
  one("#verdict").dataset.tone = tone;
  const title = one("#verdict-word");
  if (title.textContent !== word) title.textContent = word;
  document.title = `${word} · Whipstitch`;
  const lines = reasons.map(({ text, tone }) => {
    const line = make("li", { textContent: text });
    line.dataset.tone = tone;
    return line;
  });
  one("#verdict-why").replaceChildren(...lines);
  one("#drain").disabled = status.drain !== null;
}
