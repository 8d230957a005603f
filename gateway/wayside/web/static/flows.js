// The picture of energy flows: a line a device, an arrow as the energy goes between it and the site's bus bar, and what
// is left for the rest of the site. A power that is not known is said so, and then the rest is not known either.

import { drawn, element } from "/page.js";

const isNothing = (watts) => watts === null || Math.abs(Number(watts)) < 0.5;

// Signed powers become a size and a word: nobody should have to know whose sign counts.
function said(kind, watts) {
  if (watts === null) return "not known";
  if (isNothing(watts)) return "0 W";
  const value = Number(watts);
  const size = Math.abs(value) >= 10000 ? `${(Math.abs(value) / 1000).toFixed(1)} kW` : `${Math.abs(value).toFixed(0)} W`;
  if (kind === "grid") return value > 0 ? `${size} from the grid` : `${size} into the grid`;
  if (kind === "battery") return value > 0 ? `charges with ${size}` : `delivers ${size}`;
  return value > 0 ? `draws ${size}` : `delivers ${size}`;
}

function arrow({ kind, watts }, largest) {
  const svg = drawn("svg", { viewBox: "0 0 100 28", "aria-hidden": "true" }, drawn("path", { d: "M98 0V28", class: "bar" }));
  if (isNothing(watts)) {
    svg.append(drawn("path", { d: "M0 14H96", class: watts === null ? "unknown" : "still" }));
    return svg;
  }
  const inward = (Number(watts) > 0) === (kind === "grid"); // to the bar, from the device
  const width = 2 + (8 * Math.abs(Number(watts))) / largest;
  svg.append(drawn("path", { d: inward ? "M0 14H80" : "M18 14H96", class: "flow", "stroke-width": width.toFixed(1) }));
  svg.append(drawn("path", { d: inward ? "M96 14L76 3V25Z" : "M2 14L22 3V25Z", class: "tip" }));
  return svg;
}

export function showFlows(place, flows) {
  place.hidden = !flows;
  if (!flows) return;
  const rows = [...flows.parts, { kind: "rest", device: "rest of the site", ...flows.rest }];
  const largest = Math.max(1, ...rows.map((row) => Math.abs(Number(row.watts ?? 0))));
  place.querySelector("ul").replaceChildren(...rows.map((row) => {
    const item = document.createElement("li");
    const name = element("span", "name", row.device);
    if (row.kind !== "rest") name.append(element("small", "", row.kind));
    const power = element("span", row.watts === null ? "bad" : "watts", said(row.kind, row.watts));
    if (row.why) power.append(element("small", "", row.why));
    item.append(name, arrow(row, largest), power);
    return item;
  }));
}
