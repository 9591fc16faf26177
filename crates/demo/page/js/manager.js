// The Stream Manager's lookups, as far as the page needs them.

import { fromResponse, Trouble } from "./trouble.js";
import * as urls from "./urls.js";

const ANSWER_WITHIN = 10_000;

/** The node for a stream: `action` is `broadcast` or `subscribe`. */
export async function lookup(attempt, action) {
  const response = await ask(urls.lookup(attempt.settings, action), attempt.signal);
  if (!response.ok) throw await fromResponse(response, attempt.role);
  const { node, why } = urls.named(await response.json().catch(() => ({})));
  if (!node) throw new Trouble(why ?? "The Stream Manager named no node");
  return node;
}

/** All nodes that the Stream Manager lists for a stream; empty when it does not say. */
export async function carriers({ settings, signal }) {
  try {
    const response = await ask(urls.list(settings), signal);
    return response.ok ? urls.listed(await response.json(), settings) : [];
  } catch {
    return [];
  }
}

function ask(path, signal) {
  return fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN)]) });
}
