// Recent errors and refusals.

import { read } from "./ask.js";
import { make, one } from "./dom.js";
import { clock, figure } from "./words.js";

/** Problems that are listed of a kind; the log and the metrics have all. */
const MOST = 3;

export async function recent() {
  const { errors, refusals, problems } = await read("recent");
  // An error is ours or a node's; a refusal is the client's to mend.
  const failed = ({ status }) => status >= 500;
  tally(one("#problems"), problems.filter(failed));
  tally(one("#refused"), problems.filter((problem) => !failed(problem)));
  list(one("#errors"), errors, "None since the start.");
  list(one("#refusals"), refusals, "None since the start.");
}

/** How often clients were told of each problem, and what to do. */
function tally(element, problems) {
  const lines = problems.slice(0, MOST).map(({ kind, status, title, cure, count: times }) => {
    const what = make("div", {}, make("strong", { textContent: kind }), ` ${status}`, make("p", { textContent: `${title}.` }));
    what.title = cure;
    return make("li", {}, make("span", { className: "times", textContent: figure(times) }), what);
  });
  element.replaceChildren(...(lines.length ? lines : [make("li", { className: "none", textContent: "None since the start." })]));
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
