// Below: every frame and call, as it happens.
import { $, clockExact, h } from "./dom.js";
import { frames, itemsUnder } from "./stream.js";

const SHOWN = 1500; // rows in the document; the rest is dropped from the top

let paused = false;
let missed = 0;
let clearedAt = 0;
let total = 0;
const filter = { side: "", conversation: "" };

/** Does a frame belong to the chosen conversation? Slack's calls do through their thread. */
function wanted(entry) {
  if (entry.number <= clearedAt) return false;
  if (filter.side && entry.side !== filter.side) return false;
  if (!filter.conversation) return true;
  const conversation = itemsUnder("conversation/").find((it) => it.id === filter.conversation);
  return entry.conversation === filter.conversation
    || Boolean(entry.thread && conversation?.thread && entry.thread === conversation.thread);
}

function pretty(body) {
  if (body === null) return "(no body)";
  return typeof body === "string" ? body : JSON.stringify(body, null, 2);
}

/** The words in a frame, if there are any: what a person looks for first. */
function gist(body) {
  if (body === null || typeof body !== "object") return "";
  const change = body.body?.changes?.[0];
  const said = body.event?.text ?? body.arguments?.text ?? body.arguments?.name ?? body.text
    ?? body.body?.event?.message ?? change?.event?.message;
  if (typeof said === "string") return said;
  const state = change?.result?.conversationDetails?.state;
  return typeof state === "string" ? state : "";
}

function row(entry) {
  const inward = entry.direction === "in";
  const other = entry.side === "slack" ? "Slack" : "LivePerson";
  return h("li", { class: `frame ${entry.side}`, dataset: { number: entry.number } },
    h("details", {
      ontoggle: (event) => {
        // The JSON is only laid out once somebody asks for it.
        const details = event.currentTarget;
        if (!details.open) return;
        if (!details.querySelector("pre")) details.append(h("pre", {}, pretty(entry.body)));
        details.scrollIntoView({ block: "nearest" });
      },
    },
    h("summary", {},
      h("time", {}, clockExact(entry.at)),
      h("span", { class: "way", title: inward ? `bridge to ${other}` : `${other} to bridge` },
        h("span", { class: "visually-hidden" }, inward ? `bridge to ${other}` : `${other} to bridge`),
        h("span", { "aria-hidden": "true" }, inward ? "→" : "←")),
      h("span", { class: "frame-side" }, other),
      h("span", { class: "frame-channel" }, entry.channel),
      h("span", { class: "frame-title" }, entry.title,
        h("span", { class: "gist" }, gist(entry.body).replace(/\s+/g, " ").slice(0, 160))))));
}

function count() {
  const shown = $("frames").childElementCount;
  $("wire-empty").hidden = shown > 0;
  $("wire-count").textContent = paused && missed
    ? `paused, ${missed} more waiting` : `${shown} of ${total}`;
}

function toEnd() {
  $("wire-scroll").scrollTop = $("wire-scroll").scrollHeight;
  $("wire-end").hidden = true;
}

function redraw() {
  missed = 0;
  $("frames").replaceChildren(...frames().filter(wanted).slice(-SHOWN).map(row));
  toEnd();
  count();
}

/** Is an opened frame in sight? Then what comes in must not push it away. */
function reading(scroller, list) {
  const { top, bottom } = scroller.getBoundingClientRect();
  return [...list.querySelectorAll("details[open]")].some((details) => {
    const box = details.getBoundingClientRect();
    return box.bottom > top && box.top < bottom;
  });
}

export function add(entries, fresh) {
  if (fresh) {
    clearedAt = 0;
    total = 0;
    redraw();
  }
  total = Math.max(total, entries.at(-1)?.number ?? 0);
  if (fresh) return count();
  if (paused) {
    missed += entries.filter(wanted).length;
    return count();
  }
  const rows = entries.filter(wanted).map(row);
  if (rows.length) {
    const scroller = $("wire-scroll");
    const list = $("frames");
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40
      && !reading(scroller, list);
    list.append(...rows);
    while (list.childElementCount > SHOWN) list.firstElementChild.remove();
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
    else $("wire-end").hidden = false;
  }
  return count();
}

let threadsPrint = "";

/** Offer every conversation in the filter; draw again when a thread became known. */
export function drawFilter() {
  const all = itemsUnder("conversation/").sort((a, b) => b.opened_at - a.opened_at);
  const print = JSON.stringify(all.map((it) => [it.id, it.title, it.thread]));
  if (print === threadsPrint) return;
  threadsPrint = print;
  const select = $("wire-conversation");
  select.replaceChildren(h("option", { value: "" }, "All conversations"),
    ...all.map((it) => h("option", { value: it.id }, it.title)));
  if (!all.some((it) => it.id === filter.conversation)) filter.conversation = "";
  select.value = filter.conversation;
  if (filter.conversation && !paused) redraw();
}

export function start() {
  $("wire-side").addEventListener("change", (event) => {
    filter.side = event.target.value;
    redraw();
  });
  $("wire-conversation").addEventListener("change", (event) => {
    filter.conversation = event.target.value;
    redraw();
  });
  $("wire-pause").addEventListener("click", (event) => {
    paused = !paused;
    event.currentTarget.setAttribute("aria-pressed", String(paused));
    event.currentTarget.textContent = paused ? "Go on" : "Pause";
    if (!paused) redraw();
    count();
  });
  $("wire-clear").addEventListener("click", () => {
    clearedAt = total;
    redraw();
  });
  $("wire-end").addEventListener("click", toEnd);
  $("wire-scroll").addEventListener("scroll", () => {
    const scroller = $("wire-scroll");
    if (scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40) $("wire-end").hidden = true;
  });
}
