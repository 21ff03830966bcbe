// Several entries at once: chosen by their boxes or by the keyboard, and deleted, moved or downloaded together. Nothing is shown of it
// before something is chosen.

import { el, say } from "./panel.js";
import { $, keptWith, mayWith, menuOf, nameOf, note, ownName, question, refusal } from "./dialogs.js";
import { chooseFolder } from "./folders.js";

// So many requests at once, and no longer a URL than a server takes.
const AT_ONCE = 3;
const URL_MAX = 12000;

const things = (count) => (count === 1 ? "1 thing" : `${count} things`);

// Asks for each of them. The answer is why some were not done, by their names.
async function forAll(links, doing, work) {
  const [left, whys] = [[...links], []];
  let over = 0;
  const next = async () => {
    for (let link = left.shift(); link; link = left.shift()) {
      const why = await work(link);
      if (why) whys.push(`${nameOf(link)}: ${why}`);
      over += 1;
      if (links.length > 10) say(`${doing} ${10 * Math.floor((10 * over) / links.length)} percent`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return whys;
}

// What is told afterwards.
function tell(done, all, whys) {
  if (whys.length === 0) return note(`${things(all)} ${done}.`);
  const some = whys.slice(0, 3).join(" ");
  note(`${all - whys.length} of ${all} ${done}, ${whys.length} not. ${some}${whys.length > 3 ? " …" : ""}`, true);
}

export class Chosen {
  // `base` is the folder of the page, `reload` shows it anew.
  constructor(base, reload) {
    Object.assign(this, { base, reload, rows: [], boxes: new Map(), hrefs: new Set(), last: null });
    this.count = el("span", {});
    const button = (text, act, className = "") => el("button", { type: "button", className, onclick: act }, text);
    this.zip = button("Download as zip", () => this.download());
    this.move = button("Move", () => this.moveAll());
    this.remove = button("Delete", () => this.removeAll(), "grave");
    const none = el("button", { type: "button", className: "plain", onclick: () => this.clear() }, "Clear");
    this.bar = el("div", { id: "chosen", role: "toolbar", "aria-label": "What is chosen", hidden: true },
      this.count, this.zip, this.move, this.remove, none);
    $("main").append(this.bar);
  }

  get size() { return this.hrefs.size; }

  // The links of what is chosen and there.
  get links() { return this.rows.map(({ row }) => $("td.name a", row)).filter((link) => link && this.hrefs.has(link.href)); }

  has(row) { return this.boxes.get(row)?.checked === true; }

  // These are the rows now. Each that something can be done with has a box; what is gone is chosen no more.
  take(rows) {
    this.rows = rows;
    this.boxes.clear();
    const can = ({ row }) => {
      const link = $("td.name a", row);
      const may = link && mayWith(link);
      return may && (may.has("download") || may.has("rename") || may.has("delete"));
    };
    const able = rows.filter(can);
    const table = $("main table");
    table?.classList.toggle("picks", able.length > 0);
    if (able.length === 0) return;
    const head = $("thead tr", table);
    if (!$(".pick", head)) {
      this.all = el("input", { type: "checkbox", "aria-label": "Choose all" });
      head.prepend(el("th", { className: "pick", scope: "col" }, this.all));
    }
    const still = new Set();
    for (const { row } of able) {
      const link = $("td.name a", row);
      const box = $(".pick input", row) ?? el("input", { type: "checkbox", "aria-label": `Choose ${link.textContent}` });
      if (!box.parentElement) row.prepend(el("td", { className: "pick" }, box));
      box.checked = this.hrefs.has(link.href);
      row.classList.toggle("chosen", box.checked);
      if (box.checked) still.add(link.href);
      this.boxes.set(row, box);
    }
    // Those without a box leave its place free.
    for (const row of table.querySelectorAll("tbody tr")) if (!$(".pick", row)) row.prepend(el("td", { className: "pick" }));
    this.hrefs = still;
    this.show();
  }

  set(row, is) {
    const box = this.boxes.get(row);
    if (!box) return;
    const { href } = $("td.name a", row);
    box.checked = is;
    row.classList.toggle("chosen", is);
    if (is) this.hrefs.add(href); else this.hrefs.delete(href);
  }

  mark(row, is) {
    this.set(row, is);
    this.last = row;
    this.show();
  }

  toggle(row) { this.mark(row, !this.has(row)); }

  // From the one that was chosen last to this one, as far as they are shown.
  upTo(row, is = true) {
    const shown = this.rows.map(({ row }) => row).filter((row) => !row.hidden);
    const [from, to] = [shown.indexOf(this.last ?? row), shown.indexOf(row)];
    for (const between of shown.slice(Math.min(from, to) < 0 ? to : Math.min(from, to), Math.max(from, to) + 1)) this.set(between, is);
    this.last = row;
    this.show();
  }

  every(is) {
    for (const { row } of this.rows) if (!row.hidden || !is) this.set(row, is);
    this.show();
  }

  clear() {
    const held = this.bar.contains(document.activeElement);
    this.every(false);
    say("Nothing is chosen.");
    if (held) $("tbody a")?.focus();
  }

  show() {
    const { links, size } = this;
    const all = (right) => links.every((link) => mayWith(link).has(right));
    this.bar.hidden = size === 0;
    document.body.classList.toggle("choosing", size > 0);
    const text = `${size} chosen`;
    if (this.count.textContent !== text) {
      if (size > 0) say(text);
      this.count.textContent = text;
    }
    this.zip.hidden = !all("download");
    this.move.hidden = !all("rename");
    this.remove.hidden = !all("delete");
    if (!this.all) return;
    const shown = this.rows.filter(({ row }) => !row.hidden && this.boxes.has(row)).length;
    this.all.checked = size > 0 && size >= shown;
    this.all.indeterminate = size > 0 && size < shown;
  }

  menu() {
    menuOf(`${this.size} chosen`, [
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
    if (to === null) return;
    const whys = await forAll(links, "Moving", (link) => refusal("MOVE", link.href, { Destination: destination(link, to), Overwrite: "F" }));
    tell("moved", links.length, whys);
    await this.reload();
  }

  async removeAll() {
    const { links } = this;
    const count = links.length;
    const kept = links.map(keptWith);
    const [one] = kept;
    const fate = kept.every((time) => !time) ? "They will be gone for good."
      : kept.every((time) => time === one) ? `They go to the trash, for ${one}.`
        : `${kept.filter(Boolean).length} of them go to the trash, for ${kept.find(Boolean)}; the others will be gone for good.`;
    const names = `${links.slice(0, 5).map(nameOf).join(", ")}${count > 5 ? ` and ${count - 5} more` : ""}. `;
    const text = names + (count === 1 ? fate.replace("They go", "It goes").replace("They", "It") : fate);
    if (await question({ title: `Delete ${things(count)}?`, text, yes: "Delete", isGrave: true }) === null) return;
    const whys = await forAll(links, "Deleting", (link) => refusal("DELETE", link.href));
    tell(kept.every(Boolean) ? "moved to the trash" : "deleted", count, whys);
    await this.reload();
    $("tbody a")?.focus();
  }
}

// Where it comes to, in the folder of this URL's path.
export function destination(link, folder) {
  return new URL(folder + ownName(link) + (link.pathname.endsWith("/") ? "/" : ""), location.origin).href;
}
