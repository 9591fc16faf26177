// Requests to the proxy.

import { one } from "./dom.js";

/** The answer's JSON; throws an error with a text for people. */
export async function read(path) {
  return answer(await fetch(path, { signal: AbortSignal.timeout(10_000) }));
}

/** Posts a change. */
export async function change(path, body = {}) {
  const headers = { "content-type": "application/json" };
  const signal = AbortSignal.timeout(30_000);
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal }));
}

async function answer(response) {
  const json = (response.headers.get("content-type") ?? "").startsWith("application/json");
  const body = json ? await response.json() : { error: (await response.text()).trim() };
  if (!response.ok) throw new Error(body.error || `the proxy answered ${response.status}`);
  return body;
}

/** Does something after the operator confirms it, and shows the result. */
export async function surely({ what, verb, act, done }) {
  const dialog = one("#sure");
  one("#sure-what").textContent = what;
  one("#sure-yes").textContent = verb;
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  if (dialog.returnValue === "yes") await attempt(act, done);
}

/** Does something, and shows the result. */
export async function attempt(act, done) {
  try {
    const said = await act();
    notice(done?.(said) ?? "", "good");
  } catch (error) {
    notice(error.message, "bad");
  }
}

/** A line under the state; it stays until the next one. */
export function notice(text, tone) {
  const line = one("#notice");
  line.textContent = text;
  line.dataset.tone = tone;
  line.hidden = text === "";
}
