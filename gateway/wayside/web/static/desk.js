// The actuators: what each is to have, why and what it has; an operator asks for another value, or takes it back.
// Values are the texts that the gateway wrote, and so is what an operator types.

import { element } from "/page.js";

async function send(card, request) {
  const told = card.querySelector(".told");
  try {
    const answer = await fetch("/desk", { method: "POST", body: JSON.stringify(request) });
    const said = await answer.json().catch(() => ({ error: `the gateway refuses it (${answer.status})` }));
    told.className = said.ok ? "told good" : "told bad";
    told.textContent = said.ok ? said.text : said.error;
  } catch {
    told.className = "told bad";
    told.textContent = "no connection: nobody knows whether it was taken";
  }
}

function labelled(form, words, input) {
  const label = element("label", "", words);
  label.append(input);
  form.append(label);
  return input;
}

function field(form, name, words, step) {
  return labelled(form, words, Object.assign(document.createElement("input"), { name, type: "number", step, required: true }));
}

function choice(form, name, words, names) {
  const select = labelled(form, words, Object.assign(document.createElement("select"), { name }));
  select.append(...names.map((each) => new Option(each)));
  return select;
}

// What a card is made for; with anything else of it, what was typed before would be another value.
const madeFor = ({ unit, step, least, most, names }) => JSON.stringify([unit, step, least, most, names]);

function made(name, actuator) {
  const card = element("article", "card actuator");
  card.dataset.actuator = name;
  card.dataset.madeFor = madeFor(actuator);
  const header = element("header");
  header.append(element("h3", "", name));
  const form = element("form");
  const value = actuator.names.length
    ? choice(form, "value", "value", actuator.names)
    : field(form, "value", `value in ${actuator.unit || "its unit"}`, actuator.step);
  if (!actuator.names.length) [value.min, value.max] = [actuator.least, actuator.most];
  const minutes = field(form, "minutes", "for minutes", "1");
  [minutes.min, minutes.max, minutes.value] = ["1", "10080", "15"];
  const priority = field(form, "priority", "priority", "1");
  [priority.min, priority.max, priority.value] = ["1", "16", "8"];
  priority.title = "1 is the strongest, 16 the weakest; 8 is an operator by hand";
  const back = element("button", "", "take back");
  back.type = "button";
  back.addEventListener("click", () => send(card, { do: "withdraw", target: name }));
  form.append(element("button", "", "ask"), back);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const seconds = 60 * Number(minutes.value);
    send(card, { do: "ask", target: name, value: value.value, unit: actuator.unit, seconds, priority: Number(priority.value) });
  });
  const told = element("p", "told");
  told.setAttribute("role", "status");
  card.append(header, element("p", "wanted"), element("p", "cause soft"), element("p", "has"), element("ul"), form, told);
  return card;
}

const withUnit = (value, unit) => (value === null ? "what the device decides" : `${value} ${unit}`.trim());

function fill(card, actuator, isOperator) {
  card.querySelector(".wanted").textContent = withUnit(actuator.wanted, actuator.unit);
  card.querySelector(".cause").textContent = actuator.cause;
  const has = card.querySelector(".has");
  has.className = actuator.problem ? "has bad" : "has soft";
  const isKnown = actuator.has !== null || actuator.decides_itself;
  const read = isKnown ? `it has ${withUnit(actuator.has, actuator.unit)}` : "it is not known what it has";
  has.textContent = actuator.problem ? `${read}: ${actuator.problem}` : actuator.wanted === null ? "" : read;
  const others = actuator.requests.filter((each) => !each.in_force);
  card.querySelector("ul").replaceChildren(...others.map((each) => element("li", "", each.text)));
  card.querySelector("form").hidden = !isOperator;
}

export function showDesk(place, actuators, isOperator) {
  const names = Object.keys(actuators);
  place.hidden = !names.length;
  const cards = place.querySelector(".cards");
  for (const old of [...cards.children]) {
    const actuator = actuators[old.dataset.actuator];
    if (!actuator || madeFor(actuator) !== old.dataset.madeFor) old.remove();
  }
  for (const name of names) {
    const card = [...cards.children].find((each) => each.dataset.actuator === name) ?? cards.appendChild(made(name, actuators[name]));
    fill(card, actuators[name], isOperator);
  }
}
