// The Stream Manager's event API 4.0, as far as the page needs it.

import { fromResponse, Trouble } from "./trouble.js";

const API = "/streammanager/api/4.0/event";
const ANSWER_WITHIN = 10_000;

/** The node for a stream: `action` is `broadcast` or `subscribe`. */
export async function lookup(attempt, action) {
  const { scope, stream } = attempt.settings;
  const path = [...scope.split("/").filter(Boolean), stream].map(encodeURIComponent).join("/");
  const response = await ask(`${API}/${path}?action=${action}`, attempt.signal);
  if (!response.ok) throw await fromResponse(response, attempt.role);
  const found = await response.json().catch(() => ({}));
  const node = Array.isArray(found) ? found[0] : found;
  // The Stream Manager also reports failures with status 200.
  if (!node?.serverAddress) throw new Trouble(node?.errorMessage ?? "The Stream Manager named no node");
  return node;
}

/** All nodes that the Stream Manager lists for a stream; empty when it does not say. */
export async function carriers({ settings, signal }) {
  try {
    const response = await ask(`${API}/list`, signal);
    const list = response.ok ? await response.json() : [];
    const plain = (scope) => String(scope ?? "").replace(/^\/|\/$/g, "");
    return list.filter((entry) => entry.name === settings.stream && plain(entry.scope) === plain(settings.scope));
  } catch {
    return [];
  }
}

function ask(path, signal) {
  return fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN)]) });
}
