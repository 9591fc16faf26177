// The URLs of Stream Manager 2.0 and its streams API, and what its answers say.

const GROUP = "default";
const API = `/as/v1/streams/stream/${GROUP}`;
const PROXY = "/as/v1/proxy";

/** A WHIP or WHEP endpoint. */
export const endpoint = (settings, kind) => `${PROXY}/${kind}/${guid(settings)}`;

/** The WebSocket to a node. */
export const socket = (settings, action, id, node) =>
  `${PROXY}/ws/${verb(action)}/${guid(settings)}?id=${encodeURIComponent(id)}&nodeGroup=${GROUP}&host=${encodeURIComponent(node.serverAddress)}`;

/** The lookup of a node: `action` is `broadcast` or `subscribe`. */
export const lookup = (settings, action) => `${API}/${verb(action)}/${guid(settings)}`;

/** The node in an answer, or the words why there is none. */
export function named(found) {
  const node = Array.isArray(found) ? found[0] : undefined;
  return node?.serverAddress ? { node: entry(node) } : { why: found?.error };
}

/** Where the nodes of a stream are listed. */
export const list = (settings) => `${lookup(settings, "subscribe")}?endpoints=16`;

/** Those of this stream. */
export const listed = (entries) => entries.map(entry);

const entry = ({ serverAddress, subGroup }) => ({ serverAddress, region: subGroup });
const verb = (action) => (action === "broadcast" ? "publish" : "subscribe");
const guid = ({ scope, stream }) => [...scope.split("/").filter(Boolean), stream].map(encodeURIComponent).join("/");
