// Left: a channel and its thread, as Slack shows them.
import { $, avatar, clock, composer, fileNode, filePicker, h, reconcile, stickToEnd } from "./dom.js";
import { body } from "./blocks.js";
import { botName, emojiNode, userName } from "./mrkdwn.js";
import { item, itemsUnder, post } from "./stream.js";

const CHIPS = ["Hello! My internet is slow today", "Where is my invoice?", "Bye, and thank you"];

let channel = null;
let user = null;
let thread = null; // ts of the open thread's root
let awaited = null; // after a command: open the thread of the next card that appears
const threadListeners = new Set();
const choices = new Map(); // ts of a message → what is chosen in it

export const openedThread = () => (thread ? { channel, ts: thread } : null);
export const onThread = (listener) => threadListeners.add(listener);

const byTs = (a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0);
const messagesOf = () =>
  itemsUnder(`message/${channel}/`).sort(byTs);
const isRoot = (message) => !message.thread_ts || message.thread_ts === message.ts;

function author(message) {
  if (message.name) return message.name;
  if (message.bot) return botName();
  return message.user ? userName(message.user) : "someone";
}

async function click(message, element, button) {
  button.disabled = true;
  const answer = await post("api/slack/click", {
    user, channel, message_ts: message.ts, action_id: element.action_id, value: element.value ?? null,
    block_id: element.block_id ?? null, values: choices.get(message.ts) ?? {},
  });
  button.disabled = false;
  if (element.action_id === "lp_again" && !answer.error) expectCard();
  $(thread ? "thread-error" : "channel-error").textContent = answer.error ?? "";
}

function choicesOf(message) {
  if (!choices.has(message.ts)) choices.set(message.ts, {});
  return choices.get(message.ts);
}

function reactions(message) {
  if (!message.reactions.length) return null;
  return h("div", { class: "reactions" }, message.reactions.map((reaction) =>
    h("span", { class: "reaction", title: `:${reaction.name}: ${reaction.users.map(userName).join(", ")}` },
      emojiNode(reaction.name), " ", String(reaction.users.length))));
}

function messageNode({ message, replies, inThread }) {
  const name = author(message);
  const again = message.bot;
  return h("li", {
    class: `message${message.ephemeral ? " ephemeral" : ""}${again ? " from-app" : ""}`,
    dataset: { ts: message.ts },
  },
  avatar(name, again && !message.name ? "app" : "person"),
  h("div", { class: "message-body" },
    h("div", { class: "byline" },
      h("b", {}, name),
      again ? h("span", { class: "app-tag" }, "APP") : null,
      h("time", { datetime: new Date(message.at * 1000).toISOString() }, clock(message.at)),
      message.edited ? h("small", {}, "(edited)") : null),
    message.ephemeral ? h("div", { class: "only-you" }, "Only visible to you") : null,
    body(message, (element, button) => click(message, element, button), choicesOf(message)),
    message.files.length
      ? h("div", { class: "files" }, message.files.map(fileNode)) : null,
    reactions(message),
    replies && !inThread ? h("button", {
      type: "button", class: "open-thread", dataset: { focus: "thread", thread: message.ts },
      onclick: () => openThread(message.ts, true),
    }, replies.count ? `${replies.count} ${replies.count === 1 ? "reply" : "replies"}` : "Open thread",
    replies.count ? h("small", {}, ` last ${clock(replies.last)}`) : null) : null));
}

export function openThread(ts, focus = false) {
  thread = ts;
  for (const listener of threadListeners) listener();
  draw();
  const scroller = $("thread-scroll");
  scroller.scrollTop = scroller.scrollHeight;
  if (focus) $("thread-composer").focus();
}

function closeThread() {
  const opened = thread;
  thread = null;
  for (const listener of threadListeners) listener();
  draw();
  (document.querySelector(`[data-thread="${CSS.escape(opened)}"]`) ?? $("composer")).focus();
}

function expectCard() {
  const newest = messagesOf().filter(isRoot).at(-1)?.ts ?? "";
  awaited = { after: newest, until: Date.now() + 15_000, focus: document.activeElement };
}

function openAwaited(messages) {
  if (!awaited) return;
  const card = messages.find((message) => isRoot(message) && message.bot && message.ts > awaited.after
    && !message.ephemeral && message.blocks?.length);
  if (Date.now() > awaited.until) awaited = null;
  if (!card) return;
  awaited = null;
  const busy = document.activeElement?.value; // somebody is typing: do not take the keyboard away
  openThread(card.ts, !busy);
}

function fill(select, values, chosen) {
  const print = JSON.stringify(values);
  if (select.dataset.print === print) return;
  select.dataset.print = print;
  select.replaceChildren(...values.map(([value, label]) => h("option", { value }, label)));
  if (values.some(([value]) => value === chosen)) select.value = chosen;
}

export function draw() {
  const channels = itemsUnder("channel/").filter((it) => !user || it.members.includes(user));
  const users = itemsUnder("user/").filter((it) => !it.bot);
  if (!channels.length) return;
  channel ??= channels[0].id;
  user ??= users[0]?.id;
  if (!channels.some((it) => it.id === channel)) [channel, thread] = [channels[0].id, null];
  fill($("channel-select"), channels.map((it) => [it.id, `${it.note === "direct" ? "" : "# "}${it.name}${it.note ? ` (${it.note})` : ""}`]), channel);
  fill($("user-select"), users.map((it) => [it.id, it.name]), user);

  const messages = messagesOf();
  openAwaited(messages);
  const ephemerals = itemsUnder("ephemeral/")
    .filter((it) => it.channel === channel && it.user_for === user);
  const replies = new Map();
  for (const message of messages.filter((it) => !isRoot(it))) {
    const known = replies.get(message.thread_ts) ?? { count: 0, last: 0 };
    replies.set(message.thread_ts, { count: known.count + 1, last: message.at });
  }
  const roots = messages.filter(isRoot).map((message) => [message.ts, {
    message, replies: replies.get(message.ts) ?? { count: 0, last: 0 },
  }]);
  const ofChannel = ephemerals.filter((it) => !it.thread_ts)
    .map((message) => [`e${message.ts}`, { message }]);
  const entries = [...roots, ...ofChannel].sort((a, b) => a[1].message.at - b[1].message.at);
  stickToEnd($("channel-scroll"), () => reconcile($("channel-messages"), entries, messageNode));
  $("channel-empty").hidden = entries.length > 0;
  drawThread(messages, ephemerals);
}

function drawThread(messages, ephemerals) {
  const root = thread && messages.find((message) => message.ts === thread);
  const inside = thread
    ? [...messages.filter((it) => it.ts === thread || it.thread_ts === thread),
      ...ephemerals.filter((it) => it.thread_ts === thread)].sort((a, b) => a.at - b.at)
    : [];
  $("slack").classList.toggle("with-thread", Boolean(thread));
  $("thread").hidden = !thread;
  $("thread-status").textContent = (thread && item(`status/${channel}/${thread}`)?.text) || "";
  if (!thread) {
    reconcile($("thread-messages"), [], messageNode);
    return;
  }
  $("thread-where").textContent = `#${itemsUnder("channel/").find((it) => it.id === channel)?.name ?? ""}`;
  stickToEnd($("thread-scroll"), () => reconcile($("thread-messages"),
    inside.map((message) => [`${message.ephemeral ? "e" : ""}${message.ts}`, { message, inThread: true }]),
    messageNode));
  const mine = inside.some((message) => !message.bot && message.ts !== thread);
  $("thread-chips").hidden = mine || !root?.bot;
}

async function send(text, thread_ts) {
  const error = $(thread_ts ? "thread-error" : "channel-error");
  error.textContent = "";
  const isCommand = text.startsWith("/") && !text.startsWith("//");
  if (isCommand && thread_ts) {
    error.textContent = "Slack has no slash commands inside threads. Use the channel, or the card’s buttons.";
    return false;
  }
  if (isCommand && /^\/lp\s+connect\b/i.test(text)) expectCard();
  const answer = await post("api/slack/say", { user, channel, text, thread_ts: thread_ts ?? null });
  error.textContent = answer.error ?? "";
  return !answer.error;
}

// A file goes at once, with whatever has been typed.
async function attach(file) {
  const box = $("thread-composer");
  const text = box.value;
  box.value = "";
  const answer = await post("api/slack/say", { user, channel, text, thread_ts: thread, ...file });
  $("thread-error").textContent = answer.error ?? "";
}

export function start() {
  const box = composer($("channel-form"), $("composer"), (text) => send(text, null));
  composer($("thread-form"), $("thread-composer"), (text) => send(text, thread));
  $("thread-form").prepend(filePicker("Attach a file to a reply", attach));
  $("composer").value = `/lp connect ${item("meta")?.account ?? "12345678"}`;
  box.grow();
  $("composer").focus();
  $("composer").select();
  $("example").addEventListener("click", () => {
    $("composer").value = "";
    send(`/lp connect ${item("meta").account}`, null);
  });
  $("thread-chips").append(...CHIPS.map((text) => h("button", {
    type: "button", onclick: () => { send(text, thread); $("thread-composer").focus(); },
  }, text)));
  $("thread-back").addEventListener("click", closeThread);
  $("thread").addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeThread();
  });
  $("channel-select").addEventListener("change", (event) => {
    channel = event.target.value;
    thread = null;
    draw();
  });
  $("user-select").addEventListener("change", (event) => {
    user = event.target.value;
    draw();
  });
}
