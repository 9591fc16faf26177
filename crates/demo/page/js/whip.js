// WHIP and WHEP as Red5's SDK 11 speaks them: OPTIONS, POST, PATCH of the answer (WHEP), one trickle PATCH, DELETE.

import { iceServers } from "./link.js";
import { candidateFragment, connected, gathered, sendAll } from "./peer.js";
import { withQuery } from "./query.js";
import { fromResponse } from "./trouble.js";
import * as urls from "./urls.js";

const ANSWER_WITHIN = 10_000;
const GOODBYE_WITHIN = 2_000;

/** Publishes `attempt.media`; resolves with the peer connection when ICE and DTLS are up. */
export async function publish(attempt) {
  const endpoint = endpointUrl(attempt, "whip");
  const pc = await openPeer(attempt, endpoint, "whip");
  sendAll(pc, attempt.media);

  const resource = await attempt.steps.run("Offer and answer", "POST", async () => {
    await pc.setLocalDescription(await pc.createOffer());
    const response = await send(attempt, "POST", opening(attempt, endpoint, "whip", "POST", "mode=live&keyFramerate=3000"), pc.localDescription.sdp);
    const url = deleteAtTheEnd(attempt, resourceUrl(endpoint, response));
    await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
    return url;
  });
  await attempt.steps.run("Candidates", "PATCH", () => trickle(attempt, pc, resource, 1_000));
  await attempt.steps.run("Connected", "ICE, DTLS", () => connected(pc, attempt.signal));
  return pc;
}

/** Plays; Red5 answers the POST with an *offer*, and gets the player's answer by PATCH. */
export async function play(attempt) {
  const id = `subscriber-${crypto.getRandomValues(new Uint16Array(1))[0].toString(16)}`;
  const endpoint = withQuery(endpointUrl(attempt, "whep"), `requestId=${id}`);
  const pc = await openPeer(attempt, endpoint, "whep");
  pc.addEventListener("track", attempt.onTrack);

  const { resource, offer } = await attempt.steps.run("Node’s offer", "POST", async () => {
    const response = await send(attempt, "POST", opening(attempt, endpoint, "whep", "POST", "doNotSwitch=false"), await wishes());
    return { resource: deleteAtTheEnd(attempt, resourceUrl(endpoint, response)), offer: await response.text() };
  });
  await attempt.steps.run("Our answer", "PATCH", async () => {
    await pc.setRemoteDescription({ type: "offer", sdp: offer });
    await pc.setLocalDescription(await pc.createAnswer());
    await send(attempt, "PATCH", resource, pc.localDescription.sdp);
  });
  await attempt.steps.run("Candidates", "PATCH", () => trickle(attempt, pc, resource, 5_000));
  await attempt.steps.run("Connected", "ICE, DTLS", () => connected(pc, attempt.signal));
  return pc;
}

async function openPeer(attempt, endpoint, kind) {
  const servers = await attempt.steps.run("Lookup and options", "OPTIONS", async () => {
    const response = await send(attempt, "OPTIONS", opening(attempt, endpoint, kind, "OPTIONS", ""));
    return iceServers(response.headers.get("Link"));
  });
  const pc = new RTCPeerConnection({ iceServers: servers, bundlePolicy: "max-bundle" });
  attempt.defer(() => pc.close());
  return pc;
}

/** What this browser can receive. The node's offer supersedes it, so a peer of its own writes it and is gone. */
async function wishes() {
  const pc = new RTCPeerConnection();
  try {
    pc.addTransceiver("audio", { direction: "recvonly" });
    pc.addTransceiver("video", { direction: "recvonly" });
    return (await pc.createOffer()).sdp;
  } finally {
    pc.close();
  }
}

async function trickle(attempt, pc, resource, most) {
  await gathered(pc, attempt.signal, most);
  await send(attempt, "PATCH", resource, candidateFragment(pc.localDescription.sdp), "application/trickle-ice-sdpfrag");
}

async function send(attempt, method, url, body, type = "application/sdp") {
  const response = await fetch(url, {
    method,
    mode: "cors",
    body,
    headers: body ? { "Content-Type": type } : {},
    signal: AbortSignal.any([attempt.signal, AbortSignal.timeout(ANSWER_WITHIN)]),
  });
  if (!response.ok) throw await fromResponse(response, attempt.role);
  return response;
}

/** keepalive: the request also leaves when the page is being closed. The SDK does not read its answer either. */
function deleteAtTheEnd(attempt, resource) {
  attempt.defer(() => {
    if (attempt.gone) return undefined;
    return fetch(resource, { method: "DELETE", keepalive: true, signal: AbortSignal.timeout(GOODBYE_WITHIN) }).catch(() => {});
  });
  return resource;
}

function endpointUrl({ settings }, kind) {
  return new URL(urls.endpoint(settings, kind), location.origin).href;
}

/** The endpoint with what the SDK adds to this method. */
function opening(attempt, endpoint, kind, method, more) {
  return withQuery(withQuery(withQuery(endpoint, "signal=true"), urls.hints[method](attempt.settings, kind)), more);
}

/** As the SDK reads Location: absolute is taken as it is, a path keeps the endpoint's own query, none means `/resource/`. */
function resourceUrl(endpoint, response) {
  const given = response.headers.get("Location");
  if (given && /^https?:/.test(given)) return given;
  const url = new URL(endpoint);
  url.pathname = (given ? new URL(given, endpoint).pathname : url.pathname).replace("/endpoint/", "/resource/");
  return url.href;
}
