// What a folder's page does beyond its links. Without this it still shows, sorts and downloads.

import { Chosen, destination } from "./chosen.js";
import {
  $, ask, encode, fate, folderOf, isClosed, isEmpty, isFolder, keptAt, keptWith, may, mayWith, menuOf, nameOf, nameless, note, question, refusal, spelled,
} from "./dialogs.js";
import { moveByDragging } from "./drag.js";
import { chooseFolder } from "./folders.js";
import { el, onDrop, panel, say, tellOfInterrupted } from "./panel.js";
import { share, waysToShare } from "./share.js";
import { localTimes } from "./times.js";
import { Uploads, dropped } from "./upload.js";

const main = $("main");
const base = new URL("./", location.href).pathname;

// ---- The list ----

let rows = [];
const chosen = new Chosen(base, (...args) => reload(...args));
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
  chosen.take(rows);
  localTimes();
  find();
  for (const element of document.querySelectorAll("[data-script]")) element.hidden = false;
}

// What of a row has the focus: by its row's URL and place it finds its way back when the list is shown anew.
const PARTS = ["td.name a", ".more", ".pick input"];
function placeOf(element) {
  const row = element?.closest?.("tbody tr");
  if (!row) return null;
  return { href: $("td.name a", row)?.href, at: rows.findIndex((it) => it.row === row), part: PARTS.find((part) => element.matches(part)) ?? PARTS[0] };
}
function focusOn({ href, at, part }, options = {}) {
  const path = href && spelled(new URL(href).pathname);
  const here = href && [...document.querySelectorAll("tbody td.name a")].find((link) => spelled(link.pathname) === path);
  // Of what is gone the next one has it.
  const next = rows.slice(Math.max(0, at)).find(({ row }) => !row.hidden) ?? rows.findLast(({ row }) => !row.hidden);
  const row = here ? here.closest("tr") : next?.row;
  ((row && ($(here ? part : PARTS[0], row) ?? $(PARTS[0], row))) ?? search ?? $("tbody a"))?.focus(options);
}
// Where it was in the list before a dialog.
let before = null;
main.addEventListener("focusin", (event) => { before = placeOf(event.target); });

// Shows the list anew. The focus goes to the entry of this URL; or stays where it is, and comes from what is no longer there, or from
// `row`, which something was done with, to what is in its place.
let asked = 0;
async function reload(href = null, row = null) {
  // Who may only bring files sees none.
  if (!may.has("list")) return;
  asked += 1;
  const mine = asked;
  const at = row ? placeOf(row.isConnected ? $("td.name a", row) : null) : null;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    // An older list takes the place of no newer one.
    if (mine !== asked) return;
    const dialog = $("dialog[open]");
    const had = dialog ? before : placeOf(document.activeElement);
    const [table, sum] = [$("table", page), $(".sum", page)];
    if (table) $("table").replaceWith(table);
    if (sum) $(".sum").replaceWith(sum);
    take();
    askForCount();
    const isNowhere = () => document.activeElement === document.body || !document.activeElement;
    // Who looks at something else is not taken there.
    const giveBack = (place) => { if (place && isNowhere()) focusOn(place, { preventScroll: true }); };
    if (dialog) dialog.addEventListener("close", () => giveBack(had));
    else if (href) focusOn({ href, at: 0, part: PARTS[0] });
    else giveBack(had ?? at);
  } catch { /* The next one will do. */ }
}

// What is used is counted after a server's start, and shown when it is known.
let [counting, countWait] = [0, 1];
function askForCount() {
  clearTimeout(counting);
  if (!$(".sum .counting")) return;
  counting = setTimeout(reload, 1000 * countWait);
  countWait = Math.min(2 * countWait, 60);
}

let soon = 0;
function reloadSoon() {
  clearTimeout(soon);
  soon = setTimeout(reload, 400);
}

const search = $("#search");
// Looks in the folders below, too: a page of its own.
const below = () => `?search=${encodeURIComponent(search.value.trim())}`;
function find() {
  if (!search) return;
  // What a search has found is all shown, until something else is typed.
  const wanted = search.value === search.defaultValue ? "" : search.value.trim().toLowerCase();
  let shown = 0;
  for (const { row, name } of rows) {
    const is = name.includes(wanted);
    if (row.hidden === is) row.hidden = !is;
    shown += is ? 1 : 0;
  }
  chosen.show();
  $("#none")?.remove();
  $("#below")?.remove();
  if (wanted) {
    say(shown === 1 ? "1 found" : `${shown} found`);
    if (shown === 0) $("table").after(el("p", { id: "none", className: "note" }, "Nothing here has that in its name."));
    $(".tools").after(el("p", { id: "below", className: "note" }, el("a", { href: below() }, `Search the folders below for “${search.value.trim()}”`)));
  }
}
// The first one that is shown opens; where none is, it is looked for below.
function enter(event) {
  // Or the key would press what has the focus in the dialog that opens.
  event.preventDefault();
  const first = rows.find(({ row }) => !row.hidden)?.row.querySelector("a");
  if (first) first.click(); else if (search.value.trim()) location.href = below();
}
search?.addEventListener("input", find);
search?.form.addEventListener("submit", enter);
search?.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { search.value = ""; find(); }
  if (event.key === "Enter") enter(event);
});

// ---- What can be done with an entry ----

async function rename(link) {
  const name = nameOf(link);
  const dot = name.lastIndexOf(".");
  const to = (name) => new URL(folderOf(link) + encodeURIComponent(name) + (isFolder(link) ? "/" : ""), location.origin).href;
  const act = (answer) => {
    if (answer === name) return "";
    return nameless(answer) || refusal("MOVE", link.href, { Destination: to(answer), Overwrite: "F" });
  };
  const answer = await question({
    title: isFolder(link) ? "Rename the folder" : "Rename the file", label: "New name", value: name, yes: "Rename", act,
    select: dot > 0 && !isFolder(link) ? dot : name.length,
  });
  if (answer === null || answer === name) return;
  note(`Renamed to ${answer}.`);
  await reload(to(answer));
}

async function moveTo(link) {
  const folder = await chooseFolder(`Move ${nameOf(link)}`, folderOf(link), [link]);
  if (folder !== null && await move(link, destination(link, folder))) { note("Moved."); await reload(null, link.closest("tr")); }
}

const move = (link, to) => ask("MOVE", link.href, { Destination: to, Overwrite: "F" });

async function remove(link) {
  const kept = keptWith(link);
  const what = isFolder(link) ? `The folder ${kept ? "" : "and everything in it "}` : `The file ${isEmpty(link) ? "is empty: it " : ""}`;
  const text = kept
    ? `${what}goes to the trash${isFolder(link) ? " with everything in it" : ""}, for ${kept}.`
    : `${what}will be gone for good.`;
  if (await question({ title: `Delete ${nameOf(link)}?`, text, yes: "Delete", isGrave: true }) === null) return;
  if (await ask("DELETE", link.href)) { note(kept ? "It is in the trash." : "Deleted."); await reload(null, link.closest("tr")); }
}

async function copyLink(link) {
  try {
    await navigator.clipboard.writeText(link.href);
    note("The link is copied.");
  } catch {
    await question({ title: "The link", label: "Copy it from here", value: link.href, yes: "Done" });
  }
}

$("#share")?.addEventListener("click", () => share(base, $("h1").textContent, waysToShare(true, may)));

function menu(link) {
  const show = link.dataset.show;
  const may = mayWith(link);
  const mayOpen = !isClosed(link) && (isFolder(link) || may.has("download"));
  const ways = waysToShare(isFolder(link), may);
  const go = (href) => () => { location.href = href; };
  menuOf(nameOf(link), [
    ...(show ? [["Show", () => view(link)]] : mayOpen ? [["Open", go(link.href)]] : []),
    ...(may.has("download") ? [isFolder(link) ? ["Download as zip", go(`${link.href}?zip`)] : ["Download", go(`${link.href}?download`)]] : []),
    ...(mayOpen ? [["Copy link", () => copyLink(link)]] : []),
    ...(ways.length ? [["Share", () => share(link.pathname, nameOf(link), ways, isFolder(link))]] : []),
    ...(may.has("rename") ? [["Rename", () => rename(link)], ["Move", () => moveTo(link)]] : []),
    ...(may.has("delete") ? [["Delete", () => remove(link), "grave"]] : []),
  ]);
}

main.addEventListener("click", (event) => {
  const row = event.target.closest("tbody tr");
  if (!row) return;
  const link = $("td.name a", row);
  if (event.target.closest(".more")) { if (chosen.size > 1 && chosen.has(row)) chosen.menu(); else menu(link); }
  else if (event.target.matches(".pick input")) {
    if (event.shiftKey) chosen.upTo(row, event.target.checked);
    else chosen.mark(row, event.target.checked);
  }
  else if (link && event.target.closest("td.name a") && isClosed(link)) {
    event.preventDefault();
    menu(link);
  } else if (event.target.closest("td.name a")?.dataset.show && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    view(link);
  }
});

main.addEventListener("change", (event) => { if (event.target.matches("th.pick input")) chosen.every(event.target.checked); });

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
    if (next) {
      // With Shift all that one comes by is chosen.
      if (event.shiftKey) chosen.both(row, next);
      $("td.name a", next).focus();
      event.preventDefault();
    }
  } else if (event.key === " " && event.target === link) { chosen.toggle(row); event.preventDefault(); }
  else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) { chosen.every(true); event.preventDefault(); }
  else if (event.key === "F2" && !row.classList.contains("up") && mayWith(link).has("rename")) rename(link);
  else if (event.key === "Delete" && chosen.size > 0) { if (!chosen.remove.hidden) chosen.removeAll(); }
  else if (event.key === "Delete" && !row.classList.contains("up") && mayWith(link).has("delete")) remove(link);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen.size > 0 && !event.target.closest("dialog, input[type=search]")) chosen.clear();
  if (event.key === "/" && !event.target.closest("input, dialog")) { search?.focus(); event.preventDefault(); }
});

moveByDragging(chosen);

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
    title.textContent = nameOf(link);
    save.href = `${link.href}?download`;
    open.href = link.href;
    const kind = link.dataset.show;
    if (kind === "image") return inside.replaceChildren(el("img", { src: link.href, alt: nameOf(link) }));
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
  // Each goes where its own folder lets it go.
  const fateOf = (items) => fate(
    items.map((item) => (item.isOverNothing ? "" : keptAt(item.url))), "What is replaced", "What is replaced", "If they are replaced, ");
  const uploads = panel({ make: (changed) => new Uploads(changed, reloadSoon), fateOf: may.has("overwrite") ? fateOf : null });
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
  const act = (name) => nameless(name) || refusal("MKCOL", `${base + encode(name)}/`);
  const name = await question({ title: "New folder", label: "Name", yes: "Make it", act });
  if (name === null) return;
  note(`${name} is there.`);
  await reload(`${location.origin}${base}${encode(name)}/`);
});

for (const element of document.querySelectorAll("[data-plain]")) element.hidden = true;
take();
askForCount();
