// ICE servers from a Link header (RFC 8288, RFC 9725 §4.6). Without one there are none: nothing on the internet is asked.

/** @param {string | null} header  all Link headers, comma-joined as fetch gives them */
export function iceServers(header) {
  const servers = [];
  for (const link of (header ?? "").matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"[^"]*"|[^\s,;]*))*)/g)) {
    const parameters = Object.fromEntries(
      [...link[2].matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s,;]*))/g)].map((found) => [found[1].toLowerCase(), found[2] ?? found[3]]),
    );
    if (parameters.rel !== "ice-server") continue;
    const server = { urls: link[1] };
    if (parameters.username && parameters.credential) {
      server.username = parameters.username;
      server.credential = parameters.credential;
    }
    servers.push(server);
  }
  return servers;
}
