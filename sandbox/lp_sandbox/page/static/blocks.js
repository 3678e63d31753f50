// Block Kit, as far as the bridge uses it and a little further. What is unknown says its type.
import { chooser } from "./choices.js";
import { avatar, h } from "./dom.js";
import {
  channelName, emojiNode, link, lit, mention, moment, mrkdwn, textObject, userName,
} from "./mrkdwn.js";

const styled = (nodes, style = {}) => {
  let inner = nodes;
  if (style.code) inner = [h("code", {}, inner)];
  if (style.bold) inner = [h("b", {}, inner)];
  if (style.italic) inner = [h("i", {}, inner)];
  if (style.strike) inner = [h("s", {}, inner)];
  return inner;
};

function richElement(element) {
  switch (element.type) {
    case "text": return styled(lit(element.text), element.style);
    case "link": return styled([link(element.url, element.text)], element.style);
    case "emoji": return emojiNode(element.name);
    case "date": return moment(element.timestamp, element.format);
    case "user": return mention(`@${userName(element.user_id)}`);
    case "channel": return mention(`#${channelName(element.channel_id)}`);
    case "usergroup": return mention("@group");
    case "broadcast": return h("span", { class: "mention ping" }, `@${element.range}`);
    default: return `[${element.type}]`;
  }
}

function richPart(part) {
  const inside = () => (part.elements ?? []).map(richElement);
  switch (part.type) {
    case "rich_text_section": return h("div", { class: "rich" }, inside());
    case "rich_text_quote": return h("blockquote", {}, inside());
    case "rich_text_preformatted": return h("pre", {}, inside());
    case "rich_text_list":
      return h(part.style === "ordered" ? "ol" : "ul", { class: "rich-list" },
        (part.elements ?? []).map((line) => h("li", {}, richPart(line))));
    default: return h("span", { class: "unknown" }, `[${part.type}]`);
  }
}

// Pictures are described, not fetched: the demo loads nothing from elsewhere.
const picture = (element) =>
  h("span", { class: "picture", title: element.image_url ?? "" }, avatar(element.alt_text || "?"));

function button(element, onClick) {
  const style = ["primary", "danger"].includes(element.style) ? element.style : "";
  if (element.url) return h("a", {
    class: `button ${style}`, href: /^https?:/i.test(element.url) ? element.url : null,
    target: "_blank", rel: "noreferrer noopener",
  }, textObject(element.text));
  return h("button", {
    type: "button", class: style, dataset: { focus: element.action_id ?? "", action: element.action_id ?? "" },
    onclick: (event) => onClick(element, event.currentTarget),
  }, textObject(element.text));
}

function interactive(element, onClick, chosen, blockId) {
  if (element.type === "button") return button(element, onClick);
  if (element.type === "image") return picture(element);
  return chooser(element, chosen, blockId)
    ?? h("span", { class: "unknown" }, `[${element.type}]`);
}

const fieldTable = (rows) => h("table", { class: "b-table" }, rows.map((row) => h("tr", {},
  row.map((cell) => h("td", {}, cell.type === "rich_text"
    ? (cell.elements ?? []).map(richPart) : lit(String(cell.text ?? cell.value ?? "")))))));

function card(it, onClick, chosen) {
  return h("div", { class: "b-card" },
    it.hero_image ? picture(it.hero_image) : null,
    it.title ? h("b", {}, textObject(it.title)) : null,
    it.subtitle ? h("small", {}, textObject(it.subtitle)) : null,
    it.body ? h("div", {}, textObject(it.body)) : null,
    it.subtext ? h("small", {}, textObject(it.subtext)) : null,
    it.actions?.length ? h("div", { class: "b-actions" },
      it.actions.map((element) => interactive(element, onClick, chosen, it.block_id))) : null);
}

function container(it, onClick, chosen) {
  const title = it.title ? textObject(it.title) : it.rich_text_title ? block(it.rich_text_title) : [];
  const inside = (it.child_blocks ?? []).map((child) => block(child, onClick, chosen));
  if (it.is_collapsible) return h("details", { class: "b-container", open: !it.default_collapsed },
    h("summary", {}, title), inside);
  return h("div", { class: "b-container" }, h("b", {}, title),
    it.subtitle ? h("small", {}, textObject(it.subtitle)) : null, inside);
}

function contextElement(element) {
  if (element.type === "image") return picture(element);
  return h("span", {}, textObject(element));
}

function block(it, onClick, chosen) {
  switch (it.type) {
    case "header": return h("div", { class: "b-header" }, textObject(it.text));
    case "divider": return h("hr");
    case "section":
      return h("div", { class: "b-section" },
        h("div", { class: "b-grow" },
          it.text ? h("div", {}, textObject(it.text)) : null,
          it.fields ? h("div", { class: "b-fields" },
            it.fields.map((field) => h("div", {}, textObject(field)))) : null),
        it.accessory ? interactive(it.accessory, onClick, chosen, it.block_id) : null);
    case "context":
      return h("div", { class: "b-context" }, (it.elements ?? []).map(contextElement));
    case "actions":
      return h("div", { class: "b-actions" },
        (it.elements ?? []).map((element) => interactive(element, onClick, chosen, it.block_id)));
    case "input":
      return h("div", { class: "b-input" }, h("b", {}, textObject(it.label)),
        it.element ? interactive(it.element, onClick, chosen, it.block_id) : null,
        it.hint ? h("small", {}, textObject(it.hint)) : null);
    case "card": return card(it, onClick, chosen);
    case "carousel":
      return h("div", { class: "b-carousel" }, (it.elements ?? it.cards ?? []).map((each) => card(each, onClick, chosen)));
    case "container": return container(it, onClick, chosen);
    case "table": return fieldTable(it.rows ?? []);
    case "rich_text": return h("div", { class: "b-rich" }, (it.elements ?? []).map(richPart));
    case "markdown": return h("div", {}, mrkdwn(it.text ?? ""));
    case "image":
      return h("figure", {}, it.title ? h("b", {}, textObject(it.title)) : null, picture(it),
        h("figcaption", {}, it.alt_text ?? ""));
    default: return h("div", { class: "unknown" }, `[${it.type}]`);
  }
}

/** Blocks as nodes. `chosen` keeps what is chosen in them: {block_id: {action_id: state}}. */
export const blockNodes = (blocks, onClick, chosen = {}) =>
  blocks.map((it) => block(it, onClick, chosen));

/** A message's body: its blocks, or its text where it has none. */
export function body(message, onClick, chosen) {
  if (message.blocks?.length) return blockNodes(message.blocks, onClick, chosen);
  return [h("div", { class: "text" }, mrkdwn(message.text ?? ""))];
}
