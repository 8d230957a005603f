// Junctions: a row per signal group, a bar per lamp, the last two minutes from left to right. Lamps differ by height and
// pattern too, so that nobody has to tell red from green by its colour.

import { drawn, element } from "/page.js";

const STEP_MS = 10000;
const LAMPS = { // in the order of the legend; height: of a row's 16 pixels
  green: { words: "green", height: 16, fill: "#1f9d55" },
  amber: { words: "amber", height: 10, fill: "#e0a800" },
  red_amber: { words: "red and amber", height: 10, fill: "url(#lamp-red-amber)" },
  red: { words: "red", height: 4, fill: "#c0392b" },
  clearance: { words: "clearance", height: 10, fill: "url(#lamp-clearance)" },
  flash_amber: { words: "flashing amber", height: 10, fill: "url(#lamp-flash-amber)" },
  flash_red: { words: "flashing red", height: 4, fill: "url(#lamp-flash-red)" },
  dark: { words: "dark", height: 10, fill: "url(#lamp-dark)" },
};

const rect = (x, y, width, height, fill) => drawn("rect", { x, y, width, height, fill });
const pattern = (id, width, height, ...parts) => drawn("pattern", { id, width, height, patternUnits: "userSpaceOnUse" }, ...parts);

function patterns() {
  return drawn("defs", {},
    pattern("lamp-red-amber", 8, 8, rect(0, 0, 8, 8, "#e0a800"), drawn("path", { d: "M-2 2L2 -2M0 8L8 0M6 10L10 6", stroke: "#c0392b", "stroke-width": 3 })),
    pattern("lamp-clearance", 5, 5, rect(0, 0, 5, 5, "#e0a800"), rect(1, 1, 2, 2, "#4a3800")),
    pattern("lamp-flash-amber", 8, 16, rect(0, 0, 4, 16, "#e0a800")),
    pattern("lamp-flash-red", 8, 16, rect(0, 0, 4, 16, "#c0392b")),
    pattern("lamp-dark", 6, 6, rect(0, 0, 6, 6, "#8884"), drawn("path", { d: "M0 6L6 0", stroke: "#888", "stroke-width": 1 })));
}

function legend() {
  const made = element("p", "lamps", "");
  for (const { words, height, fill } of Object.values(LAMPS)) {
    const item = element("span", "", "");
    item.append(drawn("svg", { width: 24, height: 16, "aria-hidden": "true" }, rect(0, 8 - height / 2, 24, height, fill)), words);
    made.append(item);
  }
  made.append(drawn("svg", { width: 0, height: 0, "aria-hidden": "true" }, patterns()));
  return made;
}

const seconds = (ticks) => `${Math.floor(ticks / 10)} s`;
const words = (lamp) => LAMPS[lamp]?.words ?? lamp.replaceAll("_", " ");
const nowShown = (group, mode) => (mode === "flash" && !group.lamp ? "flashing" : `${words(group.lamp ?? group.shows)}${mode === "flash" ? "" : ` ${seconds(group.age)}`}`);

function bars(group, picture, width) {
  const x = (ms) => (width * (Math.min(Math.max(ms, picture.from_ms), picture.to_ms) - picture.from_ms)) / (picture.to_ms - picture.from_ms);
  const made = drawn("svg", { width, height: 20, class: "bars", role: "img", "aria-label": `${group.name}: the last two minutes` });
  const first = Math.ceil(picture.from_ms / STEP_MS) * STEP_MS;
  for (let ms = first; ms <= picture.to_ms; ms += STEP_MS) made.append(drawn("path", { d: `M${x(ms).toFixed(1)} 0V20`, class: "grid" }));
  for (const [lamp, begin, end] of group.bars) {
    const { height, fill } = LAMPS[lamp] ?? { height: 2, fill: "#888" };
    const bar = rect(x(begin).toFixed(1), 10 - height / 2, Math.max(0, x(end) - x(begin)).toFixed(1), height, fill);
    bar.setAttribute("data-lamp", lamp);
    bar.append(drawn("title", {}, `${words(lamp)} for ${((end - begin) / 1000).toFixed(1)} s`));
    made.append(bar);
  }
  return made;
}

function rows(place, picture, isOld) {
  const made = picture.groups.map((group) => {
    const row = element("div", "group", "");
    const asks = picture.mode === "run" && group.called && group.shows !== "green" ? ", called" : "";
    row.append(element("span", "name", group.name), element("span", "now", `${isOld ? "was " : ""}${nowShown(group, picture.mode)}${asks}`));
    if (group.bars) row.append(element("div", "track", ""));
    return row;
  });
  place.replaceChildren(...made);
  if (!picture.groups.every((group) => group.bars)) return;
  // Drawn at the size that it has on the screen: what is stretched distorts patterns.
  const width = Math.max(50, Math.floor(made[0]?.lastChild.clientWidth ?? 0));
  picture.groups.forEach((group, number) => made[number].lastChild.append(bars(group, picture, width)));
}

function control(picture) {
  const stage = picture.mode !== "run" || picture.stage === undefined ? "" : picture.stage ? `stage ${picture.stage}, ` : "between stages, ";
  const plan = picture.by === picture.level ? picture.level : `${picture.level} ${picture.by}`;
  return `${stage}control: ${plan}, ${picture.cause}; node: ${picture.node}`;
}

function card(name) {
  const made = element("article", "card junction", "");
  made.dataset.junction = name;
  const head = document.createElement("header");
  head.append(element("h3", "", name), element("span", "soft", ""));
  made.append(head, element("ul", "problems", ""), element("p", "control", ""), element("div", "groups", ""), element("p", "axis", ""), element("p", "soft", ""));
  return made;
}

function fill(made, name, about, age) {
  const { picture } = about;
  const [problems, shown, groups, axis, hint] = [...made.children].slice(1);
  made.classList.toggle("old", about.is_old || !picture);
  made.querySelector("h3").textContent = picture ? `${name}: ${picture.junction}` : name;
  const entry = typeof about.entry_age_s === "number" ? `, last entry ${age(Math.max(0, about.entry_age_s))} ago` : "";
  made.querySelector("header span").textContent = picture ? `picture ${age(Math.abs(about.age_s))} old${entry}` : "";
  problems.replaceChildren(...about.words.map(({ level, text: said }) => element("li", level, said)));
  shown.textContent = picture ? `${about.is_old ? "last known: " : ""}${control(picture)}` : "";
  hint.textContent = picture ? about.problem : "";
  axis.replaceChildren();
  if (!picture) return groups.replaceChildren();
  rows(groups, picture, about.is_old);
  if (picture.to_ms) axis.append(...["2 min before", "1 min", about.is_old ? "last picture" : "now"].map((said) => element("span", "", said)));
}

export function showJunctions(place, told, age) {
  place.hidden = !Object.keys(told).length;
  if (place.hidden) return;
  const cards = place.querySelector(".cards");
  if (!place.querySelector(".lamps")) place.append(legend());
  for (const old of [...cards.children]) if (!(old.dataset.junction in told)) old.remove();
  for (const [name, about] of Object.entries(told)) {
    const made = [...cards.children].find((each) => each.dataset.junction === name) ?? cards.appendChild(card(name));
    fill(made, name, about, age);
  }
}
