// Uploads: a queue that goes on after a lost connection, and after a reload once the same files are chosen again.

import { EmptyFolder, Item, SMALL, decode, kept, passes, said, send, sleep } from "./item.js";

const AT_ONCE = 3;
// Of two files that may be the same so much is in memory at a time.
const COMPARED = 1024 * 1024;

// What is under way, all of it and by key: of tens of thousands none is looked for among all others.
class Open {
  constructor() { Object.assign(this, { items: new Set(), keys: new Map() }); }

  get size() { return this.items.size; }

  at(key) { return [...(this.keys.get(key) ?? [])]; }

  add(item) {
    this.items.add(item);
    if (!this.keys.has(item.key)) this.keys.set(item.key, new Set());
    this.keys.get(item.key).add(item);
  }

  delete(item) {
    this.items.delete(item);
    const alike = this.keys.get(item.key);
    alike?.delete(item);
    if (alike?.size === 0) this.keys.delete(item.key);
  }
}

export class Uploads {
  // `changed` is called when there is something to show, `landed` when files have come to their place. What is larger than `small`
  // is gone on with after a cut, and sent no second time if only the answer was lost.
  constructor(changed, landed, small = SMALL) {
    Object.assign(this, { changed, landed, small, items: [], running: 0, folders: new Map(), rates: [], batch: 0 });
    // Those that are not over, and of them those whose turn comes, in order.
    Object.assign(this, { open: new Open(), queue: [], turn: 0 });
    // What may have been chosen before is compared, one after the other; `stop` raises the number by which that goes on.
    Object.assign(this, { looking: Promise.resolve(), comparing: 0, stops: 0 });
    addEventListener("beforeunload", (event) => { if (this.isBusy) event.preventDefault(); });
  }

  get isBusy() { return this.open.size > 0 || this.comparing > 0; }

  // Those that a reload has cut off, into this folder, and that no other tab is at.
  static async interrupted(base) {
    const held = new Set((await navigator.locks.query()).held.map((lock) => lock.name));
    const cut = Object.keys(kept.all()).filter((key) => key.startsWith(base) && !held.has(key));
    return cut.map((key) => decode(key.split(" ")[0].slice(base.length)));
  }

  static forget(base) {
    for (const [key, at] of Object.entries(kept.all())) {
      if (key.startsWith(base)) { send("DELETE", at, {}); kept.set(key, null); }
    }
  }

  // `files` are pairs of a file and its path, names with slashes between, below `base`; `folders` the paths of empty ones.
  add({ files = [], folders = [] }, base) {
    const url = (path) => base + path.split("/").map(encodeURIComponent).join("/");
    const chosen = [
      ...files.map(([file, path]) => new Item(file, url(path), path, this.small)),
      ...folders.map((path) => new EmptyFolder(url(path), path)),
    ];
    // The very same chosen twice is sent once: what may be that is looked at, one after the other.
    const [fresh, doubtful, known] = [[], [], new Set()];
    for (const item of chosen) {
      const isNew = this.open.at(item.key).length === 0 && !known.has(item.key);
      known.add(item.key);
      (isNew ? fresh : doubtful).push(item);
    }
    this.take(fresh);
    for (const item of doubtful) this.compare(item);
    this.changed();
  }

  // Takes it once it is known to be none of those that are under way.
  compare(item) {
    const [before, stops] = [this.open.at(item.key), this.stops];
    const goesOn = () => this.stops === stops;
    this.comparing += 1;
    this.looking = this.looking.then(async () => {
      const others = new Set([...before, ...this.open.at(item.key)]);
      let isNew = goesOn();
      for (const other of others) {
        if (isNew) isNew = !(await areAlike(other.file, item.file, goesOn).catch(() => false));
      }
      this.comparing -= 1;
      if (isNew && goesOn()) this.take([item]); else this.changed();
    });
  }

  take(added) {
    if (added.length === 0) return;
    if (this.open.size === 0) this.begin();
    // Chosen again, it is no longer what became of it the last time. A link takes several files of one name.
    const name = (item) => (this.small < 0 ? item.key : item.url);
    const again = new Set(added.map(name));
    this.items = [...this.items.filter((item) => !item.isOver || item.state === "done" || !again.has(name(item))), ...added];
    for (const item of added) this.put(item);
    this.next();
  }

  // Its turn comes.
  put(item) {
    item.batch = this.batch;
    item.over = () => this.open.delete(item);
    this.open.add(item);
    this.queue.push(item);
  }

  // What was chosen before and is over is counted no more. What somebody has to decide on stays in the list.
  begin() {
    this.batch += 1;
    this.rates = [];
    this.items = this.items.filter((item) => item.state === "failed" || item.state === "taken");
    // They may have been removed meanwhile.
    this.folders.clear();
  }

  again(item, replace) { this.allAgain([item], replace); }

  beside(item) { this.allAgain([item], false, true); }

  // Only what is in the list and was not done: what is pressed twice, or shown a moment longer than it is so, is sent once.
  allAgain(pressed, replace, isBeside = false) {
    const here = new Set(this.items);
    const items = pressed.filter((item) => here.has(item) && (item.state === "failed" || item.state === "taken"));
    if (items.length === 0) return;
    const isAfterAll = this.open.size === 0 && items.some((item) => item.batch !== this.batch);
    if (isAfterAll) this.begin();
    for (const item of items) {
      item.again(replace, isBeside);
      this.put(item);
    }
    this.next();
  }

  // Those whose names are taken, which somebody has to decide on.
  taken() { return this.items.filter((item) => item.state === "taken"); }

  // Those that did not come for another reason, each of which may pass.
  failed() { return this.items.filter((item) => item.state === "failed"); }

  failedAgain() {
    for (const item of this.failed()) this.allAgain([item], item.replace, item.isBeside);
  }

  replaceAll() { this.allAgain(this.taken(), true); }

  besideAll() { this.allAgain(this.taken(), false, true); }

  // What is there stays.
  keepAll() { this.items = this.items.filter((item) => item.state !== "taken"); this.changed(); }

  next() {
    while (this.running < AT_ONCE && this.turn < this.queue.length) {
      const item = this.queue[this.turn];
      this.turn += 1;
      if (item.state !== "waiting") continue;
      this.running += 1;
      item.state = "running";
      const run = () => this.prepare(item).then(() => item.run(() => this.changed()));
      // One tab at a time goes on with an upload that is kept.
      const over = item.file.size > item.small ? navigator.locks.request(item.key, run) : run();
      over.finally(() => {
        this.running -= 1;
        if (item.state === "done") this.landed();
        this.next();
      });
    }
    if (this.turn === this.queue.length) [this.queue, this.turn] = [[], 0];
    this.changed();
  }

  // The folders that a file goes into, each made once.
  async prepare(item) {
    const names = item.shown.split("/");
    const base = item.url.slice(0, item.url.length - names.map(encodeURIComponent).join("/").length);
    let at = base;
    for (const name of names.slice(0, -1)) {
      at += `${encodeURIComponent(name)}/`;
      if (!this.folders.has(at)) this.folders.set(at, this.make(at));
      const why = await this.folders.get(at);
      if (item.isOver) return;
      if (why) { this.folders.delete(at); item.end("failed", why); return; }
    }
  }

  async make(url) {
    for (let wait = 1; ; wait = Math.min(2 * wait, 30)) {
      const answer = await send("MKCOL", url, {});
      // 405: it is there.
      if (answer.status === 201 || answer.status === 405) return "";
      if (!passes(answer.status)) return said(answer);
      await sleep(1000 * wait);
    }
  }

  // How far all of it has come.
  sum() {
    const items = this.items.filter((item) => item.state !== "stopped" && item.batch === this.batch);
    const total = items.reduce((sum, item) => sum + item.file.size, 0);
    const sent = items.reduce((sum, item) => sum + item.sent, 0);
    const now = performance.now();
    this.rates = this.rates.filter(([at]) => now - at < 8000);
    this.rates.push([now, sent]);
    const [[first, before]] = this.rates;
    const rate = now - first > 500 ? Math.max(0, (1000 * (sent - before)) / (now - first)) : 0;
    const count = (state) => items.filter((item) => item.state === state).length;
    return {
      total, sent, rate, all: items.length, done: count("done"),
      folders: items.filter((item) => item.isFolder).length, failed: count("failed") + count("taken"),
      here: items.filter((item) => item.wasHere).length, comparing: items.filter((item) => item.isComparing).length,
      moving: count("running"), lost: count("lost"), login: count("login"), left: rate > 0 ? (total - sent) / rate : Infinity,
    };
  }

  clear() { this.items = this.items.filter((item) => !item.isOver); this.changed(); }

  stop() {
    this.stops += 1;
    for (const item of [...this.open.items]) item.stop();
    this.changed();
  }
}

// Whether two files have the same bytes; nobody asks any more once it does not go on.
async function areAlike(one, other, goesOn) {
  if (one.size !== other.size) return false;
  for (let at = 0; at < one.size && goesOn(); at += COMPARED) {
    const parts = await Promise.all([one, other].map((file) => file.slice(at, at + COMPARED).arrayBuffer()));
    if (!areEqual(...parts)) return false;
  }
  return true;
}

function areEqual(left, right) {
  if (left.byteLength !== right.byteLength) return false;
  const count = left.byteLength >> 2;
  const [words, others] = [left, right].map((bytes) => new Int32Array(bytes, 0, count));
  for (let n = 0; n < count; n++) if (words[n] !== others[n]) return false;
  const [rest, there] = [left, right].map((bytes) => new Uint8Array(bytes, 4 * count));
  return rest.every((byte, n) => byte === there[n]);
}

// What was dropped: pairs of a file and its path, in folders and out of them, and the paths of the folders that are empty.
export async function dropped(transfer) {
  const [files, folders] = [[], []];
  const visit = async (entry, path) => {
    if (entry.isFile) {
      files.push([await new Promise((done, failed) => entry.file(done, failed)), path + entry.name]);
      return;
    }
    const reader = entry.createReader();
    let isEmpty = true;
    for (;;) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (some.length === 0) break;
      isEmpty = false;
      for (const inner of some) await visit(inner, `${path}${entry.name}/`);
    }
    if (isEmpty) folders.push(path + entry.name);
  };
  // Taken at once: they are gone after the first wait.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.length === 0) return { files: [...transfer.files].map((file) => [file, file.name]) };
  for (const entry of entries) await visit(entry, "");
  return { files, folders };
}
