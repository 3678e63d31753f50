// What can be chosen in blocks: checkboxes, radio buttons, menus, dates, text. Kept as Slack sends it.
import { h } from "./dom.js";
import { plainText } from "./mrkdwn.js";

const KINDS = {
  checkboxes: options, radio_buttons: options, static_select: menu, multi_static_select: menu,
  datepicker: day, plain_text_input: words, number_input: words,
};

/** A node for an element that holds a choice; null where it is of another kind. */
export function chooser(element, chosen, blockId) {
  const make = KINDS[element.type];
  if (!make) return null;
  const ofBlock = (chosen[blockId] ??= {});
  const state = (ofBlock[element.action_id] ??= initial(element));
  return make(element, state);
}

function initial(element) {
  const state = { type: element.type };
  switch (element.type) {
    case "checkboxes": case "multi_static_select":
      return { ...state, selected_options: element.initial_options ?? [] };
    case "radio_buttons": case "static_select":
      return { ...state, selected_option: element.initial_option ?? null };
    case "datepicker": return { ...state, selected_date: element.initial_date ?? null };
    default: return { ...state, value: element.initial_value ?? null };
  }
}

const same = (a, b) => a?.value === b?.value;

function options(element, state) {
  const many = element.type === "checkboxes";
  const group = Math.random().toString(36).slice(2);
  return h("div", { class: "b-options" }, (element.options ?? []).map((option) => {
    const on = many ? state.selected_options.some((it) => same(it, option))
      : same(state.selected_option, option);
    return h("label", {},
      h("input", {
        type: many ? "checkbox" : "radio", name: group, checked: on,
        onchange: (event) => {
          if (!many) state.selected_option = option;
          else state.selected_options = event.target.checked
            ? [...state.selected_options, option]
            : state.selected_options.filter((it) => !same(it, option));
        },
      }),
      h("span", {}, plainText(option.text),
        option.description ? h("small", {}, plainText(option.description)) : null));
  }));
}

function menu(element, state) {
  const many = element.type === "multi_static_select";
  const groups = element.option_groups ?? [{ options: element.options ?? [] }];
  const all = groups.flatMap((group) => group.options);
  const chosen = many ? state.selected_options : [state.selected_option];
  const nodes = groups.map((group) => {
    const inside = group.options.map((option) => h("option", {
      value: option.value, selected: chosen.some((it) => same(it, option)),
    }, plainText(option.text)));
    return group.label ? h("optgroup", { label: plainText(group.label) }, inside) : inside;
  });
  return h("select", {
    class: "b-select", multiple: many, "aria-label": plainText(element.placeholder) || "Choose",
    onchange: (event) => {
      const values = new Set([...event.target.selectedOptions].map((it) => it.value));
      const found = all.filter((option) => values.has(option.value));
      if (many) state.selected_options = found;
      else state.selected_option = found[0] ?? null;
    },
  }, many ? null : h("option", { value: "" }, plainText(element.placeholder) || "Choose…"), nodes);
}

function day(element, state) {
  return h("input", {
    type: "date", value: state.selected_date ?? "", "aria-label": plainText(element.placeholder) || "Date",
    onchange: (event) => { state.selected_date = event.target.value || null; },
  });
}

function words(element, state) {
  const tag = element.multiline ? "textarea" : "input";
  const node = h(tag, {
    class: "b-words", "aria-label": plainText(element.placeholder) || "Text",
    placeholder: plainText(element.placeholder),
    oninput: (event) => { state.value = event.target.value || null; },
  });
  node.value = state.value ?? "";
  return node;
}
