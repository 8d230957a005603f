// The status site's page: follows the gateway's events and shows them. Numbers stay the texts that the gateway wrote;
// only charts turn them into coordinates.

import { showDesk } from "/desk.js";
import { showFlows } from "/flows.js";
import { showJunctions } from "/junction.js";
import { SVG, tag } from "/page.js";

const $ = (id) => document.getElementById(id);
const SILENT_MS = 5000;
let heard = 0;
let state = null;
let isOperator = false;

function age(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

function showGlance() {
  $("glance").replaceChildren(...state.tiles.map(({ value, text, level }) =>
    tag("div", { class: "tile" }, tag("b", { class: level }, value), tag("span", {}, text))));
  $("problems").replaceChildren(...state.problems.map((problem) => tag("li", { class: problem.level }, problem.text)));
}

function card(device) {
  const made = tag("article", { class: "card", "data-device": device },
    tag("header", {}, tag("h3", {}, device), tag("span", { class: "soft" })),
    tag("div", { class: "chart" }), tag("table", {}), tag("details", {}, tag("summary", {}, "more"), tag("table", {})));
  return made;
}

const isDerived = (channel) => /\.(min|max|mean|diff)$/.test(channel);

function showDevices() {
  const place = $("devices");
  for (const old of [...place.children]) if (!(old.dataset.device in state.devices)) old.remove();
  for (const [device, readings] of Object.entries(state.devices)) {
    const made = [...place.children].find((each) => each.dataset.device === device) ?? place.appendChild(card(device));
    const youngest = Math.min(...readings.map((reading) => reading.age_s));
    made.querySelector("header span").textContent = `${age(youngest)} ago`;
    const [main, more] = made.querySelectorAll("table");
    fill(main, readings.filter((reading) => !isDerived(reading.channel)));
    const derived = readings.filter((reading) => isDerived(reading.channel));
    fill(more, derived);
    made.querySelector("details").hidden = !derived.length;
  }
}

// People read energy in kWh; what is signed is in J and stands in the cell's title.
function written({ value, unit }) {
  if (value === null) return "no value";
  return unit === "J" ? `${(Number(value) / 3.6e6).toFixed(3)} kWh` : `${value} ${unit}`;
}

function fill(target, readings) {
  target.replaceChildren(...readings.map((reading) => tag("tr", {},
    tag("td", {}, reading.channel),
    tag("td", { class: "number", title: reading.unit === "J" ? `${reading.value} J` : "" }, written(reading)),
    tag("td", { class: reading.quality, title: reading.reason }, reading.quality === "good" ? "good" : `${reading.quality}: ${reading.reason}`),
    tag("td", { class: "number soft" }, age(reading.age_s)))));
}

function chart(place, { channel, points }) {
  const known = points.filter(([, value]) => value !== null);
  if (known.length < 2) return place.replaceChildren();
  const values = known.map(([, value]) => Number(value));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [from, to] = [points[0][0], points.at(-1)[0]];
  const x = (ms) => (300 * (ms - from)) / Math.max(1, to - from);
  const y = (value) => (high === low ? 30 : 58 - (56 * (value - low)) / (high - low));
  let pen = "M";
  let path = "";
  for (const [ms, value] of points) { // a missing value is a gap, never a line across
    if (value === null) { pen = "M"; continue; }
    path += `${pen}${x(ms).toFixed(1)} ${y(Number(value)).toFixed(1)}`;
    pen = "L";
  }
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 300 60");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${channel} from ${low} to ${high}`);
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  const text = (points, best) => points.reduce((found, point) => (best(Number(point[1]), Number(found[1])) ? point : found))[1];
  const lowest = text(known, (a, b) => a < b);
  const highest = text(known, (a, b) => a > b);
  place.replaceChildren(svg, tag("p", {},
    tag("span", {}, `${channel}, last ${age((to - from) / 1000)}`), tag("span", {}, `${lowest} to ${highest}`)));
}

// What the parts say about themselves: a cell is a text, a number, or a text with a level.
function cell(value) {
  if (value !== null && typeof value === "object") return tag("td", {}, tag("span", { class: value.level }, value.text));
  return tag("td", {}, String(value ?? ""));
}

function sheet({ title, heads, rows }) {
  return tag("section", {}, tag("h2", {}, title), tag("div", { class: "wide" }, tag("table", {},
    tag("thead", {}, tag("tr", {}, ...heads.map((head) => tag("th", { scope: "col" }, head)))),
    tag("tbody", {}, ...rows.map((row) => tag("tr", {}, ...row.map(cell)))))));
}

function showSheets() {
  $("sheets").replaceChildren(...state.sheets.map(sheet));
}

function show() {
  $("site").textContent = state.site;
  document.title = `${state.problems.length ? `(${state.problems.length}) ` : ""}${state.site}`;
  showFlows($("flows"), state.flows);
  showJunctions($("junctions"), state.junctions ?? {}, age);
  showDesk($("desk"), state.actuators ?? {}, isOperator);
  for (const part of [showGlance, showDevices, showSheets]) part();
}

function showWho({ name, role }) {
  if (!name) return;
  isOperator = role === "operator";
  const post = (action, text) => tag("form", { method: "post", action }, tag("button", {}, text));
  $("who").replaceChildren(...[`${name}, ${role}`,
    role === "viewer" ? null : tag("a", { href: "/support-bundle", download: "" }, "support bundle"),
    role === "operator" ? post("/reload", "take up the site file") : null, post("/logout", "log out")].filter(Boolean));
}

function showLink() {
  const lost = performance.now() - heard > SILENT_MS;
  $("link").className = heard && !lost ? "live" : "lost";
  $("link").textContent = !heard ? "connecting" : lost ? `no connection for ${age((performance.now() - heard) / 1000)}: these values are old` : "live";
  $("main").classList.toggle("lost", !heard || lost);
}

const events = new EventSource("/events");
events.addEventListener("who", (event) => showWho(JSON.parse(event.data)));
events.addEventListener("state", (event) => {
  state = JSON.parse(event.data);
  heard = performance.now();
  show();
  showLink();
});
events.addEventListener("charts", (event) => {
  for (const [device, data] of Object.entries(JSON.parse(event.data))) {
    const made = [...$("devices").children].find((each) => each.dataset.device === device);
    if (made) chart(made.querySelector(".chart"), data);
  }
});
events.addEventListener("error", async () => {
  // A session that has ended is answered with 401, which an EventSource does not tell.
  const answer = await fetch("/app.js", { method: "HEAD" }).catch(() => null);
  if (answer?.status === 401) location.href = "/login";
});
setInterval(showLink, 1000);
