// One WebSocket to a node, through the proxy: JSON frames out, frames awaited by what they say.

import { until } from "./peer.js";
import { Trouble } from "./trouble.js";

const FRAME_WITHIN = 10_000;
const BACKLOG = 64;

export class Dialogue {
  /** Opens `url`; `attempt` ends it. */
  constructor(url, attempt) {
    this.attempt = attempt;
    this.waiting = new Set();
    this.backlog = [];
    this.onCandidate = () => {};
    this.handedOver = false;
    this.socket = new WebSocket(url);
    this.socket.addEventListener("message", ({ data }) => this.receive(data));
    this.socket.addEventListener("close", ({ code, wasClean }) => this.closed(code, wasClean));
    attempt.defer(() => this.socket.close());
  }

  send(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  /** Resolves with the first frame, past or coming, for which `pick` gives something. */
  next(what, pick) {
    const late = () => new Trouble(`The node did not say ${what}`, { hint: "It is slow or gone. Try again." });
    return until(this.attempt.signal, FRAME_WITHIN, late, (resolve, reject) => {
      for (const [at, frame] of this.backlog.entries()) {
        const found = pick(frame);
        if (found === undefined) continue;
        this.backlog.splice(at, 1);
        resolve(found);
        return undefined;
      }
      if (this.ended) {
        reject(this.ended);
        return undefined;
      }
      const waiter = { pick, resolve, reject };
      this.waiting.add(waiter);
      return () => this.waiting.delete(waiter);
    });
  }

  /** Connect.Success, or why not. */
  accepted() {
    return this.next("that it accepts the connection", ({ data }) => (data?.code === "NetConnection.Connect.Success" ? true : undefined));
  }

  description(type) {
    return this.next(`its ${type}`, ({ data }) => (data?.sdp?.type === type ? data.sdp : undefined));
  }

  status(what, matches) {
    return this.next(what, ({ data }) => (data?.type === "status" && matches(data) ? data : undefined));
  }

  receive(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return; // as Red5's SDK does with what is not JSON
    }
    const data = frame.data;
    if (data?.candidate) this.onCandidate(data.candidate);
    else if (data?.type === "error" || /Connect\.(Rejected|Failed)$/.test(data?.code ?? "")) this.fail(refusal(data));
    else this.deliver(frame);
  }

  deliver(frame) {
    for (const waiter of this.waiting) {
      const found = waiter.pick(frame);
      if (found === undefined) continue;
      this.waiting.delete(waiter);
      waiter.resolve(found);
      return;
    }
    this.backlog.push(frame);
    if (this.backlog.length > BACKLOG) this.backlog.shift();
  }

  closed(code, wasClean) {
    if (this.handedOver) return;
    const why = code === 1006 ? "" : `Close code ${code}.`;
    const title = wasClean ? "The node closed the connection" : "The WebSocket could not be opened or broke off";
    this.fail(new Trouble(title, { detail: why, hint: "The proxy's log says why: a browser is not told the status of a refused WebSocket." }));
  }

  fail(trouble) {
    this.ended = trouble;
    if (this.waiting.size === 0) this.attempt.onEnd(trouble);
    for (const waiter of this.waiting) waiter.reject(trouble);
  }

  /** The node continues over the data channel: the last frame, then an empty Close right behind it. */
  handOver(label) {
    this.handedOver = true;
    this.send({ switchChannel: label });
    this.socket.close();
  }
}

function refusal(data) {
  return new Trouble(data.message ?? "The node refused the connection", { detail: data.detail ?? data.description ?? data.code ?? "" });
}
