// What a folder's page does beyond its links. Without this it still shows, sorts and downloads.

import { el, onDrop, panel, say, tellOfInterrupted } from "./panel.js";
import { Uploads, dropped, said } from "./upload.js";

const main = document.querySelector("main");
const may = new Set((main.dataset.may || "").split(" ").filter(Boolean));
const base = new URL("./", location.href).pathname;
// Of the folder for everybody no links are made.
const isOwn = base.startsWith("/~");
const $ = (selector, within = document) => within.querySelector(selector);

// ---- Small things ----

// For those who look: it goes away by itself.
let noted;
function note(text, isBad = false) {
  noted?.remove();
  noted = el("p", { className: isBad ? "toast bad" : "toast" }, text);
  document.body.append(noted);
  say(text);
  const mine = noted;
  setTimeout(() => mine.remove(), isBad ? 10000 : 3500);
}

async function ask(method, url, headers = {}) {
  try {
    const answer = await fetch(url, { method, headers: { Accept: "text/plain", ...headers } });
    if (answer.ok) return true;
    if (answer.status === 401) { location.reload(); return false; }
    const text = answer.status === 412 ? "There is one of this name already." : said({ status: answer.status, text: await answer.text() });
    note(text, true);
  } catch {
    note("The server cannot be reached.", true);
  }
  return false;
}

// A question in a dialog; the answer is null if there is none.
function question({ title, text = "", label = "", value = "", yes, isGrave = false, select = value.length }) {
  return new Promise((done) => {
    const input = label ? el("input", { value, required: true, autocapitalize: "none", spellcheck: false, id: "answer" }) : null;
    const form = el("form", { method: "dialog" },
      el("h2", { id: "question" }, title),
      ...(text ? [el("p", {}, text)] : []),
      ...(label ? [el("label", { htmlFor: "answer" }, label), input] : []),
      el("div", { className: "buttons" },
        el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
        el("button", { type: "submit", value: "yes", className: isGrave ? "grave" : "main" }, yes)));
    const dialog = el("dialog", { className: "ask", "aria-labelledby": "question" }, form);
    dialog.onclose = () => {
      dialog.remove();
      done(dialog.returnValue === "yes" ? (input ? input.value : true) : null);
    };
    document.body.append(dialog);
    dialog.showModal();
    if (input) { input.focus(); input.setSelectionRange(0, select); }
  });
}

const isName = (name) => name !== "" && name !== "." && name !== ".." && !name.includes("/");
const encode = (path) => path.split("/").map(encodeURIComponent).join("/");

// ---- The list ----

let rows = [];
function take() {
  const head = $("thead tr");
  if (head && !$(".act", head)) head.append(el("th", { className: "act", scope: "col" }, el("span", { className: "unseen" }, "Actions")));
  rows = [...document.querySelectorAll("tbody tr:not(.up)")].map((row) => ({ row, name: $("td.name", row).textContent.toLowerCase() }));
  for (const { row } of rows) {
    const link = $("a", row);
    if (link && !$("td.act", row)) {
      row.append(el("td", { className: "act" }, el("button", { type: "button", className: "more", "aria-label": `Actions for ${link.textContent}` }, "⋯")));
    }
  }
  find();
}

async function reload() {
  // Who may only bring files sees none.
  if (!may.has("list")) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [table, sum] = [$("table", page), $(".sum", page)];
    if (table) $("table").replaceWith(table);
    if (sum) $(".sum").replaceWith(sum);
    take();
  } catch { /* The next one will do. */ }
}

let soon = 0;
function reloadSoon() {
  clearTimeout(soon);
  soon = setTimeout(reload, 400);
}

const search = $("#search");
function find() {
  if (!search) return;
  const wanted = search.value.trim().toLowerCase();
  let shown = 0;
  for (const { row, name } of rows) {
    const is = name.includes(wanted);
    if (row.hidden === is) row.hidden = !is;
    shown += is ? 1 : 0;
  }
  $("#none")?.remove();
  if (wanted) {
    say(shown === 1 ? "1 found" : `${shown} found`);
    if (shown === 0) $("table").after(el("p", { id: "none", className: "note" }, "Nothing here has that in its name."));
  }
}
search?.addEventListener("input", find);
search?.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { search.value = ""; find(); }
  if (event.key === "Enter") {
    // Or the key would press what has the focus in the dialog that opens.
    event.preventDefault();
    rows.find(({ row }) => !row.hidden)?.row.querySelector("a")?.click();
  }
});

// ---- What can be done with an entry ----

async function rename(link) {
  const name = link.textContent;
  const dot = name.lastIndexOf(".");
  const answer = await question({ title: "Rename", label: "New name", value: name, yes: "Rename", select: dot > 0 ? dot : name.length });
  if (answer === null || answer === name) return;
  if (!isName(answer)) return note("A name has no slash in it, and is neither . nor ..", true);
  await move(link, base + encodeURIComponent(answer), `Renamed to ${answer}.`);
}

async function moveTo(link) {
  const home = base.match(/^\/(~[^/]*\/)?/)[0];
  const folder = decodeURIComponent(base.slice(home.length));
  const answer = await question({ title: `Move ${link.textContent}`, label: "To the folder (from the top, with slashes)", value: folder, yes: "Move" });
  if (answer === null) return;
  const names = answer.split("/").filter(Boolean);
  if (!names.every(isName)) return note("There is no such folder.", true);
  // Its name as the server spells it: what is shown may be another spelling of bytes that are no text.
  const own = link.pathname.replace(/\/$/, "").split("/").pop();
  await move(link, home + [...names.map(encodeURIComponent), own].join("/"), "Moved.");
}

async function move(link, to, done) {
  const isFolder = link.pathname.endsWith("/");
  const destination = new URL(isFolder ? `${to}/` : to, location.origin).href;
  if (await ask("MOVE", link.href, { Destination: destination, Overwrite: "F" })) { note(done); await reload(); }
}

async function remove(link) {
  const isFolder = link.pathname.endsWith("/");
  const kept = keptWith(link);
  // There is nothing to keep of a file without a byte.
  const isEmpty = !isFolder && $("td.size", link.closest("tr"))?.textContent === "0 B";
  const text = kept && !isEmpty
    ? `${isFolder ? "The folder goes to the trash with everything in it" : "The file goes to the trash"}, for ${kept}.`
    : isFolder ? "The folder and everything in it will be gone for good." : `The file ${isEmpty && kept ? "is empty: it " : ""}will be gone for good.`;
  if (await question({ title: `Delete ${link.textContent}?`, text, yes: "Delete", isGrave: true }) === null) return;
  if (await ask("DELETE", link.href)) { note(kept && !isEmpty ? "It is in the trash." : "Deleted."); await reload(); search?.focus(); }
}

async function copyLink(link) {
  try {
    await navigator.clipboard.writeText(link.href);
    note("The link is copied.");
  } catch {
    await question({ title: "The link", label: "Copy it from here", value: link.href, yes: "Done" });
  }
}

// ---- Links for others ----

// `may` is what may be done at the place itself.
const canShare = (isFolder, may) => may.has("link") && isOwn
  && (isFolder ? (may.has("download") && may.has("list")) || may.has("upload") : may.has("download"));

// Asks what the link is to be, makes it, and shows it.
function share(path, name, isFolder, may) {
  const field = (label, id, input) => [el("label", { htmlFor: id }, label), Object.assign(input, { id, name: id })];
  const ways = !isFolder ? ["read"] : [...(may.has("download") && may.has("list") ? ["read"] : []), ...(may.has("upload") ? ["drop"] : [])];
  const told = { read: isFolder ? "See and download all that is in it" : "Download it", drop: "Put files into it, and see nothing" };
  const kind = el("select", {}, ...ways.map((way) => el("option", { value: way }, told[way])));
  const expires = el("select", {},
    ...[["86400", "A day"], ["604800", "A week"], ["2592000", "30 days"], ["never", "Until I withdraw it"]]
      .map(([value, text]) => el("option", { value, selected: value === "604800" }, text)));
  const password = el("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: false, placeholder: "None" });
  const downloads = el("input", { type: "number", min: 1, max: 4294967295, placeholder: "As often as anybody likes" });
  const times = el("div", {}, ...field("How many downloads", "downloads", downloads));
  const why = el("p", { className: "wrong", role: "alert", hidden: true });
  const turn = () => { times.hidden = kind.value === "drop"; };
  kind.onchange = turn;
  const form = el("form", {},
    el("h2", { id: "sharing" }, `Share ${name}`),
    ...field("Whoever has the link may", "kind", kind), ...field("It ends after", "expires", expires),
    ...field("Password", "password", password), times, why,
    el("div", { className: "buttons" },
      el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      el("button", { type: "submit", className: "main" }, "Make the link")));
  const dialog = el("dialog", { className: "ask", "aria-labelledby": "sharing" }, form);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const body = new URLSearchParams({ path, kind: kind.value, expires: expires.value, password: password.value });
    if (kind.value === "read") body.set("downloads", downloads.value);
    try {
      const answer = await fetch("/.sealift-web/links", { method: "POST", headers: { Accept: "application/json" }, body });
      if (answer.status === 401) { location.reload(); return; }
      if (!answer.ok) throw new Error(said({ status: answer.status, text: await answer.text() }));
      shared(dialog, await answer.json());
    } catch (error) {
      why.textContent = error instanceof TypeError ? "The server cannot be reached." : error.message;
      why.hidden = false;
    }
  };
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  turn();
  dialog.showModal();
  kind.focus();
}

// The link that was made, in the place of what was asked: it is shown this once.
function shared(dialog, made) {
  const input = el("input", { value: made.url, readOnly: true, id: "made" });
  const copy = async (event) => {
    const button = event.target;
    input.select();
    try {
      await navigator.clipboard.writeText(made.url);
      button.textContent = "Copied";
      say("The link is copied.");
    } catch { /* It is selected. */ }
  };
  // In the zone of all times here.
  const until = made.expires ? `until ${new Date(made.expires * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC` : "until you withdraw it";
  dialog.replaceChildren(el("form", { method: "dialog" },
    el("h2", { id: "sharing" }, "The link"),
    el("p", {}, `Whoever has it can ${made.kind === "drop" ? "put files there, and see nothing," : "read it"} ${until}.`),
    el("label", { htmlFor: "made" }, "It is shown this once"), input,
    el("div", { className: "buttons" },
      el("a", { className: "button", href: "/.sealift-web/links" }, "Your links"),
      el("button", { type: "submit" }, "Done"),
      el("button", { type: "button", className: "main", onclick: copy }, "Copy"))));
  input.focus();
  input.select();
}

$("#share")?.addEventListener("click", () => share(base, $("h1").textContent, true, may));

// What may be done with an entry: it says so itself where that is not the same for all that is in the folder.
function mayWith(link) {
  const own = link.closest("tr").dataset.may;
  return own === undefined ? may : new Set(own.split(" "));
}

// For how long it is in the trash when it is deleted; empty: it is gone for good. It says so itself where that is not the same for all.
const keptWith = (link) => link.closest("tr").dataset.trash ?? main.dataset.trash ?? "";

function menu(link) {
  const isFolder = link.pathname.endsWith("/");
  const show = link.dataset.show;
  const may = mayWith(link);
  const mayOpen = isFolder || may.has("download");
  const item = (text, act, className = "") => el("button", { type: "button", className, onclick: () => { dialog.close(); act(); } }, text);
  const go = (href) => () => { location.href = href; };
  const dialog = el("dialog", { className: "menu", "aria-label": link.textContent },
    el("h2", {}, link.textContent),
    ...(show ? [item("Show", () => view(link))] : mayOpen ? [item("Open", go(link.href))] : []),
    ...(may.has("download") ? (isFolder ? [item("Download as zip", go(`${link.href}?zip`))] : [item("Download", go(`${link.href}?download`))]) : []),
    ...(mayOpen ? [item("Copy link", () => copyLink(link))] : []),
    ...(canShare(isFolder, may) ? [item("Share", () => share(link.pathname, link.textContent, isFolder, may))] : []),
    ...(may.has("rename") ? [item("Rename", () => rename(link)), item("Move", () => moveTo(link))] : []),
    ...(may.has("delete") ? [item("Delete", () => remove(link), "grave")] : []),
    item("Close", () => {}));
  dialog.onclose = () => dialog.remove();
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  dialog.onkeydown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const all = [...dialog.querySelectorAll("button")];
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
    event.preventDefault();
  };
  document.body.append(dialog);
  dialog.showModal();
}

main.addEventListener("click", (event) => {
  const row = event.target.closest("tbody tr");
  if (!row) return;
  const link = $("td.name a", row);
  if (event.target.closest(".more")) menu(link);
  else if (event.target.closest("td.name a")?.dataset.show && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    view(link);
  }
});

main.addEventListener("keydown", (event) => {
  const row = event.target.closest("tbody tr");
  if (!row) return;
  const link = $("td.name a", row);
  const near = (row, step) => {
    do row = row[step]; while (row && (row.hidden || !$("td.name a", row)));
    return row;
  };
  const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  if (step) {
    const next = near(row, step);
    if (next) { $("td.name a", next).focus(); event.preventDefault(); }
  } else if (event.key === "F2" && !row.classList.contains("up") && mayWith(link).has("rename")) rename(link);
  else if (event.key === "Delete" && !row.classList.contains("up") && mayWith(link).has("delete")) remove(link);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, dialog")) { search?.focus(); event.preventDefault(); }
});

// ---- Looking at a file in its place ----

async function view(link) {
  const all = () => rows.filter(({ row }) => !row.hidden).map(({ row }) => $("a[data-show]", row)).filter(Boolean);
  const inside = el("div", { className: "inside" });
  const title = el("h2", { id: "viewed" });
  const [save, open] = [el("a", {}, "Download"), el("a", { target: "_blank", rel: "noopener" }, "Open")];
  const dialog = el("dialog", { className: "view", "aria-labelledby": "viewed" },
    el("div", { className: "bar" }, title, open, save, el("button", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, "✕")), inside);
  const show = async (next) => {
    link = next;
    title.textContent = link.textContent;
    save.href = `${link.href}?download`;
    open.href = link.href;
    const kind = link.dataset.show;
    if (kind === "image") return inside.replaceChildren(el("img", { src: link.href, alt: link.textContent }));
    if (kind === "text") {
      const pre = el("pre", { tabIndex: 0 });
      inside.replaceChildren(pre);
      const answer = await fetch(link.href, { headers: { Range: "bytes=0-262143" } }).catch(() => null);
      pre.textContent = answer?.ok ? await answer.text() : answer?.status === 416 ? "" : "It cannot be read.";
      if (Number(answer?.headers.get("Content-Range")?.split("/")[1]) > 262144) pre.append("\n… Open or download it to see the rest.");
      return undefined;
    }
    const player = el(kind, { src: link.href, controls: true, autoplay: true });
    inside.replaceChildren(player);
    return undefined;
  };
  dialog.onclose = () => { dialog.remove(); link.focus(); };
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  dialog.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.target.closest("audio, video, pre")) return;
    const next = all()[all().indexOf(link) + step];
    if (next) show(next);
  };
  document.body.append(dialog);
  dialog.showModal();
  await show(link);
}

// ---- Uploads ----

if (may.has("upload")) {
  const uploads = panel((changed) => new Uploads(changed, reloadSoon), may.has("overwrite"), main.dataset.trash || "");
  const add = (chosen) => {
    if (chosen.files?.length || chosen.folders?.length) uploads.add(chosen, base);
    $("#cut").hidden = true;
  };
  for (const input of document.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => {
      add({ files: [...input.files].map((file) => [file, file.webkitRelativePath || file.name]) });
      input.value = "";
    });
    $(`button[data-for=${input.id}]`).addEventListener("click", () => input.click());
  }
  onDrop(async (transfer) => {
    try { add(await dropped(transfer)); } catch { note("What was dropped cannot be read.", true); }
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length && !event.target.closest("input")) add({ files: [...event.clipboardData.files].map((file) => [file, file.name]) });
  });
  tellOfInterrupted(uploads, base);
}

$("#folder")?.addEventListener("click", async () => {
  const name = await question({ title: "New folder", label: "Name", yes: "Make it" });
  if (name === null) return;
  if (!isName(name)) return note("A name has no slash in it, and is neither . nor ..", true);
  if (await ask("MKCOL", `${base + encode(name)}/`)) { note(`${name} is there.`); await reload(); }
});

for (const element of document.querySelectorAll("[data-script]")) element.hidden = false;
take();
