// A WHIP or WHEP client on @roamhq/wrtc, the WebRTC of Chromium in Node.js: `wrtc_client.js publish|play URL`.
//
// What goes over HTTP is RFC 9725 and draft-ietf-wish-whep, and no more. A player says `playing` when enough frames of
// sound and picture have come. It ends when its standard input does.
"use strict";

const { once } = require("node:events");
const { RTCPeerConnection, MediaStream, nonstandard } = require("@roamhq/wrtc");

const ENOUGH = 20;
const [WIDTH, HEIGHT] = [320, 180];
const clocks = [];

const peers = () => new RTCPeerConnection({ iceServers: [], bundlePolicy: "max-bundle" });

/** Resolves when all candidates are in the local description. */
async function gathered(peer) {
  while (peer.iceGatheringState !== "complete") {
    await new Promise((resolve) => peer.addEventListener("icegatheringstatechange", resolve, { once: true }));
  }
}

async function send(method, url, sdp) {
  const headers = sdp ? { "Content-Type": "application/sdp" } : {};
  const response = await fetch(url, { method, headers, body: sdp });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function offer(peer, url) {
  await peer.setLocalDescription(await peer.createOffer());
  await gathered(peer);
  const { status, headers, text } = await send("POST", url, peer.localDescription.sdp);
  const sdp = headers.get("Content-Type")?.startsWith("application/sdp");
  if (![201, 406].includes(status) || !sdp) throw new Error(`POST: ${status} ${text}`);
  return { status, text, session: new URL(headers.get("Location"), url).href };
}

async function publish(url) {
  const peer = peers();
  const stream = new MediaStream();
  for (const track of [sound(), picture()]) peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
  const { text, session } = await offer(peer, url);
  await peer.setRemoteDescription({ type: "answer", sdp: text });
  return { peer, session };
}

/** Silence in pieces of 10 ms. */
function sound() {
  const source = new nonstandard.RTCAudioSource();
  const samples = new Int16Array(480);
  const piece = { samples, sampleRate: 48_000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 };
  clocks.push(setInterval(() => source.onData(piece), 10));
  return source.createTrack();
}

/** Grey that gets lighter. */
function picture() {
  const source = new nonstandard.RTCVideoSource();
  const data = new Uint8ClampedArray((WIDTH * HEIGHT * 3) / 2).fill(128);
  let frame = 0;
  clocks.push(setInterval(() => {
    data.fill(frame++ % 256, 0, WIDTH * HEIGHT);
    source.onFrame({ width: WIDTH, height: HEIGHT, data });
  }, 66));
  return source.createTrack();
}

async function play(url) {
  let peer = player();
  for (const kind of ["audio", "video"]) peer.addTransceiver(kind, { direction: "recvonly" });
  const { status, text, session } = await offer(peer, url);
  if (status === 201) {
    await peer.setRemoteDescription({ type: "answer", sdp: text });
    return { peer, session };
  }
  peer.close();
  peer = player();
  await peer.setRemoteDescription({ type: "offer", sdp: text });
  await peer.setLocalDescription(await peer.createAnswer());
  await gathered(peer);
  const answered = await send("PATCH", session, peer.localDescription.sdp);
  if (answered.status !== 204) throw new Error(`PATCH: ${answered.status} ${answered.text}`);
  return { peer, session };
}

function player() {
  const peer = peers();
  const frames = { audio: 0, video: 0 };
  peer.addEventListener("track", ({ track }) => {
    const video = track.kind === "video";
    const sink = video ? new nonstandard.RTCVideoSink(track) : new nonstandard.RTCAudioSink(track);
    sink[video ? "onframe" : "ondata"] = () => {
      frames[track.kind] += 1;
      if (frames.audio < ENOUGH || frames.video < ENOUGH) return;
      frames.audio = frames.video = -Infinity;
      process.stdout.write("playing\n");
    };
  });
  return peer;
}

async function main([role, url]) {
  const { peer, session } = await { publish, play }[role](url);
  await once(process.stdin.resume(), "end");
  const { status, text } = await send("DELETE", session);
  clocks.forEach(clearInterval);
  peer.close();
  if (status !== 200) throw new Error(`DELETE: ${status} ${text}`);
}

// Its threads would keep the process, or end it badly.
main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
