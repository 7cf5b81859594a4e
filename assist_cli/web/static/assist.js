// What a page does in the browser: keys, copying, the theme, parts that load later. Every page also works without it.
"use strict";

const store = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* private windows may refuse */ } },
};

// The theme is set before the page is drawn: this script is in the head.
function setTheme(choice) {
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
  else delete document.documentElement.dataset.theme;
  for (const button of document.querySelectorAll("[data-theme-choice]"))
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === (choice || "auto")));
}
setTheme(store.get("theme"));

function toast(text) {
  const element = document.getElementById("toast");
  element.textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { element.textContent = ""; }, 2000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied");
  } catch {
    toast("This browser does not allow copying here");
  }
}

function isTyping(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

function move(step) {
  const rows = [...document.querySelectorAll("table.rows tbody tr, ul.lines li, ol.hits li")];
  if (!rows.length) return;
  const here = rows.findIndex((row) => row.classList.contains("here"));
  const next = rows[Math.min(Math.max(here + step, 0), rows.length - 1)];
  for (const row of rows) row.classList.toggle("here", row === next);
  const link = next.querySelector("a.row");
  (link || next).focus();
  next.scrollIntoView({ block: "nearest" });
}

// Put the cursor into the search field of the bar, or the filter of a list.
function type(event, selector) {
  const field = document.querySelector(selector);
  if (field) { event.preventDefault(); field.focus(); field.select(); }
}

let waitsForPage = 0; // the time of a "g"
function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (store.get("keys") === "off") return;
  const keys = document.getElementById("keys");
  if (!keys || (keys.open && event.key !== "?")) return;
  if (Date.now() - waitsForPage < 1500) {
    waitsForPage = 0;
    const link = event.key === "h" ? document.querySelector(".brand") : document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); link.click(); }
    return;
  }
  if (event.key === "g") waitsForPage = Date.now();
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "?") { if (keys.open) keys.close(); else keys.showModal(); }
  else if (event.key === "/" || event.key === "f") type(event, event.key === "/" ? "[data-find]" : "[data-search]");
}

// A checkbox that selects all records of a page.
function selectAll(box) {
  box.hidden = false;
  box.addEventListener("change", () => {
    for (const each of document.querySelectorAll(`input[name="${CSS.escape(box.dataset.all)}"]`)) each.checked = box.checked;
  });
}

// A part of the page that takes time on the server, such as the health of an agent.
async function load(element, path = element.dataset.load) {
  try {
    const answer = await fetch(path, { credentials: "same-origin", redirect: "error" });
    if (!answer.ok) return false;
    const part = new DOMParser().parseFromString(await answer.text(), "text/html");
    const isSame = part.body.innerHTML.trim() === element.innerHTML.trim(); // a screen reader would read it again
    if (!isSame) element.replaceChildren(...part.body.childNodes);
    return true;
  } catch { /* the link to the whole page stays */ }
  return false;
}

document.addEventListener("DOMContentLoaded", () => {
  setTheme(store.get("theme"));
  for (const element of document.querySelectorAll("button.copy, #themes, #show-keys")) element.hidden = false;
  for (const element of document.querySelectorAll("[data-load]")) load(element);
  for (const element of document.querySelectorAll("[data-all]")) selectAll(element);
  const keys = document.getElementById("keys"), switched = document.getElementById("keys-on");
  if (switched) {
    switched.checked = store.get("keys") !== "off";
    switched.addEventListener("change", () => store.set("keys", switched.checked ? "on" : "off"));
    document.getElementById("show-keys").addEventListener("click", () => keys.showModal());
  }
  document.addEventListener("keydown", pressed);
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("header.bar details[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]"), theme = event.target.closest("[data-theme-choice]");
    if (button) copy(button.dataset.copy);
    if (theme) { store.set("theme", theme.dataset.themeChoice); setTheme(theme.dataset.themeChoice); }
    for (const menu of document.querySelectorAll("header.bar details[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
});

// The form of a run: parts that follow the fields, words for the targets, numbers of lines.
function followed(part) {
  const form = part.closest("form"), names = part.dataset.fields.split(" ");
  let waiting = 0, asked = 0;
  async function refresh() {
    const fields = new URLSearchParams();
    for (const name of names) fields.set(name, new FormData(form).get(name) || "");
    const mine = ++asked;
    try {
      const answer = await fetch(`${part.dataset.part}?${fields}`, { credentials: "same-origin", redirect: "error" });
      const text = await answer.text();
      if (answer.ok && mine === asked) part.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
    } catch { /* the preview shows the same */ }
  }
  form.addEventListener("input", (event) => {
    if (!names.includes(event.target.name)) return;
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 250);
  });
  window.addEventListener("pageshow", () => {
    const fields = names.map((name) => form.elements[name]).filter((field) => field instanceof HTMLInputElement);
    if (fields.some((field) => field.value !== field.defaultValue)) refresh(); // "Back" has restored what was typed
  });
}

function wordsOf(input) {
  return input.value.split(",").map((word) => word.trim()).filter(Boolean);
}

function offered(row) {
  const buttons = [...row.querySelectorAll("[data-word]")], input = row.closest("form").elements[buttons[0].dataset.into];
  const show = () => { for (const button of buttons) button.setAttribute("aria-pressed", String(wordsOf({ value: button.dataset.word }).every((word) => wordsOf(input).includes(word)))); };
  row.addEventListener("click", (event) => {
    const button = event.target.closest("[data-word]");
    if (!button) return;
    const words = wordsOf(input), added = wordsOf({ value: button.dataset.word });
    const rest = words.filter((word) => !added.includes(word));
    input.value = (words.length - rest.length === added.length ? rest : [...rest, ...added]).join(",");
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  input.addEventListener("input", show);
  row.hidden = false;
  show();
}

function numbered(area) {
  const frame = document.createElement("div"), numbers = document.createElement("div");
  frame.className = "numbered";
  numbers.className = "numbers";
  numbers.setAttribute("aria-hidden", "true");
  area.replaceWith(frame);
  frame.append(numbers, area);
  const show = () => {
    const lines = area.value.split("\n").length;
    numbers.textContent = Array.from({ length: lines }, (_, index) => index + 1).join("\n");
    numbers.scrollTop = area.scrollTop;
  };
  area.addEventListener("input", show);
  window.addEventListener("pageshow", show);
  area.addEventListener("scroll", () => { numbers.scrollTop = area.scrollTop; });
  show();
}

document.addEventListener("DOMContentLoaded", () => {
  for (const part of document.querySelectorAll("[data-fields]")) followed(part);
  for (const row of document.querySelectorAll(".words")) if (row.querySelector("[data-word]")) offered(row);
  for (const area of document.querySelectorAll("textarea[data-numbered]")) numbered(area);
  document.addEventListener("input", (event) => {
    const picked = event.target.dataset.picks;
    if (picked) event.target.form.querySelector(`input[name="when"][value="${CSS.escape(picked)}"]`).checked = true;
  }, true);
});

// Forms that change something: a second click while the first is on its way does nothing.
document.addEventListener("submit", (event) => {
  const form = event.target, sent = Number(form.dataset.sent || 0);
  if (form.method !== "post") return;
  if (Date.now() - sent < 3000) event.preventDefault();
  else form.dataset.sent = String(Date.now());
});

// A part of a page that is loaded again until nothing in it waits.
async function refresh(element) {
  const loaded = await load(element, element.dataset.refresh);
  if (loaded && element.querySelector("[data-waits]")) setTimeout(refresh, 1500, element);
}

document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
  for (const element of document.querySelectorAll("[data-refresh]")) setTimeout(refresh, 700, element);
});
