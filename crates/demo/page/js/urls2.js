// The URLs of Stream Manager 2.0 and its streams API, and what its answers say.

import { query, withQuery } from "./query.js";

const GROUP = "default";
const API = `/as/v1/streams/stream/${GROUP}`;
const PROXY = "/as/v1/proxy";

/** A WHIP or WHEP endpoint. */
export const endpoint = (settings, kind) => `${PROXY}/${kind}/${guid(settings)}`;

/** The WebSocket to a node. */
export const socket = (settings, action, id, node) =>
  `${PROXY}/ws/${verb(action)}/${guid(settings)}?id=${encodeURIComponent(id)}&nodeGroup=${GROUP}&host=${encodeURIComponent(node.serverAddress)}`;

/** What the SDK adds to `OPTIONS` and to `POST`: from 12.0 all of it with the first, all but `transcode` with the second. */
export const hints = {
  OPTIONS: ({ region, strict, transcode }, kind) => query({ nodeGroup: GROUP, region, strict, transcode: kind === "whip" && transcode }),
  POST: ({ region, strict }) => query({ nodeGroup: GROUP, region, strict }),
};

/** The lookup of a node: `action` is `broadcast` or `subscribe`. Each calls the region in its own way. */
export function lookup(settings, action) {
  const { region, strict, transcode } = settings;
  const asked = action === "broadcast" ? { subgroup: region, strict, transcode } : { subGroup: region, strict };
  return withQuery(stream(settings, action), query(asked));
}

/** The node in an answer, or the words why there is none. */
export function named(found) {
  const node = Array.isArray(found) ? found[0] : undefined;
  return node?.serverAddress ? { node: entry(node) } : { why: found?.error };
}

/** Where the nodes of a stream are listed. */
export const list = (settings) => `${stream(settings, "subscribe")}?endpoints=16`;

/** Those of this stream. */
export const listed = (entries) => entries.map(entry);

const entry = ({ serverAddress, subGroup }) => ({ serverAddress, region: subGroup });
const stream = (settings, action) => `${API}/${verb(action)}/${guid(settings)}`;
const verb = (action) => (action === "broadcast" ? "publish" : "subscribe");
const guid = ({ scope, stream }) => [...scope.split("/").filter(Boolean), stream].map(encodeURIComponent).join("/");
