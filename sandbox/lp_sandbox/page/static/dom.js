// The smallest possible way to build elements. Text is only ever set as text: nothing that comes
// from the stream is parsed as HTML.

/** Build an element: `h("p", {class: "x", onclick: f}, "text", child, null)`. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element && typeof value === "boolean") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

export const $ = (id) => document.getElementById(id);

/** Keep `list`'s children equal to `entries` ([key, value]), building only what changed. */
export function reconcile(list, entries, build) {
  const known = (list.keyed ??= new Map());
  const keys = new Set(entries.map(([key]) => key));
  for (const [key, { node }] of known) {
    if (!keys.has(key)) {
      node.remove();
      known.delete(key);
    }
  }
  let before = list.firstChild;
  for (const [key, value] of entries) {
    const print = JSON.stringify(value);
    let kept = known.get(key);
    if (kept?.print !== print) {
      const node = build(value, key);
      if (kept) {
        const focused = kept.node.contains(document.activeElement)
          ? document.activeElement.dataset.focus
          : null;
        if (kept.node === before) before = kept.node.nextSibling;
        kept.node.remove();
        kept = { node, print };
        node.classList.add("still"); // only what is new arrives with a movement
        list.insertBefore(node, before);
        if (focused) node.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
      } else {
        kept = { node, print };
        list.insertBefore(node, before);
      }
      known.set(key, kept);
    } else if (kept.node === before) {
      before = before.nextSibling;
    } else {
      list.insertBefore(kept.node, before);
    }
  }
}

/** Run `change`, then stay at the end of `scroller` if it was at the end before. */
export function stickToEnd(scroller, change) {
  const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
  change();
  if (atEnd) scroller.scrollTop = scroller.scrollHeight;
  return atEnd;
}

/** A form whose textarea sends with Enter, breaks lines with Shift+Enter, and grows. */
export function composer(form, textarea, send) {
  const grow = () => {
    textarea.style.height = "auto";
    textarea.style.height = `${Math.min(textarea.scrollHeight + 2, 140)}px`;
  };
  textarea.addEventListener("input", grow);
  textarea.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = textarea.value;
    if (!text.trim()) return;
    textarea.value = "";
    grow();
    // What could not be sent goes back into the box, unless something new is there already.
    if (!(await send(text)) && !textarea.value) {
      textarea.value = text;
      grow();
    }
  });
  return { grow };
}

// A file that somebody has sent: a picture, or a link to save it.
export function fileNode(file) {
  if (!file.url) return h("span", {}, file.name);
  return h("a", { class: "file", href: file.url, target: "_blank", rel: "noopener" },
    file.picture ? h("img", { src: file.url, alt: file.name }) : `📎 ${file.name}`);
}

// A button that lets somebody choose a file, and hands it on as { name, data } (base64).
export function filePicker(label, send) {
  const input = h("input", { type: "file", class: "visually-hidden", "aria-label": label });
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (!file) return;
    const reader = new FileReader();
    reader.onload = () => send({ name: file.name, data: reader.result.split(",")[1] || "" });
    reader.readAsDataURL(file);
    input.value = "";
  });
  return h("label", { class: "file-picker", title: label }, input, h("span", { "aria-hidden": "true" }, "📎"));
}

export const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

export const clockExact = (seconds) => {
  const at = new Date(seconds * 1000);
  const two = (n, digits = 2) => String(n).padStart(digits, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${two(at.getMilliseconds(), 3)}`;
};

/** A round picture: initials on a colour that belongs to the name; no address is ever fetched. */
export function avatar(name, kind = "person") {
  const bare = name.replace(/\(.*?\)/g, "").trim(); // "Maria (agent)" is Maria
  const words = bare.split(/\s+/);
  const initials = (words[0]?.[0] ?? "?") + (words.length > 1 ? words.at(-1)[0] : "");
  let hue = 0;
  for (const character of bare) hue = (hue * 31 + character.codePointAt(0)) % 360;
  const element = h("span", { class: `avatar ${kind}`, "aria-hidden": "true" }, initials.toUpperCase());
  if (kind === "person") element.style.setProperty("--hue", hue);
  return element;
}
