// The sessions that are searched for, as a file for spreadsheets.

import { read } from "./ask.js";

const COLUMNS = ["id", "kind", "scope", "stream", "node", "client", "agent", "tls", "began_at", "from_client_bytes", "from_node_bytes", "rate_bps", "last_activity_at"];
/** Pages of 500: more sessions than a replica has by default. */
const MOST_PAGES = 60;

/** Saves the sessions of this query. */
export async function save(query) {
  const lines = [COLUMNS.join(",")];
  for (let page = 1, pages = 1; page <= Math.min(pages, MOST_PAGES); page += 1) {
    const found = await read(`sessions?${new URLSearchParams({ ...query, page, per_page: 500 })}`);
    pages = found.pages;
    lines.push(...found.sessions.map((session) => COLUMNS.map((name) => cell(name, session[name])).join(",")));
  }
  const url = URL.createObjectURL(new Blob([lines.join("\r\n"), "\r\n"], { type: "text/csv" }));
  Object.assign(document.createElement("a"), { href: url, download: "whipstitch-sessions.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return lines.length - 1;
}

/** Clients choose names: what a spreadsheet would take for a formula becomes text. */
function cell(name, value) {
  if (value == null) return "";
  const text = name.endsWith("_at") ? new Date(value).toISOString() : String(value);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}
