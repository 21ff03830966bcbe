// What the parts of a folder's page share: notes, questions, requests, and how an entry of the list is taken apart.

import { el, say } from "./panel.js";
import { decode, said } from "./item.js";

export const $ = (selector, within = document) => within.querySelector(selector);

// For those who look: it goes away by itself.
let noted;
export function note(text, isBad = false) {
  noted?.remove();
  noted = el("p", { className: isBad ? "toast bad" : "toast" }, text);
  document.body.append(noted);
  say(text);
  const mine = noted;
  setTimeout(() => mine.remove(), isBad ? 10000 : 3500);
}

// Set when the page goes by itself: nobody is asked whether to leave it.
export const leaving = { is: false };

// Why it was not done; empty: it was.
export async function refusal(method, url, headers = {}) {
  try {
    const answer = await fetch(url, { method, headers: { Accept: "text/plain", ...headers } });
    if (answer.ok) return "";
    if (answer.status === 401) { leaving.is = true; location.reload(); return "You have been logged out."; }
    // A folder cannot be made where something is.
    const isTaken = answer.status === 412 || (method === "MKCOL" && answer.status === 405);
    return isTaken ? "There is one of this name already." : said({ status: answer.status, text: await answer.text() });
  } catch {
    return "The server cannot be reached.";
  }
}

export async function ask(method, url, headers = {}) {
  const why = await refusal(method, url, headers);
  if (why) note(why, true);
  return !why;
}

// A question in a dialog; the answer is null if there is none. `more` is what helps to answer it: an element for its input. `act` does
// what was answered, and says why it could not, or nothing: what was typed stays there then, to be mended.
export function question({ title, text = "", label = "", value = "", yes, isGrave = false, select = value.length, more = null, act = null }) {
  return new Promise((done) => {
    const why = el("p", { className: "wrong", role: "alert", hidden: true });
    const send = el("button", { type: "submit", value: "yes", className: isGrave ? "grave" : "main" }, yes);
    const input = label ? el("input", { value, required: !more, autocapitalize: "none", spellcheck: false, id: "answer" }) : null;
    const form = el("form", { method: "dialog" },
      el("h2", { id: "question" }, title),
      ...(text ? [el("p", {}, text)] : []),
      ...(label ? [el("label", { htmlFor: "answer" }, label), input] : []),
      ...(more ? [more(input)] : []),
      why,
      el("div", { className: "buttons" },
        el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
        send));
    const dialog = el("dialog", { className: "ask", "aria-labelledby": "question" }, form);
    form.onsubmit = async (event) => {
      if (!act) return;
      event.preventDefault();
      if (send.disabled) return;
      send.disabled = true;
      why.textContent = await act(input.value);
      why.hidden = !why.textContent;
      send.disabled = false;
      if (why.hidden) dialog.close("yes"); else input.focus();
    };
    dialog.onclose = () => {
      dialog.remove();
      done(dialog.returnValue === "yes" ? (input ? input.value : true) : null);
    };
    document.body.append(dialog);
    dialog.showModal();
    if (input) { input.focus(); input.setSelectionRange(0, select); }
  });
}

// What can be done, one below the other.
export function menuOf(title, items) {
  const item = ([text, act, className = ""]) => el("button", { type: "button", className, onclick: () => { dialog.close(); act(); } }, text);
  const dialog = el("dialog", { className: "menu", "aria-label": title }, el("h2", {}, title), ...items.map(item), item(["Close", () => {}]));
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

// Lines that are too many for a note, all of them.
export function listOf(title, lines) {
  const dialog = el("dialog", { className: "ask", "aria-labelledby": "told" }, el("form", { method: "dialog" },
    el("h2", { id: "told" }, title),
    el("ul", { className: "lines", tabIndex: 0 }, ...lines.map((line) => el("li", {}, line))),
    el("div", { className: "buttons" }, el("button", { type: "submit", className: "main" }, "Close"))));
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
  $("button", dialog).focus();
  say(title);
}

// Why nothing can be called so; empty: it can.
export const nameless = (name) => (isName(name) ? "" : "A name has no slash in it, and is neither . nor ..");

export const isName = (name) => name !== "" && name !== "." && name !== ".." && !name.includes("/");
export const encode = (path) => path.split("/").map(encodeURIComponent).join("/");
// The path of a URL as text to compare by: one name is written in several ways.
export const spelled = (pathname) => pathname.split("/").map(decode).join("/");

// ---- An entry, by the link with its name ----

export const isFolder = (link) => link.pathname.endsWith("/");
// It may be seen, and renamed or deleted, and not opened.
export const isClosed = (link) => link.matches(".closed");
// Before its name stands where it is, in what a search has found.
export const nameOf = (link) => link.lastChild.textContent;
// Its name as the server spells it: what is shown may be another spelling of bytes that are no text.
export const ownName = (link) => link.pathname.replace(/\/$/, "").split("/").pop();
export const folderOf = (link) => link.pathname.replace(/[^/]*\/?$/, "");
// A file without a byte: there is nothing of it to keep.
export const isEmpty = (link) => !isFolder(link) && $("td.size", link.closest("tr"))?.textContent === "0 B";

const main = $("main");
// What may be done in the folder of the page.
export const may = new Set((main.dataset.may || "").split(" ").filter(Boolean));

// What may be done with it: it says so itself where that is not the same for all that is in the folder.
export function mayWith(link) {
  const own = link.closest("tr").dataset.may;
  return own === undefined ? may : new Set(own.split(" "));
}

// ---- What becomes of what is deleted or replaced ----

// The folders below the page's where that is not as in it; the innermost one counts.
const elsewhere = JSON.parse(main.dataset.trashBelow || "[]")
  .map(([url, time]) => [spelled(url), time])
  .sort(([one], [other]) => other.length - one.length);

// For how long what was at this path is in the trash; empty: it is gone for good.
export function keptAt(pathname) {
  const path = spelled(pathname);
  return elsewhere.find(([folder]) => path.startsWith(folder))?.[1] ?? main.dataset.trash ?? "";
}

export const keptWith = (link) => (isEmpty(link) ? "" : keptAt(link.pathname));

// The same in words, of things that are kept for these times. `one` and `many` begin the sentence where all fare alike.
export function fate(times, one = "It", many = "They", unlike = "") {
  const goes = (isOne, time) => (time ? `${isOne ? "goes" : "go"} to the trash, for ${time}` : "will be gone for good");
  const counts = new Map();
  for (const time of times) counts.set(time, (counts.get(time) ?? 0) + 1);
  if (counts.size === 1) return `${times.length === 1 ? one : many} ${goes(times.length === 1 || one === many, times[0])}.`;
  const gone = counts.get("") ?? 0;
  counts.delete("");
  const parts = [...counts].map(([time, count]) => `${count} of them ${goes(count === 1, time)}`);
  if (gone > 0) parts.push(`the ${gone === 1 ? "other" : "others"} will be gone for good`);
  return `${unlike}${parts.join("; ")}.`;
}
