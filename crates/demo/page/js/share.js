// A link, and a QR code of it for a phone, to a page that only plays this stream.

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export const isLoopback = () => LOOPBACK.test(location.hostname);

export class Share {
  /** @param {() => object | null} settings */
  constructor(settings) {
    this.settings = settings;
    this.shared = null;
    this.dialog = document.getElementById("share");
    this.link = document.getElementById("share-link");
    document.getElementById("share-open").addEventListener("click", () => this.open());
    document.getElementById("share-copy").addEventListener("click", (event) => this.copy(event.currentTarget));
    document.getElementById("share-close").addEventListener("click", () => this.dialog.close());
  }

  open() {
    const settings = this.settings();
    if (!settings) return;
    const { scope, stream, transport } = settings;
    const base = isLoopback() ? (this.shared ?? location.origin) : location.origin;
    this.link.value = `${base}/?${new URLSearchParams({ scope, stream, transport, view: "play" })}`;
    document.getElementById("share-code").src = `demo/qr.svg?text=${encodeURIComponent(this.link.value)}`;
    document.getElementById("share-hint").textContent = isLoopback() && !this.shared
      ? "This link works on this machine only. Start the demo with --address and this machine’s address to watch on a phone."
      : "The phone asks once whether to accept the certificate, which was made for this run.";
    document.getElementById("share-copy").textContent = "Copy";
    this.dialog.showModal();
  }

  async copy(button) {
    this.link.select();
    try {
      await navigator.clipboard.writeText(this.link.value);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl+C"; // no clipboard for a page over plain HTTP
    }
  }
}
