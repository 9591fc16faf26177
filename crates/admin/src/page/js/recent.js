// Recent errors and refusals.

import { read } from "./ask.js";
import { make, one } from "./dom.js";
import { clock } from "./words.js";

export async function recent() {
  const { errors, refusals } = await read("recent");
  list(one("#errors"), errors, "None since the start.");
  list(one("#refusals"), refusals, "None since the start.");
}

function list(element, events, empty) {
  const lines = events.map(({ at, kind, status, subject, stream, node, client, id }) => {
    const when = new Date(at);
    const about = [stream, node && `at ${node}`, client && `from ${client}`].filter(Boolean).join(" ");
    const time = make("time", { dateTime: when.toISOString(), textContent: clock(at), title: when.toLocaleString("en-GB") });
    const what = make("div", {}, make("strong", { textContent: kind ?? "answer of the node" }), ` ${status}, ${subject.replaceAll("_", " ")}`);
    if (about) what.append(make("p", { textContent: about }));
    if (id) what.append(make("p", {}, make("code", { textContent: id })));
    return make("li", {}, time, what);
  });
  element.replaceChildren(...(lines.length ? lines : [make("li", { className: "none", textContent: empty })]));
}
