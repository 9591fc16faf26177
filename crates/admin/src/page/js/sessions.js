// The sessions: searched, sorted and paged by the proxy, which may have ten thousand.

import { attempt, change, read, surely } from "./ask.js";
import { save } from "./csv.js";
import { fill, one } from "./dom.js";
import { bytes, count, figure, rate, span } from "./words.js";

const PER_PAGE = 10;
const KINDS = { whip: "WHIP", whep: "WHEP", socket: "WebSocket" };

export class Sessions {
  #search = "";
  #sort = "age";
  #order = "asc";
  #page = 1;
  #kind = "";
  #of = "";
  #asked = 0;

  constructor() {
    let typing;
    one("#search").addEventListener("input", ({ target }) => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#go({ search: target.value, page: 1 }), 200);
    });
    for (const head of document.querySelectorAll("#sessions th[data-sort]")) {
      one("button", head).addEventListener("click", () => this.#by(head.dataset.sort));
    }
    one("#kind").addEventListener("change", ({ target }) => this.#go({ kind: target.value, page: 1 }));
    one("#of").addEventListener("click", () => this.#go({ of: "", page: 1 }));
    one("#csv").addEventListener("click", () => attempt(() => save(this.#query()), (rows) => `${count(rows, "session")} saved.`));
    one("#pages").addEventListener("click", ({ target }) => {
      const step = Number(target.dataset.step);
      if (step) this.#go({ page: this.#page + step });
    });
  }

  #by(sort) {
    const first = sort === "stream" || sort === "age" ? "asc" : "desc";
    const turned = this.#order === "asc" ? "desc" : "asc";
    this.#go({ sort, order: sort === this.#sort ? turned : first, page: 1 });
  }

  /** Shows the sessions of one stream only. */
  only(name) {
    one("#sessions-panel").open = true;
    this.#go({ of: name, page: 1 });
    one("#sessions-panel").scrollIntoView();
  }

  #query() {
    return { search: this.#search, kind: this.#kind, of: this.#of, sort: this.#sort, order: this.#order };
  }

  #go({ search = this.#search, sort = this.#sort, order = this.#order, page = this.#page, kind = this.#kind, of = this.#of }) {
    [this.#search, this.#sort, this.#order, this.#page, this.#kind, this.#of] = [search, sort, order, page, kind, of];
    one("#of").hidden = of === "";
    one("#of").textContent = `Only ${of} ×`;
    attempt(() => this.refresh());
  }

  async refresh() {
    const asked = ++this.#asked;
    const query = new URLSearchParams({ ...this.#query(), page: this.#page, per_page: PER_PAGE });
    const found = await read(`sessions?${query}`);
    // A later request has replaced this one.
    if (asked === this.#asked) this.#show(found);
  }

  #show({ total, matching, page, pages, sessions, not_ended_by_client: open, vanished }) {
    if (page > pages) {
      // The sessions of the last page have ended.
      this.#go({ page: pages });
      return;
    }
    this.#page = page;
    one("#sessions-count").textContent = matching === total ? count(total, "session") : `${figure(matching)} of ${figure(total)}`;
    one("#not-ended").hidden = !open;
    one("#not-ended").textContent = `${count(open, "WHIP/WHEP session")} not ended by the client${findable(vanished)}`;
    const empty = total === 0 ? "No active sessions." : "No session matches.";
    fill(one("#sessions"), sessions.map(row), empty);
    one("#pages").hidden = pages < 2;
    one("#page-of").textContent = `${figure(page)} of ${figure(pages)}`;
    one("#pages [data-step='-1']").disabled = page <= 1;
    one("#pages [data-step='1']").disabled = page >= pages;
    for (const head of document.querySelectorAll("#sessions th[data-sort]")) {
      if (head.dataset.sort === this.#sort) head.setAttribute("aria-sort", this.#order === "asc" ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
  }
}

function findable({ state, error }) {
  if (state === "failing") return `; publishers that vanish cannot be found: ${error}`;
  return state === "known" ? "; publishers that vanish are found by the Stream Manager's list" : "";
}

function row(session) {
  const { id, kind, scope, stream, node, client, began_at: began, last_activity_at: active } = session;
  const name = [scope, stream].filter(Boolean).join("/") || "–";
  return {
    key: id,
    cells: [
      { text: KINDS[kind] ?? kind },
      { text: name, is: "name" },
      { text: node, is: "address" },
      { text: client ?? "–", is: "address" },
      { text: session.agent ?? "–", is: "said agent" },
      { text: span(Date.now() - began), is: "number" },
      { text: bytes(session.from_client_bytes), is: "number" },
      { text: bytes(session.from_node_bytes), is: "number" },
      { text: rate(session.rate_bps), is: "number" },
      { text: active == null ? "–" : `${span(Date.now() - active)} ago`, is: "number" },
    ],
    button: {
      text: "End",
      label: `End the session of ${name}`,
      press: () => surely({
        what: `End the ${KINDS[kind] ?? kind} session of ${name}${client ? ` from ${client}` : ""}? Its client gets a Close or a 404; most reconnect.`,
        verb: "End session",
        act: () => change(`sessions/${encodeURIComponent(id)}/end`),
        done: () => `The session of ${name} is ending.`,
      }),
    },
  };
}
