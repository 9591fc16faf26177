// What getStats says, reduced to what the page shows.

/**
 * One sample. `kind` is `outbound-rtp` for a publisher, `inbound-rtp` for a player.
 * @returns {Promise<{at: number, bytes: number, frames: number, rate: number, width: number, height: number, heard: number,
 *   trip: number | null, remote: {address: string, port: number, protocol: string} | null}>}
 */
export async function sample(pc, kind) {
  const report = await pc.getStats();
  const found = { at: performance.now(), bytes: 0, frames: 0, rate: 0, width: 0, height: 0, heard: 0, trip: null, remote: null };
  for (const stat of report.values()) {
    if (stat.type === kind) media(found, stat);
    if (stat.type === "transport") found.heard += stat.bytesReceived ?? 0;
    if (stat.type === "candidate-pair" && inUse(report, stat)) path(found, report, stat);
  }
  return found;
}

function media(found, stat) {
  found.bytes += stat.bytesSent ?? stat.bytesReceived ?? 0;
  if (stat.kind !== "video") return;
  // Sent, not encoded: the first counts when it is on its way.
  found.frames = stat.framesSent ?? stat.framesDecoded ?? 0;
  found.rate = stat.framesPerSecond ?? 0;
  found.width = stat.frameWidth ?? 0;
  found.height = stat.frameHeight ?? 0;
}

function inUse(report, pair) {
  for (const stat of report.values()) {
    if (stat.type === "transport" && stat.selectedCandidatePairId) return stat.selectedCandidatePairId === pair.id;
  }
  return Boolean(pair.selected ?? (pair.nominated && pair.state === "succeeded")); // Firefox has no transport stats
}

function path(found, report, pair) {
  // What the node sends and answers, of whatever kind: while it grows the node lives.
  found.heard += (pair.bytesReceived ?? 0) + (pair.responsesReceived ?? 0);
  found.trip = pair.currentRoundTripTime ?? null;
  const remote = report.get(pair.remoteCandidateId);
  if (remote) found.remote = { address: remote.address ?? remote.ip ?? "", port: remote.port, protocol: remote.protocol };
}

/** Bits per second between two samples. */
export function bitrate(before, now) {
  const seconds = (now.at - before.at) / 1000;
  return seconds > 0 ? Math.max(0, ((now.bytes - before.bytes) * 8) / seconds) : 0;
}
