// Which folder something is moved to: typed, or chosen step by step from those that are there.

import { el } from "./panel.js";
import { encode, isName, note, question, spelled } from "./dialogs.js";

// Of a folder with more of them the others are typed.
const SHOWN = 500;

// Asks for a folder, beginning at this one. The answer is the path of its URL, or null; those that are moved are not offered.
export async function chooseFolder(title, base, moved) {
  const top = base.match(/^\/(~[^/]*\/)?/)[0];
  const not = new Set(moved.map((link) => link.pathname));
  const typed = (url) => spelled(url.slice(top.length));
  // What is typed, and the URL that it is for: names may be other bytes than they look like.
  let at = { text: typed(base), url: base };
  const list = el("div", { className: "folders", role: "group", "aria-label": "Folders there" });
  const more = (input) => {
    const step = (text, url, label) => el("button", { type: "button", "aria-label": label, onclick: () => go(url, true) }, text);
    const go = async (url, isPressed) => {
      at = { text: typed(url), url };
      if (isPressed) input.value = at.text;
      const { folders, why } = await foldersIn(url);
      if (at.url !== url) return;
      const here = folders.filter((folder) => !not.has(folder.url));
      list.replaceChildren(
        ...(url === top ? [] : [step("↑ Up", url.replace(/[^/]*\/$/, ""), "The folder above")]),
        ...here.slice(0, SHOWN).map(({ name, url }) => step(name, url, name)),
        ...(why || here.length === 0 ? [el("span", {}, why || "No folder is in it.")] : []));
      if (isPressed) (list.querySelector("button") ?? input).focus();
    };
    let soon = 0;
    input.addEventListener("input", () => {
      clearTimeout(soon);
      // Of a name that is not typed to its end the folder above is shown.
      const url = urlOf(input.value.replace(/[^/]*$/, ""), top);
      if (url && url !== at.url) soon = setTimeout(() => go(url, false), 200);
    });
    go(base, false);
    return list;
  };
  const answer = await question({ title, label: "To the folder (from the top, with slashes)", value: at.text, yes: "Move", more });
  if (answer === null) return null;
  const url = answer === at.text ? at.url : urlOf(answer, top);
  if (!url) note("There is no such folder.", true);
  return url;
}

function urlOf(text, top) {
  const names = text.split("/").filter(Boolean);
  return names.every(isName) ? top + names.map((name) => `${encode(name)}/`).join("") : null;
}

// The folders in this one; or why they cannot be told.
async function foldersIn(url) {
  try {
    const answer = await fetch(`${url}?json`, { headers: { Accept: "application/json" } });
    if (!answer.ok) return { folders: [], why: answer.status === 404 ? "There is no such folder." : "It cannot be looked into." };
    const { entries } = await answer.json();
    const folders = entries.filter((entry) => entry.type === "dir" && !entry.closed)
      .map((entry) => ({ name: entry.name, url: new URL(entry.href, new URL(url, location.origin)).pathname }));
    return { folders, why: "" };
  } catch {
    return { folders: [], why: "The server cannot be reached." };
  }
}
