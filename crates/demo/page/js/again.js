// Whether and when a panel that failed tries again by itself.

/** Without word from the server, in ms: the n-th try waits the n-th of these, later ones the last. */
const WAITS = [1_000, 3_000, 5_000];
/** No server makes this page wait longer, in ms. */
const LONGEST = 30_000;
/** After a loss the name may be taken for a while, by the session that was lost. */
const TAKEN_TRIES = 12;
const PASSING = new Set([429, 502, 503, 504]);

/**
 * Milliseconds until the next try; null for none.
 * @param {"publish" | "play"} role
 * @param {import("./trouble.js").Trouble} trouble
 * @param {{tries: number, live: boolean}} past  failed tries in a row, and whether it was ever live
 */
export function wait(role, trouble, { tries, live }) {
  if (!worthIt(role, trouble, tries, live)) return null;
  return Math.min(trouble.retryAfter ?? WAITS[Math.min(tries, WAITS.length - 1)], LONGEST);
}

function worthIt(role, { status, notLive, final }, tries, live) {
  if (final || [400, 401, 403].includes(status)) return false;
  if (role === "play") return notLive || live || PASSING.has(status);
  // A first failure is shown at once; a publisher that was live gets its stream back.
  return live && (status !== 409 || tries < TAKEN_TRIES);
}
