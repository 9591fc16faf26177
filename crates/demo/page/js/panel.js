// Runs attempts to publish or to play, one after the other until one lasts, and updates the view.

import { wait } from "./again.js";
import { Attempt } from "./attempt.js";
import { latency } from "./latency.js";
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
/** A node that has sent nothing at all for so long is gone: a browser by itself needs three times that. */
const GONE_AFTER = 5_000;
/** A picture that stands still for so long, from a node that lives, is asked for anew. */
const STILL_FOR = 9_000;

export class Panel {
  /** @param {HTMLElement} root  @param {"publish" | "play"} role  @param {() => object | null} settings */
  constructor(root, role, settings) {
    this.role = role;
    this.settings = settings;
    this.view = new View(root, role);
    this.view.onMute = () => this.muteTracks();
    this.attempt = null;
    this.source = null;
    /** From start to stop: what was asked for, and how the tries went. */
    this.wanted = null;
    this.ended = Promise.resolve();
    this.view.parts.toggle.addEventListener("click", () => (this.isWanted ? this.stop() : this.start()));
  }

  get isWanted() {
    return this.wanted !== null;
  }

  start() {
    const typed = this.settings();
    if (!typed) return;
    this.wanted = { settings: forRole(this.role, typed), tries: 0, live: false, lostAt: null, timer: 0 };
    this.view.clear();
    this.view.state("starting");
    this.tryOnce();
  }

  restart() {
    if (this.isWanted) this.stop();
    this.start();
  }

  async tryOnce() {
    const { view, role } = this;
    const { settings } = this.wanted;
    view.steps.reset();
    const attempt = new Attempt(role, settings, view.steps);
    this.attempt = attempt;
    attempt.onNode = ({ serverAddress, region }) => view.node(serverAddress, region);
    attempt.onEnd = (trouble) => this.over(attempt, trouble);
    attempt.onHandOver = () => view.write("signalling", "Data channel, the WebSocket is closed");
    attempt.onTrack = ({ streams, track }) => this.arrived(streams[0], track);
    view.write("signalling", route(settings));
    try {
      await this.ended; // a name is free again once the last session is undone
      attempt.signal.throwIfAborted();
      if (role === "publish") await this.openSource(attempt);
      this.pc = await TRANSPORTS[settings.transport][role](attempt);
      await this.watch(attempt, this.pc);
    } catch (error) {
      this.over(attempt, fromThrown(error));
    }
  }

  stop() {
    clearTimeout(this.wanted.timer);
    this.wanted = null;
    this.finish(this.attempt);
    this.closeSource();
    this.view.trouble(null);
    this.view.state("idle", "Stopped.");
  }

  /** An attempt has ended by itself: with the next one to come, or for good. */
  over(attempt, trouble) {
    if (attempt.signal.aborted) return;
    this.finish(attempt);
    this.view.trouble(trouble);
    const { wanted } = this;
    const after = wait(this.role, trouble, wanted);
    if (after === null) {
      this.wanted = null;
      this.closeSource();
      this.view.state("failed", this.role === "publish" ? "Not publishing." : "Not playing.");
      return;
    }
    wanted.lostAt ??= performance.now();
    wanted.tries += 1;
    wanted.timer = setTimeout(() => this.tryOnce(), after);
    this.view.state("waiting", `Trying again ${after < 1_000 ? "now" : `in ${Math.round(after / 1_000)} s`}.`);
  }

  finish(attempt) {
    if (attempt) this.ended = attempt.end();
    this.attempt = null;
    this.pc = null;
    this.view.show(null);
  }

  /** Kept from one try to the next: or the screen would have to be chosen again after each loss. */
  async openSource(attempt) {
    if (!this.source) {
      const source = await attempt.steps.run("Picture and sound", attempt.settings.source, () => openSource(attempt.settings));
      if (attempt.signal.aborted) source.stop();
      attempt.signal.throwIfAborted();
      this.useSource(source);
    }
    attempt.media = this.source.stream;
    this.view.show(this.source.stream);
  }

  useSource(source) {
    this.source?.stop();
    this.source = source;
    this.view.remark(source.note);
    this.muteTracks();
    // The browser's own button that ends the sharing of a screen, or an unplugged camera.
    source.stream.getVideoTracks()[0]?.addEventListener("ended", () => {
      if (this.source !== source || !this.isWanted) return;
      this.stop();
      this.view.state("idle", "Stopped: the picture’s source has ended.");
    });
  }

  closeSource() {
    this.source?.stop();
    this.source = null;
  }

  muteTracks() {
    for (const track of this.source?.stream.getAudioTracks() ?? []) track.enabled = !this.view.muted;
  }

  /** Another camera, microphone or kind of picture in the same session. */
  async swap() {
    const [{ wanted, pc }, typed] = [this, this.settings()];
    if (!pc || !this.source || !typed) return;
    try {
      const source = await openSource(typed);
      if (this.pc !== pc) return source.stop();
      const { source: kind, camera, microphone } = typed;
      Object.assign(wanted.settings, { source: kind, camera, microphone });
      for (const track of source.stream.getTracks()) {
        const sender = pc.getSenders().find((each) => each.track?.kind === track.kind);
        await sender?.replaceTrack(track);
      }
      this.useSource(source);
      this.view.show(source.stream);
    } catch (error) {
      this.view.remark(fromThrown(error).message);
    }
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
        if (this.role === "play" && now.at - begun > STILL_FOR) throw STILL();
        if (now.at - begun > NO_FRAME_FOR) this.view.state("stalled", "Connected, but no picture has come yet.");
        await pause(attempt, FIRST_FRAME_EACH);
      }
    });
  }

  async live(attempt, now) {
    this.view.figures(0, now);
    this.view.trouble(null);
    this.view.remark(this.source?.note);
    this.back();
    this.view.state("live", this.doing(attempt));
    if (this.role === "play") attempt.defer(latency(this.view.video, (time) => this.view.glass(time)));
    if (!now.remote) return;
    this.view.media(now.remote);
    // Over WHIP and WHEP the proxy does the lookup, so the page asks afterwards what the Stream Manager lists.
    const nodes = await carriers(attempt);
    if (attempt.signal.aborted) return;
    const node = this.carrier(nodes, now.remote.address);
    this.view.node(node?.serverAddress || this.view.root.dataset.node || now.remote.address, node?.region);
  }

  /** Says how long it was gone. */
  back() {
    const { lostAt, live, tries } = this.wanted;
    if (live && tries > 0) this.view.remark(`Back by itself, ${((performance.now() - lostAt) / 1000).toFixed(1)} s after the loss was noticed.`);
    Object.assign(this.wanted, { tries: 0, live: true, lostAt: null });
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
    let [moved, heard] = [first.at, first.at];
    for (;;) {
      await pause(attempt, EACH);
      const now = await look(attempt, pc, kind);
      if (now.frames > before.frames) moved = now.at;
      if (now.heard > before.heard) heard = now.at;
      if (now.at - heard > GONE_AFTER) throw LOST();
      if (this.role === "play" && now.at - moved > STILL_FOR) throw STILL();
      this.view.figures(bitrate(before, now), now);
      if (now.at - moved < NO_FRAME_FOR) this.view.state("live", this.doing(attempt));
      else this.view.state("stalled", this.role === "play" ? "The picture stands still. Has the publisher stopped?" : "No frame leaves this browser.");
      before = now;
    }
  }
}

const LOST = () => new Trouble("The connection to the node was lost", { hint: "The node may have gone, or the network in between." });
const STILL = () => new Trouble("No picture comes any more", { hint: NOT_LIVE, notLive: true });

/** What a DTLS close from the node means. */
const CLOSED = {
  publish: () => new Trouble("The node has ended the session", { hint: "It was told to, or it is being stopped." }),
  play: () => new Trouble("The stream has ended", { hint: NOT_LIVE, notLive: true }),
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
