// The URLs of Stream Manager 1.x and its event API 4.0, and what its answers say.

import { query, withQuery } from "./query.js";

const API = "/streammanager/api/4.0/event";

/** A WHIP or WHEP endpoint. */
export const endpoint = ({ scope, stream }, kind) => `/${plain(scope).map(encodeURIComponent).join("/")}/${kind}/endpoint/${encodeURIComponent(stream)}`;

/** The WebSocket to a node. Written by hand: the order of the SDK's keys is part of what a proxy has to bear. */
export const socket = ({ scope }, _action, id, node) =>
  `/streammanager/?id=${encodeURIComponent(id)}&host=${encodeURIComponent(node.serverAddress)}&app=${encodeURIComponent(plain(scope).join("/"))}`;

/** What the SDK adds to `OPTIONS` and to `POST`: 11.x sends `transcode` with the first only, and all else with the second only. */
export const hints = {
  OPTIONS: ({ transcode }, kind) => query({ transcode: kind === "whip" && transcode }),
  POST: ({ region, strict }) => query({ region, strict }),
};

/**
 * The lookup of a node: `action` is `broadcast` or `subscribe`. With a transcoder a publisher asks for the base of its
 * variant: that is what is provisioned.
 */
export function lookup({ scope, stream, base, region, strict, transcode }, action) {
  const transcoded = action === "broadcast" && transcode;
  const path = [...plain(scope), transcoded ? base : stream].map(encodeURIComponent).join("/");
  return withQuery(`${API}/${path}`, query({ action, region, strict, transcode: transcoded }));
}

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
