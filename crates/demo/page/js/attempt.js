// One attempt to publish or play: what it needs, how it is told to end, and what has to be undone then.

export class Attempt {
  /**
   * @param {"publish" | "play"} role
   * @param {{scope: string, stream: string, base: string, transport: string, source: string, region: string, strict: string, transcode: string}} settings
   * @param {import("./steps.js").Steps} steps
   */
  constructor(role, settings, steps) {
    this.role = role;
    this.settings = settings;
    this.steps = steps;
    this.media = null;
    /** Whether the node has ended the session: there is nothing to take leave of then. */
    this.gone = false;
    this.controller = new AbortController();
    this.signal = this.controller.signal;
    this.undo = [];
    // The panel replaces these.
    this.onTrack = () => {};
    this.onNode = () => {};
    this.onEnd = () => {};
    this.onHandOver = () => {};
  }

  /** `what` is done when the attempt ends, last come first; what it returns is waited for. */
  defer(what) {
    if (this.signal.aborted) what();
    else this.undo.push(what);
  }

  /** Ends it, from whichever side; only the first call counts. Resolves when all is undone. */
  async end() {
    if (this.signal.aborted) return;
    this.controller.abort(new DOMException("stopped", "AbortError"));
    this.steps.abandon();
    for (const what of this.undo.reverse()) await what();
  }
}
