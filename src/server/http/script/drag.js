// Entries that are dragged onto a folder of the list, or onto one above in the path, are moved into it.

import { $, folderOf, isFolder, mayWith, nameOf, note } from "./dialogs.js";

// The link of the folder that this is over; none of those that are dragged, nor what they are in already.
function folderUnder(element, dragged) {
  const row = element.closest?.("tbody tr");
  const link = row ? $("td.name a", row) : element.closest?.("header nav a");
  if (!link || !isFolder(link) || dragged.some((one) => one.pathname === link.pathname)) return null;
  return dragged.every((one) => folderOf(one) === link.pathname) ? null : link;
}

// `chosen` says what is dragged together, and moves it.
export function moveByDragging(chosen) {
  let [dragged, over] = [[], null];
  const show = (link) => {
    const next = link?.closest("tr") ?? link;
    if (over === next) return;
    over?.classList.remove("onto");
    next?.classList.add("onto");
    over = next;
  };
  document.addEventListener("dragstart", (event) => {
    const link = event.target.closest?.("tbody td.name a");
    dragged = [];
    if (!link || link.closest("tr.up")) return;
    const links = chosen.has(link.closest("tr")) ? chosen.links : [link];
    // What lies in a chosen folder is dragged with that.
    if (links.every((one) => mayWith(one).has("rename"))) dragged = links;
  });
  document.addEventListener("dragover", (event) => {
    const link = dragged.length > 0 ? folderUnder(event.target, dragged) : null;
    show(link);
    if (!link) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
  });
  document.addEventListener("drop", (event) => {
    const links = dragged;
    const link = links.length > 0 ? folderUnder(event.target, links) : null;
    if (!link) return;
    event.preventDefault();
    const name = link.closest("tr.up") ? "the folder above" : nameOf(link);
    chosen.moveTo(link.pathname, links, `moved to ${name}`).catch(() => note("It could not be moved.", true));
  });
  document.addEventListener("dragend", () => {
    dragged = [];
    show(null);
  });
}
