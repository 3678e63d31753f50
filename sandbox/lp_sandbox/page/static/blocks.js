// Block Kit, as far as the bridge uses it and a little further. What is unknown says its type.
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
    case "rich_text_section": return h("span", { class: "rich" }, inside());
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

function interactive(element, onClick) {
  if (element.type === "button") return button(element, onClick);
  if (element.type === "image") return picture(element);
  return h("span", { class: "unknown" }, `[${element.type}]`);
}

function contextElement(element) {
  if (element.type === "image") return picture(element);
  return h("span", {}, textObject(element));
}

function block(it, onClick) {
  switch (it.type) {
    case "header": return h("div", { class: "b-header" }, textObject(it.text));
    case "divider": return h("hr");
    case "section":
      return h("div", { class: "b-section" },
        h("div", { class: "b-grow" },
          it.text ? h("div", {}, textObject(it.text)) : null,
          it.fields ? h("div", { class: "b-fields" },
            it.fields.map((field) => h("div", {}, textObject(field)))) : null),
        it.accessory ? interactive(it.accessory, onClick) : null);
    case "context":
      return h("div", { class: "b-context" }, (it.elements ?? []).map(contextElement));
    case "actions":
      return h("div", { class: "b-actions" },
        (it.elements ?? []).map((element) => interactive(element, onClick)));
    case "rich_text": return h("div", { class: "b-rich" }, (it.elements ?? []).map(richPart));
    case "markdown": return h("div", {}, mrkdwn(it.text ?? ""));
    case "image":
      return h("figure", {}, picture(it), h("figcaption", {}, it.alt_text ?? ""));
    default: return h("div", { class: "unknown" }, `[${it.type}]`);
  }
}

/** A message's body: its blocks, or its text where it has none. */
export function body(message, onClick) {
  if (message.blocks?.length) return message.blocks.map((it) => block(it, onClick));
  return [h("div", { class: "text" }, mrkdwn(message.text ?? ""))];
}
