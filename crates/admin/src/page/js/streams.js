// A row per stream, paged by the proxy; each opens into its sessions.

import { attempt, read } from "./ask.js";
import { fill, one } from "./dom.js";
import { count, figure, span } from "./words.js";

const PER_PAGE = 10;

export class Streams {
  #search = "";
  #page = 1;
  #asked = 0;
  #open;

  /** `open` shows the sessions of a stream. */
  constructor(open) {
    this.#open = open;
    let typing;
    one("#find").addEventListener("input", ({ target }) => {
      clearTimeout(typing);
      typing = setTimeout(() => this.#go(target.value, 1), 200);
    });
    one("#stream-pages").addEventListener("click", ({ target }) => {
      const step = Number(target.dataset.step);
      if (step) this.#go(this.#search, this.#page + step);
    });
  }

  #go(search, page) {
    [this.#search, this.#page] = [search, page];
    attempt(() => this.refresh());
  }

  async refresh() {
    const asked = ++this.#asked;
    const query = new URLSearchParams({ search: this.#search, page: this.#page, per_page: PER_PAGE });
    const found = await read(`streams?${query}`);
    // A later request has replaced this one.
    if (asked === this.#asked) this.#show(found);
  }

  #show({ total, matching, page, pages, streams }) {
    if (page > pages) {
      this.#go(this.#search, pages);
      return;
    }
    this.#page = page;
    one("#streams-count").textContent = matching === total ? count(total, "stream") : `${figure(matching)} of ${figure(total)}`;
    fill(one("#streams"), streams.map((stream) => this.#row(stream)), total ? "No stream matches." : "No active streams.");
    const nav = one("#stream-pages");
    nav.hidden = pages < 2;
    one(".page-of", nav).textContent = `${figure(page)} of ${figure(pages)}`;
    one("[data-step='-1']", nav).disabled = page <= 1;
    one("[data-step='1']", nav).disabled = page >= pages;
  }

  #row({ scope, stream, publisher, publishers, viewers, sockets, nodes, began_at: began }) {
    const name = stream == null ? scope : `${scope}/${stream}`;
    const more = publishers > 1 ? ` and ${figure(publishers - 1)} more` : "";
    const audience = viewers + sockets;
    return {
      key: `${name} ${stream == null}`,
      cells: [
        { text: name || "–", is: "name" },
        { text: publisher ? `${publisher.client ?? "unknown address"}${more}` : stream == null ? "WebSockets" : "–", is: "address" },
        { text: publisher?.node ?? (nodes.slice(0, 2).join(", ") + (nodes.length > 2 ? ` and ${nodes.length - 2} more` : "")), is: "address" },
        { text: figure(audience), is: "number" },
        { text: span(Date.now() - began), is: "number" },
      ],
      button: { text: "Sessions", label: `Show the sessions of ${name}`, press: () => this.#open(name) },
    };
  }
}
