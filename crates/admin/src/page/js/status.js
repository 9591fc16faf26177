// The panels of the Stream Manager, the proxy and its certificates.

import { define, fill, one } from "./dom.js";
import { figures } from "./figures.js";
import { clock, count, figure, span } from "./words.js";
import { show } from "./verdict.js";

export function status(now) {
  show(now);
  figures(now);
  const build = [now.version, now.revision].filter(Boolean).join(" ");
  one("#about").textContent = `${build} · up ${span(now.now_at - now.started_at)}`;
  manager(now.manager, now.cache);
  proxy(now);
  certificates(now.certificates);
  one("#log-now").textContent = now.log_level.until_at
    ? `${now.log_level.now}, for ${span(now.log_level.until_at - now.now_at)} more`
    : now.log_level.now;
}

function manager({ url, api, state, breaker, last_answer_ms: last, last_error: error, last_error_at: at, failing_since_at: since, login, node_list: list }, cache) {
  // While the breaker is closed, lookups are still sent and may be answered.
  const down = breaker === "open" ? "bad" : "warn";
  const tone = { answering: "good", failing: down }[state];
  const rows = [
    ["State", { unknown: "no call yet", failing: since ? `down since ${clock(since)}` : "down" }[state] ?? state, tone],
    ["Address", url],
    ["Generation", api === "2" ? "2.0" : "1.x"],
    ["Circuit breaker", breaker === "open" ? "open: serving cached lookups, probing every second" : "closed", breaker === "open" ? "bad" : ""],
    ["Last answer took", last == null ? "–" : span(last)],
    ["Cache", `${count(cache.entries, "lookup")}${cache.hit_rate == null ? "" : `, ${figure(cache.hit_rate * 100)} % hits`}`],
  ];
  if (error) rows.push(["Last error", at ? `${error}, at ${clock(at)}` : error, state === "failing" ? down : ""]);
  if (login) rows.push(["Login", login.error ? `${login.state}: ${login.error}` : login.state, login.error ? "bad" : "good"]);
  if (list) rows.push(["List of nodes", list.error ? `${list.state}: ${list.error}` : count(list.nodes, "node"), list.error ? "warn" : ""]);
  define(one("#manager"), rows);
}

function proxy({ listeners, sessions, requests, config_file: file, reloads }) {
  const rows = [
    ["Requests", `${count(requests.in_flight, "request")} in flight, ${requests.total.toLocaleString("en")} since the start`],
    ["WebSockets", sessions.limit_sockets ? `${figure(sessions.sockets)} of ${figure(sessions.limit_sockets)}` : figure(sessions.sockets)],
    ["WHIP and WHEP", figure(sessions.http)],
    ["HTTPS on", listeners.https.join(", ") || "–"],
  ];
  if (listeners.http.length) rows.push(["HTTP on", listeners.http.join(", ")]);
  rows.push(["Configuration", file ?? "no file"]);
  if (reloads?.last_at) rows.push(["Last reload", `${reloads.last_result}, ${new Date(reloads.last_at).toLocaleString("en-GB")}`, reloads.last_result === "failed" ? "bad" : ""]);
  define(one("#process"), rows);
}

function certificates(all) {
  const rows = all.map(({ file, names, days_left: days }) => ({
    key: file,
    cells: [
      { text: names.join(", ") || "–", is: "name" },
      { text: file, is: "address" },
      { text: left(days), is: "number", tone: tone(days) },
    ],
  }));
  fill(one("#certificates"), rows, "None: no address is served over TLS.");
}

function left(days) {
  if (days == null) return "unknown";
  return days < 0 ? "expired" : figure(days);
}

function tone(days) {
  if (days == null) return "warn";
  if (days < 0) return "bad";
  return days < 14 ? "warn" : "";
}
