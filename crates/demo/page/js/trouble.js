// Errors as a person reads them: what happened, the server's own words, what to do.

export class Trouble extends Error {
  /** @param {string} title  @param {{detail?: string, hint?: string, status?: number, retryAfter?: number | null,
   *   notLive?: boolean, final?: boolean}} more  `retryAfter` in ms; `final`: no new try can help */
  constructor(title, { detail = "", hint = "", status = 0, retryAfter = null, notLive = false, final = false } = {}) {
    super(title);
    this.name = "Trouble";
    this.detail = detail;
    this.hint = hint;
    this.status = status;
    this.retryAfter = retryAfter;
    this.notLive = notLive;
    this.final = final;
  }
}

const LONGEST = 600;
/** A text that may stand as a title: nodes answer with one plain sentence. */
const TITLE = 120;

/** What an answer that is not 2xx says: problem+json (RFC 9457), Red5's `errorMessage`, or its plain text. */
export async function fromResponse(response, role) {
  const text = (await response.text().catch(() => "")).slice(0, LONGEST).trim();
  const { title, detail } = words(response, text);
  const { status } = response;
  return new Trouble(sentence(title), {
    detail: sentence(detail),
    hint: hint(status, role),
    status,
    retryAfter: seconds(response.headers.get("Retry-After")),
    notLive: role === "play" && (status === 404 || status === 409),
  });
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function words(response, text) {
  const fallback = `The answer was ${response.status} ${response.statusText}`.trim();
  const type = response.headers.get("Content-Type") ?? "";
  if (type.includes("json")) {
    try {
      const body = JSON.parse(text);
      return { title: body.title ?? body.errorMessage ?? fallback, detail: body.detail ?? "" };
    } catch { /* not JSON after all: shown as text below */ }
  }
  if (!text || type.includes("html")) return { title: fallback, detail: "" };
  return text.length <= TITLE ? { title: text, detail: fallback } : { title: fallback, detail: text };
}

/** `Retry-After` in ms; only its form in seconds is used here. */
function seconds(text) {
  return /^\d{1,6}$/.test(text ?? "") ? Number(text) * 1000 : null;
}

/** What to do about a status; the same status means different things to a publisher and a player. */
function hint(status, role) {
  if (role === "play" && (status === 404 || status === 409)) return NOT_LIVE;
  if (role === "publish" && status === 409) return NAME_TAKEN;
  switch (status) {
    case 400: return "Check the scope and the stream name.";
    case 401: case 403: return "The node or the proxy does not allow this. Its log names the setting that would.";
    case 404: return "Check the scope: the node knows no application of that name.";
    case 429: case 503: return "Too much is going on at once. Try again shortly.";
    case 502: case 504: return "The node or the Stream Manager could not be reached. Try again shortly.";
    default: return "";
  }
}

export const NOT_LIVE = "Start publishing under this scope and name: the picture then comes by itself.";
export const NAME_TAKEN = "Choose another stream name, or stop the other publisher.";

/** Turns whatever was thrown into a Trouble. */
export function fromThrown(error) {
  if (error instanceof Trouble) return error;
  if (error?.name === "TimeoutError") {
    return new Trouble("No answer in time", { hint: "The proxy or the node is slow or gone. Try again." });
  }
  if (error instanceof TypeError && /fetch|network/i.test(error.message)) {
    return new Trouble("The proxy could not be reached", { hint: "Is it still running? Reload the page when it is." });
  }
  return new Trouble("Something unexpected happened", { detail: String(error?.message ?? error) });
}
