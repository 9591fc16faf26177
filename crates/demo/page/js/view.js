// One panel's elements, and how they show things. Knows no WebRTC.

import { milliseconds, Steps } from "./steps.js";

const TITLES = { publish: "Publish", play: "Play" };
const VEILS = { publish: "Your picture shows here", play: "The stream shows here" };
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
    this.state("idle", role === "publish" ? "Nothing is being sent." : "Nothing is being played.");
  }

  write(part, text) {
    if (this.parts[part].textContent !== text) this.parts[part].textContent = text;
  }

  /** `idle`, `starting`, `live`, `stalled` or `failed`; `text` says it to people. */
  state(name, text = "") {
    const running = name === "starting" || name === "live" || name === "stalled";
    this.root.dataset.state = name;
    this.write("toggle", running ? "Stop" : TITLES[this.role]);
    this.write("veil", name === "starting" ? STARTING[this.role] : VEILS[this.role]);
    this.write("status", text || (name === "starting" ? STARTING[this.role] : ""));
    this.parts.sound.hidden = !(running && this.role === "play");
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
    this.root.dataset.frames = 0;
    this.root.dataset.node = "";
    this.write("took", "Steps");
    this.trouble(null);
    this.steps.reset();
  }
}
