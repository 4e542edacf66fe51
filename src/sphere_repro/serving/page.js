"use strict";
// Settings, address and pictures. What draws them is `ask`, of a server or in the browser itself.

const about = JSON.parse(document.getElementById("about").textContent);
const views = [...document.querySelectorAll("[data-of]")].map(each => each.dataset.of);
const by = id => document.getElementById(id);
const made = (name, properties = {}, ...inside) => {
  const found = Object.assign(document.createElement(name), properties);
  found.append(...inside);
  return found;
};
let view = "draw", at = 0;

const section = () => document.querySelector(`[data-of=${view}]`);
const controls = () => [...section().querySelectorAll("[name]")];

// Every setting of the view; those of one name (two classes) are joined by commas.
const settings = () => {
  const found = {};
  for (const each of controls()) {
    if (each.disabled) continue;
    found[each.name] = found[each.name] ? `${found[each.name]},${each.value}` : each.value;
  }
  return found;
};
const files = () => Object.fromEntries([...section().querySelectorAll("[data-file]")].map(each => [each.dataset.file, each.files[0]]));

const readAddress = () => {
  const said = new URLSearchParams(location.search);
  view = views.includes(said.get("view")) ? said.get("view") : "draw";
  at = Number(said.get("at")) || 0;
  const taken = {};
  for (const each of controls()) {
    const several = controls().filter(other => other.name === each.name).length > 1;
    const all = said.get(each.name), number = taken[each.name] = (taken[each.name] ?? -1) + 1;
    const value = several ? all?.split(",")[number] : all;
    if (value !== null && value !== undefined) each.value = value;
    if (each.tagName === "SELECT" && each.selectedIndex < 0) each.selectedIndex = 0;
  }
};
const writeAddress = push => {
  const said = new URLSearchParams({ view, ...settings() });
  if (view === "between") said.set("at", at);
  history[push ? "pushState" : "replaceState"](null, "", `?${said}${location.hash}`);
};

const showView = () => {
  for (const each of document.querySelectorAll("[data-of]")) each.hidden = each.dataset.of !== view;
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  limitPoints();
};
const limitPoints = () => {
  const points = by("between-points");
  points.max = about.most.points[by("between-form").value];
  if (Number(points.value) > Number(points.max)) points.value = points.max;
};

const tell = sentence => {
  by("fault").textContent = sentence;
  by("fault").hidden = !sentence;
};

// One picture as a button, which shows how it is made.
const picture = (cell, row, open = true) => {
  const words = [row, cell.name].filter(Boolean).join(", ");
  const image = made("img", { src: cell.image, alt: words });
  const button = made("button", { type: "button", className: "picture" }, image);
  if (open) button.addEventListener("click", () => showPicture(cell, words));
  return button;
};
const showPicture = (cell, words) => {
  const dialog = by("picture"), image = dialog.querySelector("img"), link = dialog.querySelector("a");
  by("picture-title").textContent = words;
  image.src = link.href = cell.image;
  image.alt = words;
  link.download = cell.file ? cell.file.split("/").pop() : "picture.png";
  by("command").hidden = !cell.command;
  by("line").textContent = cell.command;
  by("file").textContent = cell.file;
  by("copied").textContent = "";
  by("no-command").textContent = cell.command ? "" : cell.note ?? `No verb makes this one: the ${about.beside} decodes the very draw that the Sphere Encoder projects.`;
  dialog.showModal();
};

const table = rows => {
  const beside = rows.some(row => row.beside);
  const heads = [made("td"), ...rows[0].cells.map(cell => made("th", { scope: "col" }, cell.name))];
  if (beside) heads.push(made("th", { scope: "col", className: "beside" }, rows[0].beside.name));
  const body = rows.map(row => {
    const cells = row.cells.map(cell => made("td", {}, picture(cell, row.name)));
    if (beside) cells.push(made("td", { className: "beside" }, picture(row.beside, row.name)));
    return made("tr", {}, made("th", { scope: "row" }, row.name), ...cells);
  });
  const found = made("table", {}, made("thead", {}, made("tr", {}, ...heads)), made("tbody", {}, ...body));
  const region = made("div", { className: "scroll", tabIndex: 0 }, found);
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", "pictures, a row for each");
  return region;
};

const path = found => {
  const cells = found.rows.flatMap(row => row.cells), side = found.rows[0].cells.length;
  at = Math.min(at, cells.length - 1);
  const large = made("div"), show = () => {
    const button = picture(cells[at], "");
    button.classList.add("large");
    const where = found.angles.length ? ` of ${cells.length}, ${found.angles[at].toFixed(1)}° from A` : "";
    large.replaceChildren(button, made("p", { className: "soft" }, cells[at].name + where));
  };
  const choose = now => { at = now; show(); writeAddress(false); };
  show();
  if (found.angles.length) return [made("div", { className: "between" }, arc(found.angles, at, choose), large), table(found.rows.map(row => ({ ...row, name: "on the way" })))];
  return [made("div", { className: "between" }, square(cells.map(cell => picture(cell, "", false)), side, at, choose), large)];
};

const show = found => {
  const answer = by("answer");
  answer.classList.toggle("pixels", about.pixels <= 64);
  answer.replaceChildren(...(view === "between" ? path(found) : [table(found.rows)]));
  by("notes").replaceChildren(...found.notes.map(note => made("li", {}, note)));
  by("status").textContent = `Drawn in ${found.milliseconds} ms.`;
};

// One question at a time; while it is answered, only the newest settings wait.
let running = false, again = false;
const update = async () => {
  again = true;
  if (running) return;
  running = true;
  by("answer").setAttribute("aria-busy", "true");
  while (again) {
    again = false;
    const asked = view;
    try {
      if (!by("settings").checkValidity() && controls().some(each => !each.checkValidity())) throw new Error(invalid());
      const found = await ask(view, settings(), files());
      if (asked !== view || again) continue;
      tell("");
      show(found);
    } catch (error) {
      tell(error.message);
    }
  }
  by("answer").setAttribute("aria-busy", "false");
  running = false;
};
const invalid = () => {
  const wrong = controls().find(each => !each.checkValidity()), label = document.querySelector(`label[for="${wrong.id}"]`);
  return `${label.textContent}: give a number from ${wrong.min} to ${wrong.max}.`;
};

by("settings").addEventListener("submit", event => event.preventDefault());
by("settings").addEventListener("input", event => {
  limitPoints();
  if (event.target.dataset.file) drawnInstead(event.target);
  writeAddress(false);
  update();
});
// An own picture takes the place of the drawn one, whose settings then say nothing.
const drawnInstead = input => {
  for (const each of input.closest("fieldset").querySelectorAll("[name], [data-next]")) each.disabled = Boolean(input.files[0]);
  input.closest("fieldset").querySelector("[data-forget]").hidden = !input.files[0];
};
for (const button of document.querySelectorAll("[data-next]")) {
  button.addEventListener("click", () => {
    by(button.dataset.next).stepUp();
    writeAddress(false);
    update();
  });
}
for (const button of document.querySelectorAll("[data-forget]")) {
  button.addEventListener("click", () => {
    const input = by(button.dataset.forget);
    input.value = "";
    drawnInstead(input);
    writeAddress(false);
    update();
  });
}
const turnTo = asked => {
  view = asked;
  at = 0;
  tell("");
  by("answer").replaceChildren();
  showView();
};
for (const link of document.querySelectorAll("[data-view]")) {
  link.addEventListener("click", event => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    turnTo(link.dataset.view);
    writeAddress(true);
    update();
  });
}
const fromAddress = () => {
  readAddress();
  showView();
  update();
};
addEventListener("popstate", fromAddress);
const dialog = by("picture");
dialog.querySelector("[data-closes]").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
dialog.querySelector("img").classList.toggle("pixels", about.pixels <= 64);
by("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(by("line").textContent);
    by("copied").textContent = "copied";
  } catch {
    getSelection().selectAllChildren(by("line"));
    by("copied").textContent = "selected: press Ctrl+C";
  }
});
fromAddress();
