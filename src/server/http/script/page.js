// What a folder's page does beyond its links. Without this it still shows, sorts and downloads.

import { Uploads, dropped, said } from "./upload.js";

const main = document.querySelector("main");
const may = new Set((main.dataset.may || "").split(" ").filter(Boolean));
const base = new URL("./", location.href).pathname;
const $ = (selector, within = document) => within.querySelector(selector);
const status = $("#status");

// ---- Small things ----

function el(name, properties = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value; else element.setAttribute(key, value);
  }
  element.append(...inside);
  return element;
}

function size(bytes) {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  let unit = -1;
  do { bytes /= 1024; unit += 1; } while (bytes >= 999.5 && unit < 4);
  return `${bytes < 9.95 ? bytes.toFixed(1) : Math.round(bytes)} ${["KiB", "MiB", "GiB", "TiB", "PiB"][unit]}`;
}

function time(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s left`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min left`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min left`;
}

// For those who listen: said once each time it changes.
const say = (text) => { if (status.textContent !== text) status.textContent = text; };

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
  const text = isFolder ? "The folder and everything in it will be gone for good." : "The file will be gone for good.";
  if (await question({ title: `Delete ${link.textContent}?`, text, yes: "Delete", isGrave: true }) === null) return;
  if (await ask("DELETE", link.href)) { note("Deleted."); await reload(); search?.focus(); }
}

async function copyLink(link) {
  try {
    await navigator.clipboard.writeText(link.href);
    note("The link is copied.");
  } catch {
    await question({ title: "The link", label: "Copy it from here", value: link.href, yes: "Done" });
  }
}

function menu(link) {
  const isFolder = link.pathname.endsWith("/");
  const show = link.dataset.show;
  const item = (text, act, className = "") => el("button", { type: "button", className, onclick: () => { dialog.close(); act(); } }, text);
  const go = (href) => () => { location.href = href; };
  const dialog = el("dialog", { className: "menu", "aria-label": link.textContent },
    el("h2", {}, link.textContent),
    ...(show ? [item("Show", () => view(link))] : [item("Open", go(link.href))]),
    ...(may.has("download") ? (isFolder ? [item("Download as zip", go(`${link.href}?zip`))] : [item("Download", go(`${link.href}?download`))]) : []),
    item("Copy link", () => copyLink(link)),
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
  } else if (event.key === "F2" && may.has("rename") && !row.classList.contains("up")) rename(link);
  else if (event.key === "Delete" && may.has("delete") && !row.classList.contains("up")) remove(link);
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

const panel = $("#uploads");
let uploads;
let drawing = 0;

function draw() {
  drawing = 0;
  if (!uploads) return;
  const sum = uploads.sum();
  panel.hidden = uploads.items.length === 0;
  if (panel.hidden) return;
  const { files, done, failed } = sum;
  const busy = uploads.isBusy;
  const head = busy
    ? `Uploading ${Math.min(done + failed + 1, files)} of ${files}`
    : failed > 0 ? `${done} of ${files} uploaded, ${failed} not` : `${done === 1 ? "1 file" : `${done} files`} uploaded`;
  const where = sum.login > 0 ? "You have been logged out. Log in in another tab: it goes on then."
    : sum.lost > 0 ? "The connection is lost. It goes on by itself."
      : busy ? [`${size(sum.sent)} of ${size(sum.total)}`, sum.rate > 0 ? `${size(sum.rate)}/s` : "", time(sum.left)].filter(Boolean).join(" · ")
        : "What is here has been verified and is on the server's disk.";
  $("h2", panel).textContent = head;
  $("progress", panel).hidden = !busy;
  $("progress", panel).max = sum.total || 1;
  $("progress", panel).value = sum.total ? sum.sent : 0;
  $(".where", panel).textContent = where;
  $(".stop", panel).hidden = !busy;
  $(".clear", panel).hidden = busy;
  // Those that move and those that need a decision; whatever is done is in the list of the folder.
  const told = uploads.items.filter((item) => item.state === "running" || item.state === "failed" || item.state === "taken" || item.state === "lost");
  const list = $("ul", panel);
  list.replaceChildren(...told.slice(0, 50).map((item) => {
    const line = el("li", { className: item.state }, el("span", { className: "file" }, item.shown));
    if (item.state === "running" || item.state === "lost") {
      line.append(el("span", { className: "far" }, item.file.size ? `${Math.floor((100 * item.sent) / item.file.size)} %` : ""));
    } else {
      const again = (text, replace) => el("button", { type: "button", onclick: () => { item.again(replace); uploads.next(); } }, text);
      line.append(el("span", { className: "why" }, item.why), item.state === "taken" ? (may.has("overwrite") ? again("Replace it", true) : "") : again("Try again", item.replace));
    }
    return line;
  }));
  if (sum.lost > 0) say("The connection is lost. It goes on by itself.");
  else if (!busy) say(head);
  else if (sum.total) say(`${head}, ${10 * Math.floor((10 * sum.sent) / sum.total)} percent`);
}

function drawSoon() { drawing ||= setTimeout(draw, 200); }

if (may.has("upload")) {
  uploads = new Uploads(drawSoon, reloadSoon);
  setInterval(() => { if (uploads.isBusy) drawSoon(); }, 500);
  const add = (files) => {
    if (files.length) { uploads.add(files, base); panel.scrollIntoView({ block: "nearest" }); }
    $("#cut").hidden = true;
  };
  for (const input of document.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", () => {
      add([...input.files].map((file) => [file, file.webkitRelativePath || file.name]));
      input.value = "";
    });
    $(`button[data-for=${input.id}]`).addEventListener("click", () => input.click());
  }
  $(".stop", panel).addEventListener("click", () => uploads.stop());
  $(".clear", panel).addEventListener("click", () => uploads.clear());
  let depth = 0;
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (isFiles(event)) { depth += 1; document.body.classList.add("dropping"); } });
  addEventListener("dragleave", (event) => { if (isFiles(event) && --depth <= 0) document.body.classList.remove("dropping"); });
  addEventListener("dragover", (event) => { if (isFiles(event)) event.preventDefault(); });
  addEventListener("drop", async (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    depth = 0;
    document.body.classList.remove("dropping");
    try { add(await dropped(event.dataTransfer)); } catch { note("What was dropped cannot be read.", true); }
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length && !event.target.closest("input")) add([...event.clipboardData.files].map((file) => [file, file.name]));
  });
  Uploads.interrupted(base).then((cut) => {
    if (cut.length === 0 || uploads.items.length > 0) return;
    $("#cut").hidden = false;
    $("#cut span").textContent = `${cut.length === 1 ? "An upload was" : `${cut.length} uploads were`} interrupted: ${cut.slice(0, 3).join(", ")}${cut.length > 3 ? ", …" : ""}. Choose the same files again to go on where it was.`;
    $("#cut button").addEventListener("click", () => { Uploads.forget(base); $("#cut").hidden = true; });
  });
}

$("#folder")?.addEventListener("click", async () => {
  const name = await question({ title: "New folder", label: "Name", yes: "Make it" });
  if (name === null) return;
  if (!isName(name)) return note("A name has no slash in it, and is neither . nor ..", true);
  if (await ask("MKCOL", `${base + encode(name)}/`)) { note(`${name} is there.`); await reload(); }
});

for (const element of document.querySelectorAll("[data-script]")) element.hidden = false;
take();
