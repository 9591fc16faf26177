// Signalling as RTCPublisher and RTCSubscriber of red5pro-webrtc-sdk 11 have it: lookup, WebSocket through the proxy,
// then over to the data channel.

import { Dialogue } from "./dialogue.js";
import { lookup } from "./manager.js";
import { connected, sendAll, until } from "./peer.js";
import { NAME_TAKEN, NOT_LIVE, Trouble } from "./trouble.js";
import * as urls from "./urls.js";

const CHANNEL = "red5pro";
/** The SDK's socketSwitchDelay. */
const SWITCH_DELAY = 1_000;
const GOODBYE_WITHIN = 300;

/** Publishes `attempt.media`; resolves with the peer connection when ICE and DTLS are up. */
export async function publish(attempt) {
  const { stream } = attempt.settings;
  const dialogue = await open(attempt, "broadcast", stream);
  await attempt.steps.run("Name is free", "isAvailable", async () => {
    dialogue.send({ isAvailable: stream, bundle: true });
    if (await dialogue.next("whether the name is free", availability)) {
      throw new Trouble(`“${stream}” is already being published`, { hint: NAME_TAKEN, status: 409 });
    }
  });

  const pc = openPeer(attempt);
  sendAll(pc, attempt.media);
  const channel = pc.createDataChannel(CHANNEL);
  attempt.defer(() => unpublish(dialogue, channel, stream));

  await attempt.steps.run("Offer and answer", "handleOffer", async () => {
    const candidates = exchangeCandidates(pc, dialogue, { handleCandidate: stream });
    await pc.setLocalDescription(await pc.createOffer());
    dialogue.send({ handleOffer: stream, transport: "udp", data: { sdp: pc.localDescription } });
    candidates.release();
    await pc.setRemoteDescription(await dialogue.description("answer"));
  });
  await attempt.steps.run("Connected", "ICE, DTLS", () => connected(pc, attempt.signal));
  await attempt.steps.run("Started", "publish", async () => {
    await trickled(dialogue);
    dialogue.send({ publish: stream, mode: "live", keyFramerate: 3000 });
    await dialogue.status("that the stream starts", ({ message }) => message?.endsWith(" starting"));
  });
  handOver(attempt, dialogue, Promise.resolve(channel));
  return pc;
}

/** Plays; the node makes the offer. */
export async function play(attempt) {
  const { stream } = attempt.settings;
  const requestId = `subscriber-${crypto.getRandomValues(new Uint16Array(1))[0].toString(16)}`;
  const dialogue = await open(attempt, "subscribe", requestId);
  await attempt.steps.run("Stream is there", "isAvailable", async () => {
    dialogue.send({ isAvailable: stream });
    if (!(await dialogue.next("whether the stream is there", availability))) {
      throw new Trouble(`“${stream}” is not being published`, { hint: NOT_LIVE, notLive: true });
    }
  });

  const pc = openPeer(attempt);
  pc.addEventListener("track", attempt.onTrack);
  const channel = new Promise((resolve) => pc.addEventListener("datachannel", (event) => resolve(event.channel), { once: true }));
  await attempt.steps.run("Offer and answer", "requestOffer", async () => {
    dialogue.send({ requestOffer: stream, requestId, transport: "udp", datachannel: true, doNotSwitch: false });
    await pc.setRemoteDescription(await dialogue.description("offer"));
    const candidates = exchangeCandidates(pc, dialogue, { handleCandidate: stream, requestId });
    await pc.setLocalDescription(await pc.createAnswer());
    dialogue.send({ handleAnswer: stream, requestId, data: { sdp: pc.localDescription } });
    candidates.release();
  });
  await attempt.steps.run("Connected", "ICE, DTLS", () => connected(pc, attempt.signal));
  await attempt.steps.run("Started", "subscribe", async () => {
    await trickled(dialogue);
    dialogue.send({ subscribe: stream, requestId });
    await dialogue.status("that the stream starts", ({ message }) => message?.endsWith(" starting"));
  });
  handOver(attempt, dialogue, channel);
  return pc;
}

async function open(attempt, action, id) {
  const node = await attempt.steps.run("Lookup", action, () => lookup(attempt, action));
  attempt.onNode(node);
  return attempt.steps.run("Socket", "wss", async () => {
    const url = new URL(urls.socket(attempt.settings, action, id, node), location.origin);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const dialogue = new Dialogue(url, attempt);
    await dialogue.accepted();
    return dialogue;
  });
}

function openPeer(attempt) {
  const pc = new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });
  attempt.defer(() => pc.close());
  return pc;
}

const availability = (frame) => (typeof frame.isAvailable === "boolean" ? frame.isAvailable : undefined);

const trickled = (dialogue) =>
  dialogue.status("that it has named its candidates", ({ code }) => /\.ICE\.Tric?kleCompleted$/.test(code ?? "") || code?.endsWith("TricleCompleted"));

/** Candidates both ways; ours are held back until `release`, so that none overtakes the description. */
function exchangeCandidates(pc, dialogue, frame) {
  let held = [];
  const send = (candidate) => dialogue.send({ ...frame, data: { candidate: candidate ?? { type: "candidate", candidate: "" } } });
  pc.addEventListener("icecandidate", ({ candidate }) => (held ? held.push(candidate) : send(candidate)));
  dialogue.onCandidate = (candidate) => {
    // A candidate that this browser cannot read is one path less, not the end.
    if (candidate.candidate) pc.addIceCandidate(candidate).catch(() => {});
  };
  return {
    release() {
      for (const candidate of held) send(candidate);
      held = null;
    },
  };
}

/** Says goodbye on whichever carries the signalling by now, and leaves the words a moment to get away. */
async function unpublish(dialogue, channel, stream) {
  const goodbye = { unpublish: stream };
  if (!dialogue.handedOver) dialogue.send(goodbye);
  else if (channel.readyState === "open") {
    channel.send(JSON.stringify(goodbye));
    await until(new AbortController().signal, GOODBYE_WITHIN, null, (resolve) => {
      channel.addEventListener("message", resolve, { once: true });
      channel.addEventListener("close", resolve, { once: true });
    });
  }
}

/** Waits for the node's data channel in the background; without one the dialogue simply stays on the socket. */
async function handOver(attempt, dialogue, opened) {
  try {
    await dialogue.status("that its data channel is there", ({ code }) => code === "NetConnection.DataChannel.Available");
    const channel = await opened;
    channel.addEventListener("message", ({ data }) => hear(attempt, data));
    await until(attempt.signal, SWITCH_DELAY, null, () => {});
    if (channel.readyState !== "open") return;
    dialogue.handOver(CHANNEL);
    attempt.steps.mark("Handed over", "switchChannel");
    attempt.onHandOver();
  } catch { /* the socket keeps carrying the signalling; its own end is told by the dialogue */ }
}

function hear(attempt, text) {
  if (typeof text !== "string" || !text.includes("NetStream.Play.UnpublishNotify")) return;
  attempt.onEnd(new Trouble("The publisher has stopped", { hint: NOT_LIVE, notLive: true }));
}
