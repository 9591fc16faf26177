// The figures above the fold: what came of attempts to publish or play, and how long they took.

import { one } from "./dom.js";
import { count, figure, span } from "./words.js";

const percent = (share) => `${new Intl.NumberFormat("en", { maximumFractionDigits: 2 }).format(share * 100)} %`;

export function figures({ last_minute: minute, last_15_minutes: quarter, sessions }) {
  const all = ({ made, refused, failed }) => made + refused + failed;
  // With nothing in the last minute, the last quarter of an hour says more.
  const [shown, time] = all(minute) ? [minute, "in the last minute"] : [quarter, "in 15 minutes"];
  const tone = (share) => (share == null ? "" : share <= 0.5 ? "bad" : share < 0.9 ? "warn" : "good");
  set("success", shown.success_share == null ? "–" : percent(shown.success_share), all(shown) ? `${count(all(shown), "attempt")} ${time}` : "no attempts in 15 minutes", tone(shown.success_share));
  for (const name of ["p50", "p99"]) {
    const [now, long] = [shown[`${name}_ms`], quarter[`${name}_ms`]];
    set(name, now == null ? "–" : span(now), long == null ? "of attempts" : `15 minutes: ${span(long)}`);
  }
  set("now", figure(sessions.http + sessions.sockets), `${count(sessions.http, "WHIP/WHEP", "WHIP/WHEP")}, ${count(sessions.sockets, "WebSocket")}`);
}

function set(name, text, of, tone = "") {
  one(`#${name}`).textContent = text;
  one(`#${name}`).dataset.tone = tone;
  one(`#${name}-of`).textContent = of;
}
