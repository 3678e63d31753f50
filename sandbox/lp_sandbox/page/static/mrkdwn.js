// Slack's mrkdwn, read the way Slack reads it, into DOM nodes. Entities and <…> first, marks after.
import { h } from "./dom.js";
import { item, itemsUnder } from "./stream.js";

let emoji = {};

/** Short codes come from the server once; until then they stay as typed. */
export async function loadEmoji() {
  const answer = await fetch("emoji.json");
  emoji = await answer.json();
}

const emojiCharacter = (name) => emoji[name.split("::")[0]];

// Lights are drawn: they carry the card's meaning, and not every machine has a colour emoji font.
const LIGHTS = {
  "\u{1f7e2}": "green", "\u{1f7e1}": "yellow", "\u{1f7e0}": "orange", "\u{1f534}": "red",
  "\u{26aa}": "white", "\u{1f535}": "blue",
};
const LIGHT = /([\u{1f7e2}\u{1f7e1}\u{1f7e0}\u{1f534}\u{26aa}\u{1f535}])/u;

/** Text as nodes, lights drawn. */
export const lit = (text) => text.split(LIGHT).filter(Boolean).map((part) => (LIGHTS[part]
  ? h("i", { class: `light ${LIGHTS[part]}`, role: "img", "aria-label": `${LIGHTS[part]} light` })
  : document.createTextNode(part)));

const LOCK = "M5 7V5a3 3 0 0 1 6 0v2h1v7H4V7zm1.5 0h3V5a1.5 1.5 0 0 0-3 0z";

/** One emoji by its short code. The padlock is drawn for the same reason as the lights. */
export function emojiNode(name) {
  if (name !== "lock") return lit(emojiCharacter(name) ?? `:${name}:`);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "glyph");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "lock");
  path.setAttribute("d", LOCK);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

/** A moment in Slack's date format, in the reader's own zone. */
export function moment(seconds, format) {
  const at = new Date(seconds * 1000);
  const date = at.toLocaleDateString([], { month: "short", day: "numeric", year: "numeric" });
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return format.replace(/\{(date|time)\w*\}/g, (_, kind) => (kind === "time" ? time : date));
}

const unescape = (text) =>
  text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

const safeAddress = (address) => /^(https?:|mailto:)/i.test(address);

/** A link that opens elsewhere; an address of any other scheme is shown, not linked. */
export function link(address, label) {
  if (!safeAddress(address)) return document.createTextNode(label ?? address);
  return h("a", { href: address, target: "_blank", rel: "noreferrer noopener" }, label ?? address);
}

export const userName = (id) =>
  itemsUnder("user/").find((user) => user.id === id)?.name ?? id;
export const channelName = (id) =>
  itemsUnder("channel/").find((channel) => channel.id === id)?.name ?? id;

export const mention = (text) => h("span", { class: "mention" }, text);

function angle(inside) {
  const [target, label] = inside.split(/\|(.*)/s);
  if (target.startsWith("@")) return mention(`@${userName(target.slice(1))}`);
  if (target.startsWith("#")) return mention(`#${label || channelName(target.slice(1))}`);
  if (target.startsWith("!date^")) {
    const [, seconds, format] = target.split("^");
    return document.createTextNode(moment(Number(seconds), unescape(format ?? label ?? "")));
  }
  if (target.startsWith("!subteam")) return mention(unescape(label ?? "@group"));
  if (target.startsWith("!")) return h("span", { class: "mention ping" }, `@${target.slice(1)}`);
  return link(unescape(target), label === undefined ? undefined : unescape(label));
}

const MARKS = [
  [/```\n?([\s\S]+?)```/, (inside) => h("pre", {}, plainOf(inside))],
  [/`([^`\n]+)`/, (inside) => h("code", {}, plainOf(inside))],
  [/<([^<>\n]+)>/, angle],
  [/(?<![\w*])\*(?=\S)([^*\n]*[^*\s])\*(?![\w*])/, (inside) => h("b", {}, marked(inside))],
  [/(?<![\w_])_(?=\S)([^_\n]*[^_\s])_(?![\w_])/, (inside) => h("i", {}, marked(inside))],
  [/(?<![\w~])~(?=\S)([^~\n]*[^~\s])~(?![\w~])/, (inside) => h("s", {}, marked(inside))],
  [/:([a-z0-9_+'-]+(?:::skin-tone-\d)?):/, (name, whole) =>
    (emojiCharacter(name) ? h("span", {}, emojiNode(name)) : document.createTextNode(whole))],
];

const plainOf = (text) => unescape(text.replace(/<([^<>|]+)(?:\|[^<>]*)?>/g, "$1"));

/** Nodes for one run of text: the leftmost mark wins, the rest is read again. */
function marked(text) {
  const nodes = [];
  let rest = text;
  while (rest) {
    let best = null;
    for (const [pattern, make] of MARKS) {
      const match = pattern.exec(rest);
      if (match && (!best || match.index < best.match.index)) best = { match, make };
    }
    if (!best) break;
    const { match, make } = best;
    if (match.index) nodes.push(...lit(unescape(rest.slice(0, match.index))));
    nodes.push(make(match[1], match[0]));
    rest = rest.slice(match.index + match[0].length);
  }
  if (rest) nodes.push(...lit(unescape(rest)));
  return nodes;
}

/** Slack's mrkdwn as nodes; lines that begin with `>` become quotes. */
export function mrkdwn(text) {
  const parts = [];
  for (const chunk of text.split(/(```[\s\S]+?```)/)) {
    if (chunk.startsWith("```")) {
      parts.push(...marked(chunk));
      continue;
    }
    let quote = null;
    for (const line of chunk.split(/(?<=\n)/)) {
      if (line.startsWith("&gt;")) {
        if (!quote) parts.push((quote = h("blockquote")));
        quote.append(...marked(line.slice(4).trimStart()));
      } else {
        quote = null;
        parts.push(...marked(line));
      }
    }
  }
  return parts;
}

/** The characters of a `plain_text` object. */
export const plainText = (object) => unescape(object?.text ?? "").replace(/:([a-z0-9_+'-]+):/g,
  (whole, name) => (object.emoji === false ? whole : emojiCharacter(name) ?? whole));

/** A text object of Block Kit: `{type: "mrkdwn"|"plain_text", text}`. */
export function textObject(object) {
  if (!object) return [];
  if (object.type === "mrkdwn") return mrkdwn(object.text ?? "");
  return lit(plainText(object));
}

export const botName = () => item("meta")?.bot_name ?? "LP Bridge";
