// Right: what an agent of the brand sees and does.
import { $, avatar, clock, composer, fileNode, filePicker, h, reconcile, stickToEnd } from "./dom.js";
import { item, itemsUnder, post } from "./stream.js";

let chosen = null;
let agent = null;
let newest = 0; // the number of the newest conversation that has been drawn

const STATES = { ringing: "Ringing", opened: "Quiet", active: "Open", closed: "Closed" };
const TITLES = {
  accept: "Take the conversation as the agent chosen above",
  "take-over": "The script stops answering here, you do",
  "hand-back": "Let the script answer here again",
  transfer: "Hand it to the account’s other agent",
  close: "Close the conversation for the consumer too",
};
const RANK = { ringing: 0, opened: 1, active: 2, closed: 3 };
const untaken = (conversation) => conversation.state === "ringing" || conversation.state === "opened";

const conversations = () => itemsUnder("conversation/").sort((a, b) =>
  RANK[a.state] - RANK[b.state] || b.opened_at - a.opened_at);

async function act(verb, more = {}) {
  const answer = await post(`api/agent/${verb}`, { conversation: chosen, agent, ...more });
  $("agent-error").textContent = answer.error ?? "";
  return !answer.error;
}

function conversationNode(conversation) {
  const current = conversation.id === chosen;
  return h("li", {}, h("button", {
    type: "button", class: `conversation ${conversation.state}`, "aria-current": current ? "true" : null,
    dataset: { focus: conversation.id, conversation: conversation.id },
    onclick: () => choose(conversation.id),
  },
  h("i", { class: "lamp", "aria-hidden": "true" }),
  h("span", { class: "conversation-name" }, conversation.account_name),
  h("small", {}, `No. ${conversation.number} · ${STATES[conversation.state] ?? conversation.state}`
    + (conversation.agent ? ` · ${conversation.agent}` : "")),
  conversation.urgent ? h("small", { class: "urgent-mark" }, `⏫ ${conversation.urgent.toLowerCase()}`) : null,
  conversation.rated ? h("small", { class: "rated" }, conversation.rated) : null,
  h("span", { class: "conversation-last" }, conversation.last ?? "")));
}

function eventNode(event) {
  if (event.who === "system") {
    return h("li", { class: "event system" }, event.text, " ", h("time", {}, clock(event.at)));
  }
  return h("li", { class: `event ${event.who}${event.audience === "agents" ? " private" : ""}` },
    avatar(event.name),
    h("div", { class: "bubble" },
      h("div", { class: "byline" }, h("b", {}, event.name),
        event.audience === "agents" ? h("small", {}, "only agents see this") : null,
        h("time", {}, clock(event.at)),
        event.sequence === null ? null
          : h("small", { class: "sequence", title: "The dialog’s sequence number" }, `#${event.sequence}`)),
      event.file ? h("div", { class: "files" }, fileNode(event.file)) : null,
      h("div", { class: "text" }, event.text),
      event.mark ? h("small", { class: "mark", title: `The other side has ${event.mark === "read" ? "read" : "got"} it` },
        event.mark === "read" ? "✓✓ read" : "✓ delivered") : null,
      event.metadata ? h("code", { class: "metadata", title: "The metadata that came along" }, event.metadata) : null));
}

export function choose(id) {
  chosen = id;
  draw();
  $("talk-scroll").scrollTop = $("talk-scroll").scrollHeight;
}

function actions(conversation) {
  const button = (label, verb, style = "", more = {}) => h("button", {
    type: "button", class: style, title: TITLES[verb], dataset: { focus: verb, verb }, onclick: () => act(verb, more),
  }, label);
  if (untaken(conversation)) return [button("Accept", "accept", "primary")];
  if (conversation.state === "closed") return [];
  const cards = h("select", {
    class: "quiet", "aria-label": "Send a card", title: "Send an example as the agent chosen above", id: "card-select",
    onchange: (event) => {
      const card = event.target.value;
      event.target.value = "";
      act("card", { card });
    },
  }, h("option", { value: "" }, "Send a card…"),
  (item("meta")?.cards ?? []).map(([value, label]) => h("option", { value }, label)));
  return [
    cards,
    conversation.scripted ? button("Take over", "take-over") : button("Hand back", "hand-back"),
    button("Transfer", "transfer"),
    button("Close", "close", "danger"),
  ];
}

function drawTalk() {
  const conversation = chosen && item(`conversation/${chosen}`);
  $("agent-empty").hidden = Boolean(conversation);
  $("talk-body").hidden = !conversation;
  if (!conversation) return;
  $("talk-title").textContent = conversation.title;
  $("talk-state").textContent = conversation.detail;
  const print = JSON.stringify([conversation.id, conversation.state, conversation.scripted]);
  const holder = $("talk-actions");
  if (holder.dataset.print !== print) {
    holder.dataset.print = print;
    const focused = holder.contains(document.activeElement);
    holder.replaceChildren(...actions(conversation));
    if (focused) (holder.querySelector("button") ?? $("agent-composer")).focus();
  }
  const note = $("script-note");
  note.hidden = conversation.state === "closed" || !conversation.scripted;
  note.textContent = {
    opened: "It rings when the consumer writes. Accept to be quicker.",
    ringing: "The script picks up in a moment. Accept to be quicker.",
  }[conversation.state] ?? "The script answers here. Type to take over.";
  const events = itemsUnder(`event/${chosen}/`).sort((a, b) => a.position - b.position);
  stickToEnd($("talk-scroll"), () =>
    reconcile($("talk-events"), events.map((it) => [it.position, it]), eventNode));
  const open = conversation.state !== "closed";
  const box = $("agent-composer");
  box.disabled = !open;
  $("agent-form").hidden = !open;
  box.placeholder = untaken(conversation)
    ? "Answer… (accepts it as well)" : `Answer as ${agentName()}…`;
}

const agentName = () => (item("meta")?.agents ?? []).find(([id]) => id === agent)?.[1] ?? "the agent";

export function draw() {
  const meta = item("meta");
  if (!meta) return;
  agent ??= meta.agents[0]?.[0] ?? null;
  const select = $("agent-select");
  if (select.options.length !== meta.agents.length) {
    select.replaceChildren(...meta.agents.map(([value, label]) => h("option", { value }, label)));
    select.value = agent;
  }
  const all = conversations();
  // A new conversation is shown by itself, unless the person is about to write in another one.
  const current = chosen && item(`conversation/${chosen}`);
  const box = $("agent-composer");
  const writing = document.activeElement === box
    || (box.value !== "" && current?.state !== "closed");
  const last = all.reduce((a, b) => (b.number > (a?.number ?? 0) ? b : a), null);
  const fresh = last && last.number > newest && last.state !== "closed" ? last : null;
  const ringing = fresh ?? all.find((it) => it.state === "ringing");
  if (!current || (!writing && (fresh || (current.state === "closed" && ringing)))) {
    chosen = (ringing ?? all[0])?.id ?? null;
  }
  newest = last?.number ?? 0;
  $("agent").classList.toggle("none", all.length === 0);
  reconcile($("conversations"), all.map((it) => [it.id, { ...it, current: it.id === chosen }]), conversationNode);
  const on = item("script")?.on ?? false;
  $("script-switch").setAttribute("aria-checked", String(on));
  drawTalk();
}

// The consumer is shown that the agent types, every few seconds while it goes on.
function showTyping(box) {
  let told = 0;
  let pause = null;
  const tell = (on) => chosen && post("api/agent/typing", { conversation: chosen, on });
  box.addEventListener("input", () => {
    clearTimeout(pause);
    if (!box.value) {
      if (told) tell(false);
      told = 0;
      return;
    }
    if (Date.now() - told > 5_000) {
      told = Date.now();
      tell(true);
    }
    pause = setTimeout(() => { told = 0; tell(false); }, 6_000);
  });
  box.form.addEventListener("submit", () => { clearTimeout(pause); told = 0; });
}

export function start() {
  composer($("agent-form"), $("agent-composer"), (text) => act("say", { text }));
  showTyping($("agent-composer"));
  $("agent-form").prepend(filePicker("Send a file as the agent", (file) => act("file", file)));
  $("agent-select").addEventListener("change", (event) => {
    agent = event.target.value;
    draw();
  });
  $("script-switch").addEventListener("click", async () => {
    await post("api/agent/script", { on: $("script-switch").getAttribute("aria-checked") !== "true" });
  });
}
