// The nodes, and the cached lookups.

import { change, read, surely } from "./ask.js";
import { fill, one } from "./dom.js";
import { clock, count, figure, span } from "./words.js";

const MOST_LOOKUPS = 100;
const MOST_NODES = 10;

export async function nodes() {
  const { nodes, total } = await read("nodes");
  one("#nodes-count").textContent = nodes.length > MOST_NODES ? `${MOST_NODES} of ${figure(total)}` : "";
  // What needs a look comes first.
  const rank = ({ state }) => (state === "healthy" ? 1 : 0);
  const first = nodes.toSorted((a, b) => rank(a) - rank(b)).slice(0, MOST_NODES);
  fill(one("#nodes"), first.map(node), "None yet: no lookup since the start.");
}

function node({ address, state, sessions, connect_p50_ms: half, connect_p99_ms: most, last_error: error, ejected_for_seconds: out, unhealthy_since_at: since }) {
  const left = out == null ? state : `${state}, ${span(out * 1000)} more`;
  const says = since == null ? left : `${left}, since ${clock(since)}`;
  return {
    key: address,
    cells: [
      { text: address, is: "address" },
      { text: says, tone: out == null ? (since == null ? "good" : "warn") : "bad" },
      { text: sessions == null ? "–" : figure(sessions), is: "number" },
      { text: half == null ? "–" : span(half), is: "number" },
      { text: most == null ? "–" : span(most), is: "number" },
      { text: error ?? "–", is: "said" },
    ],
  };
}

export async function lookups() {
  const { total, lookups } = await read("lookups");
  one("#lookups-count").textContent = total > MOST_LOOKUPS ? `${MOST_LOOKUPS} of ${figure(total)}` : count(total, "lookup");
  one("#forget").disabled = total === 0;
  fill(one("#lookups"), lookups.slice(0, MOST_LOOKUPS).map(lookup), "No cached lookups.");
}

function lookup({ role, stream, hints, network, answer, state, candidates }) {
  const cut = stream.lastIndexOf("/");
  const key = { scope: stream.slice(0, Math.max(cut, 0)), stream: stream.slice(cut + 1) };
  return {
    key: [role, stream, ...hints, network ?? ""].join(" "),
    cells: [
      { text: stream, is: "name" },
      { text: [role, ...hints, ...(network ? [network] : [])].join(", ") },
      { text: candidates.join(", ") || answer.replaceAll("_", " "), is: "address" },
      { text: state },
    ],
    button: {
      text: "Drop",
      label: `Drop the cached lookup of ${stream}`,
      press: () => surely({
        what: `Drop the cached lookup of ${stream}? The next client asks the Stream Manager; active sessions stay.`,
        verb: "Drop it",
        act: () => change("lookups/forget", key),
        done: ({ forgotten }) => `${count(forgotten, "lookup")} dropped.`,
      }),
    },
  };
}
