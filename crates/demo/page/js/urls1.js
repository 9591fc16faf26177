// The URLs of Stream Manager 1.x and its event API 4.0, and what its answers say.

const API = "/streammanager/api/4.0/event";

/** A WHIP or WHEP endpoint. */
export const endpoint = ({ scope, stream }, kind) => `/${plain(scope).map(encodeURIComponent).join("/")}/${kind}/endpoint/${encodeURIComponent(stream)}`;

/** The WebSocket to a node. Written by hand: the order of the SDK's keys is part of what a proxy has to bear. */
export const socket = ({ scope }, _action, id, node) =>
  `/streammanager/?id=${encodeURIComponent(id)}&host=${encodeURIComponent(node.serverAddress)}&app=${encodeURIComponent(plain(scope).join("/"))}`;

/** The lookup of a node: `action` is `broadcast` or `subscribe`. */
export const lookup = ({ scope, stream }, action) => `${API}/${[...plain(scope), stream].map(encodeURIComponent).join("/")}?action=${action}`;

/** The node in an answer, or the words why there is none. */
export function named(found) {
  const node = Array.isArray(found) ? found[0] : found;
  // The Stream Manager also reports failures with status 200.
  return node?.serverAddress ? { node } : { why: node?.errorMessage };
}

/** Where the nodes of a stream are listed. */
export const list = () => `${API}/list`;

/** Those of this stream. */
export const listed = (entries, { scope, stream }) =>
  entries.filter((entry) => entry.name === stream && plain(String(entry.scope ?? "")).join("/") === plain(scope).join("/"));

const plain = (scope) => scope.split("/").filter(Boolean);
