// Ties the parts together: one stream in, three panes and the header out.
import { $, h } from "./dom.js";
import { loadEmoji } from "./mrkdwn.js";
import { follow, item, post, subscribe } from "./stream.js";
import * as agent from "./agent.js";
import * as slack from "./slack.js";
import * as wire from "./wire.js";

const WORDS = {
  starting: "Bridge starting", running: "Bridge running", stopped: "Bridge down",
  external: "Your bridge", waiting: "Waiting for a bridge",
};

function drawBridge() {
  const bridge = item("bridge");
  if (!bridge) return;
  const node = $("bridge-state");
  node.dataset.state = bridge.state;
  if ($("bridge-word").textContent !== (WORDS[bridge.state] ?? bridge.state)) {
    $("bridge-word").textContent = WORDS[bridge.state] ?? bridge.state;
  }
  $("bridge-detail").textContent = bridge.detail ?? "";
  node.title = bridge.title ?? "";
}

function drawBreaks() {
  const breaks = item("breaks");
  if (!breaks) return;
  const holder = $("break-buttons");
  const print = JSON.stringify(breaks.offered);
  if (holder.dataset.print !== print) {
    holder.dataset.print = print;
    holder.replaceChildren(...breaks.offered.map((it) => h("button", {
      type: "button", class: `break ${it.side}`, dataset: { break: it.name }, title: it.explains,
      onclick: async () => {
        const answer = await post("api/break", { name: it.name });
        if (answer.error) $("break-line").textContent = answer.error;
      },
    }, it.label)));
  }
  const line = $("break-line");
  if (line.textContent !== breaks.line) line.textContent = breaks.line;
  line.dataset.state = breaks.state;
  $("cable-slack").dataset.broken = String(breaks.broken.includes("slack"));
  $("cable-liveperson").dataset.broken = String(breaks.broken.includes("liveperson"));
}

/** A dot runs along the cable for each frame, so that one sees traffic without reading it. */
function pulse(entries) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches || document.hidden) return;
  for (const side of ["slack", "liveperson"]) {
    const last = entries.findLast((entry) => entry.side === side);
    const cable = $(`cable-${side}`);
    if (!last || cable.childElementCount > 3) continue;
    const towards = (side === "slack") === (last.direction === "in") ? "left" : "right";
    const dot = h("i", { class: `pulse ${towards}` });
    dot.addEventListener("animationend", () => dot.remove());
    cable.append(dot);
  }
}

async function retrieveDomains(event) {
  event.preventDefault();
  const account = $("domains-account").value.trim();
  const answer = await post("api/domains", { account });
  const rows = Object.entries(answer.domains ?? {}).sort(([a], [b]) => a.localeCompare(b));
  $("domains-title").textContent = `Domains of ${account || "…"}`;
  $("domains-note").textContent = answer.error ?? `${answer.name ? `${answer.name}. ` : ""}What `
    + "LivePerson’s directory (CSDS) answers: which host serves what for this account.";
  $("domains-table").hidden = rows.length === 0;
  $("domains-table").tBodies[0].replaceChildren(...rows.map(([service, host]) =>
    h("tr", {}, h("th", { scope: "row" }, service), h("td", {}, host))));
  $("domains").showModal();
}

function draw() {
  drawBridge();
  drawBreaks();
  slack.draw();
  agent.draw();
  wire.drawFilter();
}

let started = false;

subscribe(({ items, wire: entries, fresh }) => {
  if (!started) {
    started = true;
    slack.start();
    agent.start();
    wire.start();
    document.documentElement.dataset.ready = "true";
  }
  if (items) draw();
  if (entries.length || fresh) wire.add(entries, fresh);
  if (entries.length && !fresh) pulse(entries);
});

$("domains-form").addEventListener("submit", retrieveDomains);
await loadEmoji().catch(() => {}); // then short codes stay as typed
follow((alive) => {
  $("lost").hidden = alive;
});
