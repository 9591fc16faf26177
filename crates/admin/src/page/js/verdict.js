// The verdict of `/status`, in a word, with its causes: what, since when, what to do.

import { one, make } from "./dom.js";
import { clock, count, span } from "./words.js";

const WORDS = { healthy: "Healthy", warning: "Warning", action_required: "Action required" };
const TONES = { healthy: "good", warning: "warn", action_required: "bad" };
const STATES = { starting: "Starting", draining: "Draining", drained: "Drained" };

/** Draws it. */
export function show(status) {
  const { state, verdict: { level, causes }, drain, log_level: log } = status;
  const word = STATES[state] ?? WORDS[level] ?? level;
  one("#verdict").dataset.tone = TONES[level] ?? "warn";
  const title = one("#verdict-word");
  if (title.textContent !== word) title.textContent = word;
  document.title = `${word} · Whipstitch`;
  const lines = causes.map(({ severity, text, action, since_at: since }) => {
    const ago = Math.max(0, status.now_at - since);
    const line = make("li", {}, `${text} `, make("span", { className: "since", textContent: `Since ${clock(since)} (${span(ago)}).` }), make("small", { textContent: action }));
    line.dataset.tone = TONES[severity];
    return line;
  });
  if (drain && !drain.outcome) {
    const rest = [count(drain.exchanges, "request"), count(drain.sockets, "WebSocket")].join(" and ");
    lines.push(make("li", { textContent: `Until ${clock(drain.deadline_at)} at the latest; ${rest} left.` }));
  }
  if (log.until_at) lines.push(make("li", { textContent: `Log level ${log.now} for ${span(log.until_at - status.now_at)} more` }));
  one("#verdict-why").replaceChildren(...lines);
  one("#drain").disabled = drain !== null;
}
