// One file on its way: in one request or piece by piece, begun again where it was cut off.

// What is sent in one go, and else piece by piece: each is in memory for its hash.
export const SMALL = 8 * 1024 * 1024;
const PIECE = 32 * 1024 * 1024;
const KEPT = "sealift-uploads";
// What an upload that was cut off leaves on the server is whole blocks of this size.
const BLOCK = 16 * 1024 * 1024;

// The most numbers that are tried for a name beside one that is taken, and letters of an ending with its dot.
const NUMBERS = 1000;
const ENDING = 10;

const encoded = (path) => path.split("/").map(encodeURIComponent).join("/");

// A request that moves nothing for so long is taken for lost, in milliseconds: a line that went silently (a wireless network, a laptop
// that slept) is not told of by the system for a quarter of an hour. The answer to a whole body may take longer: the last of it may
// still be on its way, and it is hashed and written to the disk.
const SILENT = 60_000;
const SILENT_ANSWER = 300_000;
// Counts what moves on the page. A request may wait for its turn at the server while others move: that is no lost line.
let moves = 0;

// `item` wakes by being stopped, too: it holds a place that others wait for.
export const sleep = (ms, item) => new Promise((done) => {
  const wake = () => {
    clearTimeout(timer);
    removeEventListener("online", wake);
    done();
  };
  const timer = setTimeout(wake, ms);
  addEventListener("online", wake);
  if (item) item.wake = wake;
});

async function digest(blob) {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return `sha-256=:${btoa(String.fromCharCode(...hash))}:`;
}

// One request. Resolves to the answer, also to one that refuses; to status 0 if there was none, the line is off, or nothing moves.
export function send(method, url, headers, body, item) {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    const before = item ? item.sent : 0;
    const giveUp = () => request.abort();
    let timer = 0;
    const waitFor = (ms) => {
      clearTimeout(timer);
      const before = moves;
      timer = setTimeout(() => { if (moves === before) giveUp(); else waitFor(ms); }, ms);
    };
    // What was on its way when the line went is not always told to have failed.
    addEventListener("offline", giveUp);
    request.open(method, url);
    request.setRequestHeader("Accept", "text/plain");
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (item) {
      item.request = request;
      request.upload.onprogress = (event) => { item.sent = before + event.loaded; moves += 1; waitFor(SILENT); };
      request.upload.onloadend = () => waitFor(SILENT_ANSWER);
    }
    request.onloadend = () => {
      clearTimeout(timer);
      if (request.status) moves += 1;
      removeEventListener("offline", giveUp);
      if (item) item.request = null;
      const header = (name) => request.getResponseHeader(name);
      done({ status: request.status, url: request.responseURL, text: request.responseText, header });
    };
    request.send(body);
    waitFor(body ? SILENT : SILENT_ANSWER);
  });
}

// 507 says that there is no room: that does not pass.
export const passes = (status) => [0, 408, 429, 502, 503, 504].includes(status);

// What the server said, without its number and signature.
export const said = (answer) =>
  answer.text.replace(/^\d+: /, "").replace(/ \(server's pid .*\)\s*$/, "").trim() || `The server answered ${answer.status}.`;

export function decode(path) { try { return decodeURIComponent(path); } catch { return path; } }

export const kept = {
  all() {
    try { return JSON.parse(localStorage.getItem(KEPT)) || {}; } catch { return {}; }
  },
  set(key, value) {
    const all = kept.all();
    if (!value && !(key in all)) return;
    if (value) all[key] = value; else delete all[key];
    try { localStorage.setItem(KEPT, JSON.stringify(all)); } catch { /* Then it only outlives a lost connection. */ }
  },
};

export class Item {
  // Up to `small` bytes go in one request.
  constructor(file, url, shown, small) {
    Object.assign(this, { file, shown, small, sent: 0, state: "waiting", why: "", replace: false, request: null, batch: 0 });
    // Called when it is over, and when it is to stop waiting for the line.
    Object.assign(this, { over: null, wake: null });
    // What is there has no byte: of that nothing is kept when it is replaced.
    this.isOverNothing = false;
    // The upload that it is at.
    this.at = null;
    // It is being compared with what is there; it was there before anything of it was sent; some of it may have come.
    Object.assign(this, { isComparing: false, wasHere: false, mayHaveCome: false });
    // What it was chosen as. Beside what has that name it is called so with a number, the first that is free.
    Object.assign(this, { chosen: shown, number: 1, isBeside: false });
    this.goesTo(url);
  }

  goesTo(url) {
    this.url = url;
    // What is kept of it is found by this. That it is of this very file is not known by it.
    this.key = `${url} ${this.file.size} ${this.file.lastModified}`;
  }

  // The next number before the ending, as links that files are put in by have it.
  takeNumber() {
    kept.set(this.key, null);
    this.number += 1;
    const at = this.chosen.lastIndexOf("/") + 1;
    const [folder, name] = [this.chosen.slice(0, at), this.chosen.slice(at)];
    const dot = name.lastIndexOf(".");
    const end = dot > 0 && name.length - dot <= ENDING ? name.slice(dot) : "";
    const base = this.url.slice(0, this.url.length - encoded(this.shown).length);
    this.shown = `${folder}${name.slice(0, name.length - end.length)}-${this.number}${end}`;
    this.goesTo(base + encoded(this.shown));
  }

  get isFolder() { return false; }

  get isOver() { return this.state === "done" || this.state === "failed" || this.state === "stopped" || this.state === "taken"; }

  end(state, why = "") {
    this.state = state;
    this.why = why;
    if (state === "done") this.sent = this.file.size;
    if (state !== "done" || this.file.size > this.small) kept.set(this.key, null);
    this.over?.();
  }

  about() {
    const about = { "X-OC-Mtime": Math.floor(this.file.lastModified / 1000) };
    if (!this.replace) about["If-None-Match"] = "*";
    return about;
  }

  async run(changed) {
    let [wait, reached] = [1, 0];
    while (!this.isOver) {
      this.state = "running";
      changed();
      let answer;
      try {
        answer = this.file.size <= this.small ? await this.whole() : await this.pieces(changed);
        if (answer.status === 412 && !this.isOver) answer = await this.taken(changed);
      } catch {
        return this.isOver ? undefined : this.end("failed", "The file cannot be read: it was changed or removed.");
      }
      if (this.isOver) break;
      if (answer.status >= 200 && answer.status < 300) this.end("done");
      else if (answer.status === 412 && this.isBeside && this.number < NUMBERS) this.takeNumber();
      else if (answer.status === 412) this.end("taken", "A file of this name is here already.");
      else if (answer.status === 401) {
        this.state = "login";
        changed();
        await sleep(3000, this);
      } else if (passes(answer.status)) {
        this.state = "lost";
        this.mayHaveCome = true;
        changed();
        // A line that brought something since the last time is tried again at once.
        if (this.sent > reached) [wait, reached] = [1, this.sent];
        await sleep(1000 * wait, this);
        wait = Math.min(2 * wait, 30);
      } else this.end("failed", said(answer));
    }
    changed();
  }

  async whole() {
    this.sent = 0;
    const headers = { ...this.about(), "Repr-Digest": await digest(this.file) };
    return send("PUT", this.url, headers, this.file, this);
  }

  async pieces(changed) {
    let at = kept.all()[this.key];
    if (at) {
      const found = await send("HEAD", at, {});
      if (passes(found.status) || found.status === 401) return found;
      const isThere = found.status < 300 && found.header("Upload-Offset") !== null;
      // What was kept before this page was: the file may be another one by now, of the same name, size and time.
      const isOfThis = isThere && (at === this.at || (await this.beginsWith(found.header("Sealift-Prefix"), changed)));
      if (this.isOver) return { status: 0 };
      if (isOfThis) {
        if (found.header("Upload-Complete") === "?1") return found;
        this.sent = Number(found.header("Upload-Offset"));
        this.at = at;
      } else {
        if (isThere) send("DELETE", at, {});
        kept.set(this.key, null);
        at = null;
      }
    }
    if (!at) {
      this.sent = 0;
      const prefix = await this.prefix();
      if (this.isOver) return { status: 0 };
      const begin = (more) =>
        send("PUT", this.url, { ...this.about(), ...more, "Upload-Complete": "?0", "Upload-Length": this.file.size }, "");
      let begun = await begin(prefix);
      // Somebody else has gone on with it, or there is a file of this name, which the answer to this will say.
      if (begun.status === 412 && prefix["Sealift-Prefix"]) begun = await begin({});
      at = begun.header("Location");
      if (begun.status >= 300 || !at) return begun;
      this.sent = Number(begun.header("Upload-Offset"));
      this.at = at;
      kept.set(this.key, at);
    }
    for (;;) {
      changed();
      const from = this.sent;
      const piece = this.file.slice(from, from + PIECE);
      const isLast = from + piece.size >= this.file.size;
      const headers = {
        "Content-Type": "application/partial-upload",
        "Content-Digest": await digest(piece),
        "Upload-Offset": from,
        "Upload-Complete": isLast ? "?1" : "?0",
      };
      if (this.isOver) return { status: 0 };
      const answer = await send("PATCH", at, headers, piece, this);
      if (answer.status < 200 || answer.status >= 300) {
        // Where it broke is asked for anew.
        if (answer.status === 409 || answer.status === 400) return { ...answer, status: 0 };
        if (answer.status === 404) kept.set(this.key, null);
        return answer.status === 404 ? { ...answer, status: 0 } : answer;
      }
      this.sent = from + piece.size;
      if (isLast) return answer;
    }
  }

  // What another way of sending this file has left on the server, if the file begins with it.
  async prefix() {
    if (this.small < 0 || this.file.size < BLOCK) return {};
    const left = await send("HEAD", `${this.url}?partial`, {});
    const prefix = left.status === 204 && left.header("Sealift-Prefix");
    return (await this.beginsWith(prefix)) ? { "Sealift-Prefix": prefix } : {};
  }

  // Whether the file begins with what the server says that it has: bytes, and their BLAKE3.
  async beginsWith(prefix, changed) {
    const [length, hash] = (prefix || "").split(" ");
    if (!hash || Number(length) > this.file.size) return false;
    const { blake3 } = await import("./blake3.js");
    const reached = (at) => {
      if (changed) { this.sent = at; changed(); }
      return !this.isOver;
    };
    this.isComparing = true;
    try {
      return (await blake3(this.file, Number(length), reached)) === hash;
    } finally {
      this.isComparing = false;
    }
  }

  // There is one of this name. An answer may have been lost on its way: then it is this very file, and it is uploaded. That is so if
  // all its bytes have the same hash, and not before: many files have the same size and time. Whoever gets no answer to this either
  // does not know yet.
  async taken(changed) {
    const isSmall = this.file.size <= this.small;
    const there = await send("HEAD", this.url, isSmall ? { "Want-Repr-Digest": "sha-256=10" } : {});
    if (passes(there.status) || there.status === 401) return there;
    this.isOverNothing = there.header("Content-Length") === "0";
    const modified = Date.parse(there.header("Last-Modified")) / 1000;
    const mayBe = Number(there.header("Content-Length")) === this.file.size && modified === Math.floor(this.file.lastModified / 1000);
    if (there.status !== 200 || !mayBe) return { ...there, status: 412 };
    // The tag of a large file is its BLAKE3, if that was recorded when it came; a weak one proves nothing.
    const isSame = isSmall
      ? there.header("Repr-Digest") === (await digest(this.file))
      : await this.beginsWith(`${this.file.size} ${/^"([0-9a-f]{64})"$/.exec(there.header("ETag"))?.[1] ?? ""}`, changed);
    if (isSame) this.wasHere = !this.mayHaveCome; else this.sent = 0;
    return { ...there, status: isSame ? 204 : 412 };
  }

  stop() {
    const at = kept.all()[this.key];
    this.end("stopped", "Stopped.");
    this.request?.abort();
    this.wake?.();
    if (at) send("DELETE", at, {});
  }

  again(replace, isBeside = false) {
    Object.assign(this, { replace, isBeside });
    if (isBeside && this.state === "taken") this.takeNumber();
    this.sent = 0;
    this.wasHere = false;
    this.state = "waiting";
    this.why = "";
  }
}

// A folder with nothing in it: there is no file that it would be made for.
export class EmptyFolder extends Item {
  constructor(url, shown) { super({ size: 0, lastModified: 0 }, url, shown, 0); }

  get isFolder() { return true; }

  async whole() {
    const url = `${this.url}/`;
    const made = await send("MKCOL", url, {}, null, this);
    if (made.status !== 405) return made;
    // Something is there. A file of this name would lead elsewhere; who may not look takes it for the folder.
    const there = await send("HEAD", url, {});
    if (there.status === 200 && !new URL(there.url).pathname.endsWith("/")) {
      return { ...made, text: "A file of this name is here already." };
    }
    return passes(there.status) ? there : { ...made, status: 201 };
  }
}
