// One panel's elements, and how they show things. Knows no WebRTC.

import { milliseconds, Steps } from "./steps.js";

const TITLES = { publish: "Publish", play: "Play" };
const VEILS = { publish: "Your picture shows here", play: "The stream shows here" };
const WAITING = { publish: "Waiting to publish again …", play: "Waiting for the stream …" };
const STARTING = { publish: "Starting to publish …", play: "Starting to play …" };

export class View {
  /** @param {HTMLElement} root  @param {"publish" | "play"} role */
  constructor(root, role) {
    this.root = root;
    this.role = role;
    root.replaceChildren(document.getElementById("panel").content.cloneNode(true));
    this.parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.video = root.querySelector("video");
    this.video.setAttribute("aria-label", role === "publish" ? "What is published" : "What is played");
    this.steps = new Steps(this.parts.steps);
    this.parts.title.id = `${role}-title`;
    this.write("title", TITLES[role]);
    this.parts.sound.addEventListener("click", () => this.sound(this.video.muted));
    this.parts.mute.addEventListener("click", () => this.mute(!this.muted));
    this.muted = false;
    this.state("idle", role === "publish" ? "Nothing is being sent." : "Nothing is being played.");
  }

  write(part, text) {
    if (this.parts[part].textContent !== text) this.parts[part].textContent = text;
  }

  /** `idle`, `starting`, `live`, `stalled`, `waiting` for the next try, or `failed`; `text` says it to people. */
  state(name, text = "") {
    const running = ["starting", "live", "stalled", "waiting"].includes(name);
    this.root.dataset.state = name;
    this.write("toggle", running ? "Stop" : TITLES[this.role]);
    this.write("veil", ({ starting: STARTING, waiting: WAITING }[name] ?? VEILS)[this.role]);
    this.write("status", text || (name === "starting" ? STARTING[this.role] : ""));
    this.parts.sound.hidden = !(running && this.role === "play");
    this.parts.mute.hidden = !(running && this.role === "publish");
  }

  trouble(trouble) {
    const paragraph = (name, text) => {
      const p = document.createElement("p");
      p.className = name;
      p.textContent = text;
      return p;
    };
    const { message, detail, hint } = trouble ?? {};
    this.parts.trouble.replaceChildren(
      ...[["what", message], ["detail", detail], ["hint", hint]].filter(([, text]) => text).map(([name, text]) => paragraph(name, text)),
    );
  }

  /** A remark that is no error, such as a missing camera. */
  remark(text) {
    if (!text) return;
    const p = document.createElement("p");
    p.className = "remark";
    p.textContent = text;
    this.parts.trouble.append(p);
  }

  show(stream) {
    this.video.srcObject = stream;
    if (stream) this.video.play().catch(() => {}); // muted video may always play; a stop meanwhile rejects
    else this.sound(false);
  }

  sound(on) {
    this.video.muted = !on;
    this.parts.sound.setAttribute("aria-pressed", String(on));
  }

  /** The microphone; the panel puts it on the tracks. */
  mute(muted) {
    this.muted = muted;
    this.parts.mute.setAttribute("aria-pressed", String(muted));
    this.onMute?.(muted);
  }

  /** How old the picture is, in ms. */
  glass(time) {
    this.root.dataset.glass = time ?? "";
    this.write("glass", time === null ? "–" : `${time} ms`);
  }

  node(address, region) {
    this.root.dataset.node = address ?? "";
    this.write("node", address ? [address, region].filter(Boolean).join(" · ") : "");
  }

  figures(bits, now) {
    this.root.dataset.frames = now.frames;
    this.write("bitrate", bits >= 1e6 ? `${(bits / 1e6).toFixed(2)} Mb/s` : `${Math.round(bits / 1e3)} kb/s`);
    this.write("rate", `${Math.round(now.rate)} /s`);
    this.write("size", now.width ? `${now.width} × ${now.height}` : "–");
    this.write("trip", now.trip === null ? "–" : `${Math.max(1, Math.round(now.trip * 1000))} ms`);
  }

  /** The whole time to the first frame. */
  took(time) {
    this.write("took", `Steps, ${milliseconds(time)} to the first frame`);
  }

  media({ address, port, protocol }) {
    this.write("media", `${address.includes(":") ? `[${address}]` : address}:${port}, ${protocol.toUpperCase()}, direct`);
  }

  /** For a new attempt. */
  clear() {
    this.root.dataset.used = "true"; // before that there is nothing to show below the picture
    for (const part of ["bitrate", "rate", "size", "trip"]) this.write(part, "–");
    for (const part of ["node", "signalling", "media"]) this.write(part, "");
    this.glass(null);
    this.root.dataset.frames = 0;
    this.root.dataset.node = "";
    this.write("took", "Steps");
    this.trouble(null);
    this.steps.reset();
  }
}
