// Waiting on a peer connection, and what its candidates look like on the wire.

import { Trouble } from "./trouble.js";

const CONNECT_WITHIN = 15_000;

/** Adds what is published. */
export function sendAll(pc, media) {
  for (const track of media.getTracks()) {
    pc.addTransceiver(track, { direction: "sendonly", streams: [media] });
  }
}

/** Resolves when ICE and DTLS are up. */
export function connected(pc, signal) {
  return until(signal, CONNECT_WITHIN, noPath, (resolve, reject) => {
    const look = () => {
      if (pc.connectionState === "connected") resolve();
      if (pc.connectionState === "failed") reject(noPath());
    };
    pc.addEventListener("connectionstatechange", look);
    look();
    return () => pc.removeEventListener("connectionstatechange", look);
  });
}

function noPath() {
  return new Trouble("No way for the media to reach the node", {
    detail: "Signalling worked, but ICE found no UDP path between this browser and the node.",
    hint: "A firewall may drop UDP. From another machine, start the demo with --address; Firefox does not use loopback addresses at all.",
  });
}

/** Resolves when all local candidates are known, or after `most` ms with those known by then. */
export function gathered(pc, signal, most) {
  return until(signal, most, null, (resolve) => {
    const look = () => pc.iceGatheringState === "complete" && resolve();
    pc.addEventListener("icegatheringstatechange", look);
    look();
    return () => pc.removeEventListener("icegatheringstatechange", look);
  });
}

/** The candidates of a local description as an application/trickle-ice-sdpfrag body (RFC 8840). */
export function candidateFragment(sdp) {
  const lines = sdp.split(/\r?\n/);
  const first = (start) => lines.find((line) => line.startsWith(start)) ?? "";
  const candidates = new Set(lines.filter((line) => line.startsWith("a=candidate:")));
  return [first("a=ice-ufrag:"), first("a=ice-pwd:"), first("m="), first("a=mid:"), ...candidates, "a=end-of-candidates", ""].join("\r\n");
}

/**
 * A promise with an end: `start(resolve, reject)` returns how to stop listening.
 * After `most` ms it rejects with `late()`, or resolves when there is no `late`.
 */
export function until(signal, most, late, start) {
  return new Promise((resolve, reject) => {
    let stopListening = () => {};
    let settled = false;
    const settle = (how) => (value) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      // `start` may settle before it has returned its clean-up.
      queueMicrotask(() => stopListening());
      how(value);
    };
    const aborted = () => settle(reject)(signal.reason);
    const timer = setTimeout(() => (late ? settle(reject)(late()) : settle(resolve)()), most);
    signal.addEventListener("abort", aborted);
    stopListening = start(settle(resolve), settle(reject)) ?? stopListening;
    if (signal.aborted) aborted();
  });
}
