// Queries: key by key in the order given, without what is empty.

/** `pairs` as `a=b&c=d`. */
export function query(pairs) {
  const written = Object.entries(pairs).filter(([, value]) => value);
  return written.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
}

/** A URL with more in its query. */
export function withQuery(url, more) {
  if (!more) return url;
  return url + (url.includes("?") ? "&" : "?") + more;
}
