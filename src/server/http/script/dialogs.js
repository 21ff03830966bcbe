// What the parts of a folder's page share: notes, questions, requests, and how an entry of the list is taken apart.

import { el, say } from "./panel.js";
import { said } from "./upload.js";

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

// Why it was not done; empty: it was.
export async function refusal(method, url, headers = {}) {
  try {
    const answer = await fetch(url, { method, headers: { Accept: "text/plain", ...headers } });
    if (answer.ok) return "";
    if (answer.status === 401) { location.reload(); return "You have been logged out."; }
    return answer.status === 412 ? "There is one of this name already." : said({ status: answer.status, text: await answer.text() });
  } catch {
    return "The server cannot be reached.";
  }
}

export async function ask(method, url, headers = {}) {
  const why = await refusal(method, url, headers);
  if (why) note(why, true);
  return !why;
}

// A question in a dialog; the answer is null if there is none. `more` is what helps to answer it: an element for its input.
export function question({ title, text = "", label = "", value = "", yes, isGrave = false, select = value.length, more = null }) {
  return new Promise((done) => {
    const input = label ? el("input", { value, required: !more, autocapitalize: "none", spellcheck: false, id: "answer" }) : null;
    const form = el("form", { method: "dialog" },
      el("h2", { id: "question" }, title),
      ...(text ? [el("p", {}, text)] : []),
      ...(label ? [el("label", { htmlFor: "answer" }, label), input] : []),
      ...(more ? [more(input)] : []),
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

export const isName = (name) => name !== "" && name !== "." && name !== ".." && !name.includes("/");
export const encode = (path) => path.split("/").map(encodeURIComponent).join("/");
export const decode = (path) => { try { return decodeURIComponent(path); } catch { return path; } };

// ---- An entry, by the link with its name ----

export const isFolder = (link) => link.pathname.endsWith("/");
// Before its name stands where it is, in what a search has found.
export const nameOf = (link) => link.lastChild.textContent;
// Its name as the server spells it: what is shown may be another spelling of bytes that are no text.
export const ownName = (link) => link.pathname.replace(/\/$/, "").split("/").pop();
export const folderOf = (link) => link.pathname.replace(/[^/]*\/?$/, "");

const main = $("main");
const may = new Set((main.dataset.may || "").split(" ").filter(Boolean));

// What may be done with it: it says so itself where that is not the same for all that is in the folder.
export function mayWith(link) {
  const own = link.closest("tr").dataset.may;
  return own === undefined ? may : new Set(own.split(" "));
}

// For how long it is in the trash when it is deleted; empty: it is gone for good. There is nothing to keep of a file without a byte.
export function keptWith(link) {
  const row = link.closest("tr");
  const isEmpty = !isFolder(link) && $("td.size", row)?.textContent === "0 B";
  return isEmpty ? "" : row.dataset.trash ?? main.dataset.trash ?? "";
}
