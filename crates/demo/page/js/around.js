// The lists below the two panels: who is live and how many watch, and the nodes, which can be killed and revived.

const EACH = 2_000;
const ANSWER_WITHIN = 5_000;
const EMPTY = "No stream is live. Press Publish to be the first.";
const UNKNOWN = "The Stream Manager does not say which streams are live.";

export class Around {
  /** @param {{watch: (scope: string, stream: string) => void, told: (state: object) => void}} todo */
  constructor({ watch, told }) {
    this.part = (id) => document.getElementById(id);
    this.watch = watch;
    this.told = told;
    addEventListener("visibilitychange", () => document.hidden || this.look());
    this.follow();
  }

  async follow() {
    // A page that is served without the demo's own calls works without them.
    if ((await this.look()) === false) return;
    setInterval(() => document.hidden || this.look(), EACH);
  }

  /** Asks and shows; false if there is nothing to ask. */
  async look() {
    let response;
    try {
      response = await fetch("demo/state", { signal: AbortSignal.timeout(ANSWER_WITHIN) });
      if (response.status === 404) return false;
      if (response.ok) this.show(await response.json());
    } catch { /* the panels say that the proxy is gone */ }
    return true;
  }

  show(state) {
    this.part("around").hidden = false;
    this.streams(state.streams);
    this.part("nodes-part").hidden = !state.nodes;
    rows(this.part("nodes"), state.nodes ?? [], (node) => node.number, (node) => this.node(node));
    this.told(state);
  }

  streams(streams) {
    this.part("streams-empty").textContent = streams ? EMPTY : UNKNOWN;
    this.part("streams-empty").hidden = Boolean(streams?.length);
    rows(this.part("streams"), streams ?? [], ({ scope, name }) => `${scope}/${name}`, ({ scope, name, viewers }) => ({
      name: `${scope}/${name}`,
      detail: viewers === null ? "live" : `${viewers} ${viewers === 1 ? "viewer" : "viewers"}`,
      state: "live",
      action: "Watch",
      act: () => this.watch(scope, name),
    }));
  }

  node({ number, address, region, alive, sessions }) {
    return {
      name: `${address} · ${region}`,
      detail: alive ? `runs, ${sessions} ${sessions === 1 ? "session" : "sessions"}` : "dead",
      state: alive ? "live" : "dead",
      action: alive ? "Kill" : "Revive",
      act: () => this.change(number, alive ? "kill" : "revive"),
    };
  }

  async change(number, verb) {
    const response = await fetch(`demo/nodes/${number}/${verb}`, { method: "POST", signal: AbortSignal.timeout(ANSWER_WITHIN) }).catch(() => null);
    this.part("nodes-said").textContent = response?.ok ? `Node ${number}: ${verb === "kill" ? "killed" : "revived"}.` : `Node ${number}: that did not work.`;
    await this.look();
  }
}

/** One row for each item; those that stay keep their elements, and so the focus. */
function rows(list, items, keyOf, describe) {
  const old = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const wanted = items.map((item) => {
    const key = String(keyOf(item));
    const row = old.get(key) ?? make(key);
    const { name, detail, state, action, act } = describe(item);
    const [title, told, button] = row.children;
    row.dataset.state = state;
    write(title, name);
    write(told, detail);
    write(button, action);
    button.setAttribute("aria-label", `${action} ${name}`);
    button.onclick = act;
    return row;
  });
  if (wanted.some((row, at) => list.children[at] !== row) || list.children.length !== wanted.length) list.replaceChildren(...wanted);
}

function make(key) {
  const row = document.createElement("li");
  row.dataset.key = key;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  row.append(part("name"), part("detail"), button);
  return row;
}

function part(name) {
  const span = document.createElement("span");
  span.className = name;
  return span;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
