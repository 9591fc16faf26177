// Runs attempts to publish or to play, and updates the view.

import { Attempt } from "./attempt.js";
import { carriers } from "./manager.js";
import { until } from "./peer.js";
import { forRole } from "./settings.js";
import * as socket from "./socket.js";
import { openSource } from "./source.js";
import { bitrate, sample } from "./stats.js";
import { fromThrown, NOT_LIVE, Trouble } from "./trouble.js";
import { View } from "./view.js";
import * as whip from "./whip.js";

const TRANSPORTS = { http: whip, socket };
const EACH = 1_000;
const FIRST_FRAME_EACH = 40;
const NO_FRAME_FOR = 3_000;

export class Panel {
  /** @param {HTMLElement} root  @param {"publish" | "play"} role  @param {() => object | null} settings */
  constructor(root, role, settings) {
    this.role = role;
    this.settings = settings;
    this.view = new View(root, role);
    this.attempt = null;
    this.ended = Promise.resolve();
    this.view.parts.toggle.addEventListener("click", () => (this.attempt ? this.stop() : this.start()));
  }

  async start() {
    const typed = this.settings();
    if (!typed) return;
    const { view, role } = this;
    const settings = forRole(role, typed);
    view.clear();
    view.state("starting");
    const attempt = new Attempt(role, settings, view.steps);
    this.attempt = attempt;
    attempt.onNode = ({ serverAddress, region }) => view.node(serverAddress, region);
    attempt.onEnd = (trouble) => this.over(attempt, trouble);
    attempt.onHandOver = () => view.write("signalling", "Data channel, the WebSocket is closed");
    attempt.onTrack = ({ streams, track }) => this.arrived(streams[0], track);
    view.write("signalling", route(settings));
    try {
      await this.ended; // a name is free again once the last session is undone
      if (role === "publish") await this.openSource(attempt);
      const pc = await TRANSPORTS[settings.transport][role](attempt);
      await this.watch(attempt, pc);
    } catch (error) {
      this.over(attempt, fromThrown(error));
    }
  }

  stop() {
    this.over(this.attempt, null);
  }

  /** Ends an attempt: with words when something went wrong, quietly when it was asked for. */
  over(attempt, trouble) {
    if (attempt.signal.aborted) return;
    this.ended = attempt.end();
    this.attempt = null;
    this.view.show(null);
    this.view.trouble(trouble);
    if (trouble) this.view.state("failed", this.role === "publish" ? "Not publishing." : "Not playing.");
    else this.view.state("idle", "Stopped.");
  }

  async openSource(attempt) {
    const source = await attempt.steps.run("Picture and sound", attempt.settings.source, () => openSource(attempt.settings.source));
    attempt.defer(source.stop);
    attempt.signal.throwIfAborted();
    attempt.media = source.stream;
    this.view.remark(source.note);
    this.view.show(source.stream);
  }

  arrived(stream, track) {
    const shown = this.view.video.srcObject ?? new MediaStream();
    for (const each of stream?.getTracks() ?? [track]) shown.addTrack(each);
    if (this.view.video.srcObject !== shown) this.view.show(shown);
  }

  /** Follows the media until the attempt ends. */
  async watch(attempt, pc) {
    const kind = this.role === "publish" ? "outbound-rtp" : "inbound-rtp";
    pc.addEventListener("connectionstatechange", () => {
      if (pc.connectionState === "failed") this.over(attempt, LOST());
    });
    const transport = [...pc.getSenders(), ...pc.getReceivers()].find((each) => each.transport)?.transport;
    transport?.addEventListener("statechange", () => {
      if (transport.state !== "closed") return;
      attempt.gone = true;
      this.over(attempt, CLOSED[this.role]());
    });
    const now = await this.firstFrame(attempt, pc, kind);
    this.view.took(this.view.steps.now());
    this.live(attempt, now);
    await this.follow(attempt, pc, kind, now);
  }

  firstFrame(attempt, pc, kind) {
    return attempt.steps.run("First frame", this.role === "publish" ? "sent" : "decoded", async () => {
      const begun = performance.now();
      for (;;) {
        const now = await look(attempt, pc, kind);
        if (now.frames > 0) return now;
        if (now.at - begun > NO_FRAME_FOR) this.view.state("stalled", "Connected, but no picture has come yet.");
        await pause(attempt, FIRST_FRAME_EACH);
      }
    });
  }

  async live(attempt, now) {
    this.view.figures(0, now);
    this.view.state("live", this.doing(attempt));
    if (!now.remote) return;
    this.view.media(now.remote);
    // Over WHIP and WHEP the proxy does the lookup, so the page asks afterwards what the Stream Manager lists.
    const nodes = await carriers(attempt);
    if (attempt.signal.aborted) return;
    const node = this.carrier(nodes, now.remote.address);
    this.view.node(node?.serverAddress || this.view.root.dataset.node || now.remote.address, node?.region);
  }

  /** The listed node that the media comes from, or must come from when its address says nothing (behind NAT). */
  carrier(nodes, address) {
    const mine = nodes.filter(({ type }) => type === (this.role === "publish" ? "origin" : "edge"));
    return nodes.find(({ serverAddress }) => serverAddress === address) ?? (mine.length === 1 ? mine[0] : undefined);
  }

  doing({ settings }) {
    return `${this.role === "publish" ? "Publishing" : "Playing"} ${settings.scope}/${settings.stream}`;
  }

  async follow(attempt, pc, kind, first) {
    let before = first;
    let moved = first.at;
    for (;;) {
      await pause(attempt, EACH);
      const now = await look(attempt, pc, kind);
      if (now.frames > before.frames) moved = now.at;
      this.view.figures(bitrate(before, now), now);
      if (now.at - moved < NO_FRAME_FOR) this.view.state("live", this.doing(attempt));
      else this.view.state("stalled", this.role === "play" ? "The picture stands still. Has the publisher stopped?" : "No frame leaves this browser.");
      before = now;
    }
  }
}

const LOST = () => new Trouble("The connection to the node was lost", { hint: "The node may have gone, or the network in between. Start again." });

/** What a DTLS close from the node means. */
const CLOSED = {
  publish: () => new Trouble("The node has ended the session", { hint: "Press Publish to start again." }),
  play: () => new Trouble("The stream has ended", { hint: NOT_LIVE }),
};

/** A sample; rejects when the attempt ends meanwhile, or what was stopped would be shown as live again. */
async function look(attempt, pc, kind) {
  const now = await sample(pc, kind);
  attempt.signal.throwIfAborted();
  return now;
}

/** Waits; rejects when the attempt ends meanwhile. */
function pause(attempt, most) {
  attempt.signal.throwIfAborted();
  return until(attempt.signal, most, null, () => {});
}

function route({ transport }) {
  return `${transport === "http" ? "HTTP" : "WebSocket"} through ${location.host}`;
}
