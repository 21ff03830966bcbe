// Several entries at once: chosen by their boxes or by the keyboard, and deleted, moved or downloaded together. Nothing is shown of it
// before something is chosen.
//
// What is chosen is one set of URLs, of entries that are in the list. It outlives that the list is shown anew, as far as they are there
// still, and that others are filtered out by what is typed: then it is said that some are not shown. It ends with the page.

import { el, say } from "./panel.js";
import { $, fate, isFolder, keptWith, mayWith, menuOf, nameOf, note, ownName, question, refusal } from "./dialogs.js";
import { Bulk, tell, things } from "./bulk.js";
import { chooseFolder } from "./folders.js";

// No longer a URL than a server takes.
const URL_MAX = 12000;

// Its URL, by its row; nothing where there is no way to it.
const hrefOf = (row) => $("td.name a", row)?.href;

export class Chosen {
  // `base` is the folder of the page, `reload` shows it anew.
  constructor(base, reload) {
    // The entries that something can be done with, by their URLs, in the order of the list; and of those the chosen ones.
    Object.assign(this, { base, reload, entries: new Map(), hrefs: new Set(), last: null, all: null });
    this.bulk = new Bulk(() => this.show());
    this.count = el("span", {});
    const button = (text, act, className = "") => el("button", { type: "button", className, onclick: act }, text);
    this.zip = button("Download as zip", () => this.download());
    this.move = button("Move", () => this.moveAll());
    this.remove = button("Delete", () => this.removeAll(), "grave");
    this.none = button("Clear", () => this.clear(), "plain out");
    this.stop = button("Stop", () => this.bulk.stop(), "out");
    this.far = el("progress", { "aria-label": "How far it is" });
    this.bar = el("div", { id: "chosen", role: "toolbar", "aria-label": "What is chosen", hidden: true },
      this.count, this.zip, this.move, this.remove, this.none, this.stop, this.far);
    $("main").append(this.bar);
  }

  get size() { return this.hrefs.size; }

  // What is chosen, by its links. What lies in a folder that is chosen too comes with that: by itself it could be somewhere else, or
  // gone, before or after.
  get links() {
    const links = [...this.entries.values()].map(({ link }) => link).filter((link) => this.hrefs.has(link.href));
    const folders = new Set(links.filter(isFolder).map((link) => link.pathname));
    const isWithin = (path) => {
      for (let at = path.lastIndexOf("/", path.length - 2); at > 0; at = path.lastIndexOf("/", at - 1)) {
        if (folders.has(path.slice(0, at + 1))) return true;
      }
      return false;
    };
    return links.filter((link) => folders.size === 0 || !isWithin(link.pathname));
  }

  has(row) { return this.hrefs.has(hrefOf(row)); }

  // These are the rows now. Each that something can be done with has a box; what is gone is chosen no more.
  take(rows) {
    this.entries.clear();
    for (const { row } of rows) {
      const link = $("td.name a", row);
      const may = link && mayWith(link);
      if (may && (may.has("download") || may.has("rename") || may.has("delete"))) this.entries.set(link.href, { row, link, box: null });
    }
    this.hrefs = new Set([...this.hrefs].filter((href) => this.entries.has(href)));
    if (!this.entries.has(this.last)) this.last = null;
    this.draw();
    this.show();
  }

  // Gives each entry its box.
  draw() {
    const table = $("main table");
    table?.classList.toggle("picks", this.entries.size > 0);
    this.all = null;
    if (this.entries.size === 0) return;
    this.all = $("thead .pick input", table) ?? el("input", { type: "checkbox", "aria-label": "Choose all" });
    if (!this.all.parentElement) $("thead tr", table).prepend(el("th", { className: "pick", scope: "col" }, this.all));
    for (const [href, entry] of this.entries) {
      const { row, link } = entry;
      entry.box = $(".pick input", row) ?? el("input", { type: "checkbox", "aria-label": `Choose ${link.textContent}` });
      if (!entry.box.parentElement) row.prepend(el("td", { className: "pick" }, entry.box));
      this.set(href, this.hrefs.has(href));
    }
    // Those without a box leave its place free.
    for (const row of table.querySelectorAll("tbody tr")) if (!$(".pick", row)) row.prepend(el("td", { className: "pick" }));
  }

  set(href, is) {
    const entry = this.entries.get(href);
    if (!entry) return;
    entry.box.checked = is;
    entry.row.classList.toggle("chosen", is);
    if (is) this.hrefs.add(href); else this.hrefs.delete(href);
  }

  mark(row, is) {
    this.set(hrefOf(row), is);
    this.last = hrefOf(row);
    this.show();
  }

  toggle(row) { this.mark(row, !this.has(row)); }

  // This one and the next, which is come to from it.
  both(row, next) {
    this.set(hrefOf(row), true);
    this.mark(next, true);
  }

  // From the one that was chosen last to this one, as far as they are shown.
  upTo(row, is) {
    const shown = [...this.entries.values()].map((entry) => entry.row).filter((row) => !row.hidden);
    const to = shown.indexOf(row);
    const last = shown.indexOf(this.entries.get(this.last)?.row);
    const from = last < 0 ? to : last;
    for (const between of shown.slice(Math.min(from, to), Math.max(from, to) + 1)) this.set(hrefOf(between), is);
    this.mark(row, is);
  }

  // All that are shown.
  every(is) {
    for (const [href, { row }] of this.entries) if (!row.hidden) this.set(href, is);
    this.last = null;
    this.show();
  }

  // Nothing is chosen, also of what is not shown. What runs keeps what it is at.
  clear() {
    if (this.bulk.running) return;
    const held = this.bar.contains(document.activeElement);
    for (const href of [...this.hrefs]) this.set(href, false);
    this.last = null;
    this.show();
    say("Nothing is chosen.");
    if (held) $("tbody a")?.focus();
  }

  // Says how many are chosen, and offers what can be done with all of them; or says how far that is which is being done.
  show() {
    const { size, bulk: { running } } = this;
    const held = this.bar.contains(document.activeElement);
    const shown = [...this.entries.values()].filter(({ row }) => !row.hidden);
    const here = shown.filter(({ link }) => this.hrefs.has(link.href)).length;
    this.bar.hidden = size === 0 && !running;
    document.body.classList.toggle("choosing", !this.bar.hidden);
    const text = running ? this.bulk.text : here < size ? `${size} chosen, ${size - here} of them not shown` : `${size} chosen`;
    if (this.count.textContent !== text) {
      // How far it is is said now and then.
      if (size > 0 && !running) say(text);
      this.count.textContent = text;
    }
    const links = running || size === 0 ? [] : this.links;
    const can = (right) => links.length > 0 && links.every((link) => mayWith(link).has(right));
    this.zip.hidden = !can("download");
    this.move.hidden = !can("rename");
    this.remove.hidden = !can("delete");
    this.none.hidden = !!running;
    for (const part of [this.stop, this.far]) part.hidden = !running;
    if (running) {
      this.stop.disabled = running.isStopped;
      Object.assign(this.far, { max: running.all, value: running.over });
      if (held && !this.stop.disabled) this.stop.focus();
    }
    if (!this.all) return;
    this.all.checked = here > 0 && here === shown.length;
    this.all.indeterminate = here > 0 && here < shown.length;
  }

  menu() {
    if (this.bulk.running) return note(`${this.bulk.text}. One thing after the other.`);
    menuOf(this.count.textContent, [
      ...(this.zip.hidden ? [] : [["Download as zip", () => this.download()]]),
      ...(this.move.hidden ? [] : [["Move", () => this.moveAll()]]),
      ["Clear", () => this.clear()],
      ...(this.remove.hidden ? [] : [["Delete", () => this.removeAll(), "grave"]]),
    ]);
  }

  download() {
    const names = this.links.map((link) => `&name=${link.pathname.slice(this.base.length).replace(/\/$/, "")}`).join("");
    if (names.length > URL_MAX) return note("These are too many for one zip: choose fewer, or take the whole folder.", true);
    location.href = `${this.base}?zip${names}`;
  }

  async moveAll() {
    const { links } = this;
    const to = await chooseFolder(`Move ${links.length === 1 ? nameOf(links[0]) : things(links.length)}`, this.base, links);
    if (to !== null) await this.moveTo(to, links);
  }

  // Into the folder of this URL's path.
  async moveTo(to, links, done = "moved") {
    await this.withEach(links, ["Moving", done], (link) =>
      refusal("MOVE", link.href, { Destination: destination(link, to), Overwrite: "F" }));
  }

  async removeAll() {
    const { links } = this;
    const count = links.length;
    const kept = links.map(keptWith);
    const names = `${links.slice(0, 5).map(nameOf).join(", ")}${count > 5 ? ` and ${count - 5} more` : ""}. `;
    const text = names + fate(kept);
    if (await question({ title: `Delete ${things(count)}?`, text, yes: "Delete", isGrave: true }) === null) return;
    await this.withEach(links, ["Deleting", kept.every(Boolean) ? "moved to the trash" : "deleted"], (link) => refusal("DELETE", link.href));
  }

  // What was done is chosen no more; what failed, or was not begun, stays so.
  async withEach(links, [doing, done], work) {
    const rows = links.map((link) => link.closest("tr"));
    const came = await this.bulk.run(links, doing, work);
    if (!came) return note(`${this.bulk.text}. One thing after the other.`, true);
    for (const { href } of came.done) this.set(href, false);
    this.show();
    await this.reload(null, rows[0]);
    tell(came, done);
  }
}

// Where it comes to, in the folder of this URL's path.
export function destination(link, folder) {
  return new URL(folder + ownName(link) + (link.pathname.endsWith("/") ? "/" : ""), location.origin).href;
}
