// The page of a link that files are put in by: several at once, with progress, going on after a cut and a reload. Without it the form
// sends them.

import { onDrop, panel, say, tellOfInterrupted } from "./panel.js";
import { Uploads } from "./upload.js";

const base = new URL("./", location.href).pathname;
const input = document.querySelector("#files");

// All by requests that can be asked after: a file whose answer was lost is not there twice.
const uploads = panel({
  make: (changed) => new Uploads(changed, () => {}, -1),
  loggedOut: "The link asks for its password again. Open it in another tab: it goes on here then.",
});
const add = (files) => {
  if (files.length) uploads.add({ files: files.map((file) => [file, file.name]) }, base);
  document.querySelector("#cut").hidden = true;
};

// Chosen is sent: there is nothing to press.
document.querySelector("#drop .buttons").hidden = true;
document.querySelector("#drop label").textContent = "Drop files anywhere on this page, or choose them";
document.querySelector("#drop").addEventListener("submit", (event) => event.preventDefault());
input.addEventListener("change", () => { add([...input.files]); input.value = ""; });

onDrop((transfer) => {
  const entries = [...transfer.items].map((item) => [item.webkitGetAsEntry?.(), item.getAsFile()]);
  const folders = entries.filter(([entry]) => entry?.isDirectory);
  add(entries.filter(([entry, file]) => file && !entry?.isDirectory).map(([, file]) => file));
  if (folders.length) {
    const told = document.querySelector("#folders");
    told.hidden = false;
    say(told.textContent);
  }
});

tellOfInterrupted(uploads, base);
