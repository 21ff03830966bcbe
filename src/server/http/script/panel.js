// How far uploads have come, for those who look and those who listen; and what else the pages with uploads share.

import { Uploads } from "./upload.js";

export function el(name, properties = {}, ...inside) {
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

const status = document.querySelector("#status");

// For those who listen: said once each time it changes.
export const say = (text) => { if (status.textContent !== text) status.textContent = text; };

// What is pressed means what was there when it was: a key that is held down, and the second click of a double one, would press what
// has taken its place since, be it the answer to a question that nobody has read.
addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.repeat) return;
  event.preventDefault();
  event.stopPropagation();
}, true);
addEventListener("click", (event) => {
  if (event.detail < 2 || !(event.target.closest("button") || event.target.localName === "dialog")) return;
  event.preventDefault();
  event.stopPropagation();
}, true);

// Calls `take` with what is dropped anywhere on the page.
export function onDrop(take) {
  let depth = 0;
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => { if (isFiles(event)) { depth += 1; document.body.classList.add("dropping"); } });
  addEventListener("dragleave", (event) => { if (isFiles(event) && --depth <= 0) document.body.classList.remove("dropping"); });
  addEventListener("dragover", (event) => { if (isFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    depth = 0;
    document.body.classList.remove("dropping");
    take(event.dataTransfer);
  });
}

// Shows the uploads that `make` makes with what is to be called when they change. `fateOf`: where names that are taken may be replaced,
// what becomes then of what is at those of these, in words. `loggedOut`: what is said where the server asks who this is.
export function panel({ make, fateOf = null, loggedOut = "You have been logged out. Log in in another tab: it goes on then." }) {
  const element = document.querySelector("#uploads");
  const $ = (selector) => element.querySelector(selector);
  let drawing = 0;
  let shown = false;
  const drawSoon = () => { drawing ||= setTimeout(draw, 200); };
  const uploads = make(drawSoon);

  function draw() {
    drawing = 0;
    const sum = uploads.sum();
    element.hidden = uploads.items.length === 0;
    if (element.hidden) { shown = false; return; }
    if (!shown) element.scrollIntoView({ block: "nearest" });
    shown = true;
    const { all, folders, done, failed } = sum;
    const busy = uploads.isBusy;
    const taken = uploads.taken();
    const lost = uploads.failed();
    // Told of all at once when it is over, of each where they do not all fare alike.
    const fates = new Set(busy || !fateOf ? [] : taken.map((item) => fateOf([item])));
    const isTold = fateOf && (busy || fates.size > 1);
    const files = all - folders;
    const counted = (number) => (number === 1 ? "1 file" : `${number} files`);
    const sent = files - sum.here;
    const here = sum.here === 1 ? "is" : "are";
    const good = files > 0 || folders === 0
      ? sum.here === 0 ? `${counted(files)} uploaded`
        : sent === 0 ? `${counted(files)} ${here} here already`
          : `${counted(sent)} uploaded, ${sum.here} ${here} here already`
      : `${folders === 1 ? "1 empty folder" : `${folders} empty folders`} made`;
    // What is hashed here moves nothing.
    const isComparing = busy && sum.comparing > 0;
    const head = isComparing && sum.comparing === sum.moving
      ? `Comparing ${Math.min(done + failed + 1, all)} of ${all} with what is here`
      : busy ? (uploads.open.size > 0 ? `Uploading ${Math.min(done + failed + 1, all)} of ${all}` : "Looking whether that was uploaded just now")
      : failed > 0 ? `${done} of ${all} uploaded, ${failed} not` : good;
    const where = sum.login > 0 ? loggedOut
      : sum.lost > 0 ? "The connection is lost. It goes on by itself."
        : busy ? [`${size(sum.sent)} of ${size(sum.total)}`, !isComparing && sum.rate > 0 ? `${size(sum.rate)}/s` : "", isComparing ? "" : time(sum.left)].filter(Boolean).join(" · ")
          : [
            done > 0 ? `${failed > 0 ? "What was uploaded" : "What is here"} has been verified and is on the server's disk.` : "",
            taken.length === 1 ? "A name is taken." : taken.length > 1 ? `${taken.length} names are taken.` : "",
            fates.size > 0 ? fateOf(taken) : "",
          ].filter(Boolean).join(" ");
    $("h2").textContent = head;
    $("progress").hidden = !busy;
    $("progress").max = sum.total || 1;
    $("progress").value = sum.total ? sum.sent : 0;
    $(".where").textContent = where;
    $(".stop").hidden = !busy;
    $(".clear").hidden = busy;
    // One by one they are decided on in the list.
    $(".replace").hidden = !fateOf || taken.length < 2;
    $(".replace").textContent = `Replace all ${taken.length}`;
    $(".again").hidden = busy || lost.length < 2;
    $(".again").textContent = `Try all ${lost.length} again`;
    $(".both").hidden = taken.length < 2;
    $(".both").textContent = `Keep both for all ${taken.length}`;
    $(".keep").hidden = taken.length < 2;
    $(".keep").textContent = `Skip all ${taken.length}`;
    // Those that move and those that need a decision; whatever is done is in the list of the folder.
    const told = uploads.items.filter((item) => item.state === "running" || item.state === "failed" || item.state === "taken" || item.state === "lost");
    const list = $("ul");
    list.replaceChildren(...told.slice(0, 50).map((item) => {
      const line = el("li", { className: item.state }, el("span", { className: "file" }, item.shown));
      if (item.state === "running" || item.state === "lost") {
        const far = item.file.size ? `${Math.floor((100 * item.sent) / item.file.size)} %` : "";
        line.append(el("span", { className: "far" }, item.isComparing ? `comparing… ${far}` : far));
      } else {
        const button = (text, onclick) => el("button", { type: "button", onclick }, text);
        const again = (text, replace) => button(text, () => uploads.again(item, replace));
        const decide = () => [...(fateOf ? [again("Replace it", true)] : []), button("Keep both", () => uploads.beside(item))];
        const why = item.state === "taken" && isTold ? `${item.why} ${fateOf([item])}` : item.why;
        line.append(el("span", { className: "why" }, why), ...(item.state === "taken" ? decide() : [again("Try again", item.replace)]));
      }
      return line;
    }));
    if (sum.lost > 0) say("The connection is lost. It goes on by itself.");
    else if (!busy) say(head);
    else if (sum.total && uploads.open.size > 0) say(`${head}, ${10 * Math.floor((10 * sum.sent) / sum.total)} percent`);
  }

  $(".replace").addEventListener("click", () => uploads.replaceAll());
  $(".both").addEventListener("click", () => uploads.besideAll());
  $(".again").addEventListener("click", () => uploads.failedAgain());
  $(".keep").addEventListener("click", () => uploads.keepAll());
  $(".stop").addEventListener("click", () => uploads.stop());
  $(".clear").addEventListener("click", () => uploads.clear());
  setInterval(() => { if (uploads.isBusy) drawSoon(); }, 500);
  return uploads;
}

// Says which uploads into this folder a reload has cut off. Only this browser knows of them.
export async function tellOfInterrupted(uploads, base) {
  const cut = await Uploads.interrupted(base);
  if (cut.length === 0 || uploads.items.length > 0) return;
  const element = document.querySelector("#cut");
  element.hidden = false;
  element.querySelector("span").textContent = `${cut.length === 1 ? "An upload was" : `${cut.length} uploads were`} interrupted: ${cut.slice(0, 3).join(", ")}${cut.length > 3 ? ", …" : ""}. Choose the same files again to go on where it was.`;
  element.querySelector("button").addEventListener("click", () => { Uploads.forget(base); element.hidden = true; });
}
