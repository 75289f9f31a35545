// Draws the API's own description. No library, nothing from elsewhere; text goes in as text, never as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
const main = document.getElementById("main");
const index = document.getElementById("index");

function made(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// The little Markdown that descriptions use: paragraphs, lists, `code`, **strong**.
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return made("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return made("strong", {}, part.slice(2, -2));
    return part;
  });
}
function prose(text = "") {
  return text.split(/\n\s*\n/).filter((block) => block.trim()).map((block) => {
    if (!/^\s*\* /.test(block)) return made("p", {}, ...inline(block.replace(/\s+/g, " ").trim()));
    const items = block.trim().split(/\n(?=\* )/).map((item) => item.replace(/^\* /, "").replace(/\s+/g, " "));
    return made("ul", {}, ...items.map((item) => made("li", {}, ...inline(item))));
  });
}

function resolver(description) {
  return function resolve(value) {
    if (!value || !value.$ref) return value ?? {};
    const found = value.$ref.slice(2).split("/").reduce((at, key) => at?.[key], description);
    return { ...found, name: value.$ref.split("/").pop() };
  };
}

function kindOf(schema, resolve) {
  const found = resolve(schema);
  if (found.enum) return found.enum.map((each) => JSON.stringify(each)).join(" | ");
  if (found.const !== undefined) return JSON.stringify(found.const);
  const choices = found.anyOf ?? found.oneOf ?? found.allOf;
  if (choices) return choices.map((each) => kindOf(each, resolve)).join(" | ");
  if (found.type === "array") return `${kindOf(found.items ?? {}, resolve)}[]`;
  if (found.type === "object" && found.name) return found.name;
  const limits = [["minimum", "≥"], ["maximum", "≤"], ["maxLength", "≤ chars"], ["format", ""]]
    .filter(([key]) => found[key] !== undefined)
    .map(([key, sign]) => (sign.endsWith("chars") ? `≤ ${found[key]} characters` : `${sign} ${found[key]}`.trim()));
  return [found.type ?? "any", ...limits].join(", ");
}

function fields(schema, resolve) {
  const found = resolve(schema);
  const rows = Object.entries(found.properties ?? {}).map(([name, field]) =>
    made("tr", {},
      made("td", { class: found.required?.includes(name) ? "needed" : undefined }, name),
      made("td", {}, kindOf(field, resolve)),
      made("td", {}, ...inline(field.description ?? resolve(field).description?.split("\n")[0] ?? ""))));
  return rows.length ? made("table", {}, made("tbody", {}, ...rows)) : null;
}

function parameters(operation, resolve) {
  const rows = (operation.parameters ?? []).map(resolve).map((each) =>
    made("tr", {},
      made("td", { class: each.required ? "needed" : undefined }, each.name),
      made("td", {}, `${each.in}: ${kindOf(each.schema, resolve)}`),
      made("td", {}, ...inline(each.description ?? ""))));
  return rows.length ? [made("h3", {}, "Parameters"), made("table", {}, made("tbody", {}, ...rows))] : [];
}

function exampleOf(media) {
  const example = media.example ?? Object.values(media.examples ?? {})[0]?.value;
  return example === undefined ? null : made("pre", {}, JSON.stringify(example, null, 2));
}

function body(operation, resolve) {
  if (!operation.requestBody) return [];
  return Object.entries(resolve(operation.requestBody).content).flatMap(([kind, media]) =>
    [made("h3", {}, "Body, ", made("code", {}, kind)), fields(media.schema, resolve), exampleOf(media)].filter(Boolean));
}

function answers(operation, resolve) {
  const place = made("div");
  const show = (status, answer, button) => {
    for (const other of button.parentNode.children) other.setAttribute("aria-pressed", other === button);
    const contents = Object.entries(answer.content ?? {}).flatMap(([kind, media]) =>
      [made("h3", {}, made("code", {}, kind)), exampleOf(media), fields(media.schema ?? {}, resolve)].filter(Boolean));
    place.replaceChildren(made("div", { class: "says" }, ...prose(answer.description)), ...contents);
  };
  const buttons = Object.entries(operation.responses).map(([status, answer]) => {
    const button = made("button", { type: "button", "aria-pressed": "false" }, status);
    button.addEventListener("click", () => show(status, resolve(answer), button));
    return button;
  });
  const row = made("div", { class: "answers", role: "group", "aria-label": "Answers" }, ...buttons);
  const first = Object.entries(operation.responses)[0];
  if (first) show(first[0], resolve(first[1]), buttons[0]);
  return [made("h3", {}, "Answers"), row, place];
}

function call(path, method, operation, resolve) {
  const summary = made("summary", {},
    made("span", { class: "method", "data-method": method }, method.toUpperCase()),
    made("span", { class: "path" }, path), made("span", { class: "gist" }, operation.summary ?? ""));
  const details = made("details", { class: "call", id: operation.operationId }, summary);
  details.dataset.words = `${method} ${path} ${operation.operationId} ${operation.description ?? ""}`.toLowerCase();
  // Drawn when first opened: the whole description at once is some ten thousand elements.
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    details.append(made("div", { class: "body" },
      made("div", { class: "says" }, ...prose(operation.description)),
      ...parameters(operation, resolve), ...body(operation, resolve), ...answers(operation, resolve)));
  });
  return details;
}

function draw(description) {
  const resolve = resolver(description);
  const areas = new Map((description.tags ?? []).map((tag) => [tag.name, { ...tag, calls: [] }]));
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((each) => item[each])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!areas.has(tag)) areas.set(tag, { name: tag, description: "", calls: [] });
      areas.get(tag).calls.push([path, method, item[method]]);
    }
  }
  main.replaceChildren(
    made("h1", {}, description.info.title, " API"),
    made("div", { class: "intro" }, ...prose(description.info.description)));
  index.replaceChildren();
  for (const area of areas.values()) {
    if (!area.calls.length) continue;
    index.append(made("h2", {}, area.name),
      ...area.calls.map(([, , operation]) => made("a", { href: `#${operation.operationId}`, title: operation.summary }, operation.summary)));
    main.append(made("section", { class: "area", "aria-label": area.name },
      made("h2", {}, area.name), made("p", {}, ...inline(area.description ?? "")),
      ...area.calls.map((each) => call(...each, resolve))));
  }
  openNamed();
}

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named instanceof HTMLDetailsElement) {
    named.open = true;
    named.scrollIntoView();
  }
}

const find = document.getElementById("find");
find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const each of document.querySelectorAll("details.call")) {
    each.hidden = !words.every((word) => each.dataset.words.includes(word));
  }
  for (const area of document.querySelectorAll(".area")) area.hidden = !area.querySelector("details.call:not([hidden])");
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== find) {
    event.preventDefault();
    find.focus();
  }
});
addEventListener("hashchange", openNamed);

try {
  const answer = await fetch("api/v1/openapi.json");
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  draw(await answer.json());
} catch (error) {
  main.replaceChildren(made("p", { class: "quiet" }, `The description cannot be read: ${error.message}`));
}
