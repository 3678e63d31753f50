// The page's picture of the world: named items (a message, a conversation, an event, the bridge …)
// that the server sets and removes, and the wire, which only grows. One stream carries both; after
// a reconnect the server sends all items again and only the frames that were missed.

const items = new Map();
const wire = [];
const listeners = new Set();
let epoch = null;
let kept = 4000;

export const item = (key) => items.get(key);

/** All values whose key begins with `prefix`, in the order in which they came. */
export const itemsUnder = (prefix) => {
  const found = [];
  for (const [key, value] of items) if (key.startsWith(prefix)) found.push(value);
  return found;
};

/** Call `listener({items, wire, fresh})` after every change; `wire` holds the new frames. */
export const subscribe = (listener) => listeners.add(listener);

const tell = (change) => {
  for (const listener of listeners) listener(change);
};

function appendWire(entries) {
  wire.push(...entries);
  if (wire.length > kept) wire.splice(0, wire.length - kept);
}

export function follow(onState) {
  const source = new EventSource("stream");
  source.addEventListener("open", () => onState(true));
  source.addEventListener("error", () => onState(false));
  source.addEventListener("snapshot", (event) => {
    const snapshot = JSON.parse(event.data);
    const fresh = epoch !== snapshot.epoch;
    epoch = snapshot.epoch;
    items.clear();
    for (const [key, value] of Object.entries(snapshot.items)) items.set(key, value);
    if (fresh) wire.length = 0;
    appendWire(snapshot.wire);
    tell({ items: true, wire: snapshot.wire, fresh });
  });
  source.addEventListener("change", (event) => {
    const change = JSON.parse(event.data);
    for (const key of change.remove) items.delete(key);
    for (const [key, value] of Object.entries(change.set)) items.set(key, value);
    tell({ items: true, wire: [], fresh: false });
  });
  source.addEventListener("wire", (event) => {
    const entries = JSON.parse(event.data);
    appendWire(entries);
    tell({ items: false, wire: entries, fresh: false });
  });
}

export const frames = () => wire;

/** POST JSON; the answer's JSON, or `{error}` with a sentence for the person. */
export async function post(path, body) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const json = await answer.json();
    return json;
  } catch {
    return { error: "The demo does not answer." };
  }
}
