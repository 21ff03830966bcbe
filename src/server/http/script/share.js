// Links for others: asked for, made, and shown once.

import { el, say } from "./panel.js";
import { question } from "./dialogs.js";
import { said } from "./item.js";
import { zoned } from "./times.js";

// What a link to this could give, where this may be done with it. Of the folder for everybody no links are made.
export function waysToShare(isFolder, may) {
  if (!may.has("link") || !location.pathname.startsWith("/~")) return [];
  if (!isFolder) return may.has("download") ? ["read"] : [];
  return [...(may.has("download") && may.has("list") ? ["read"] : []), ...(may.has("upload") ? ["drop"] : [])];
}

// Asks what the link is to be, makes it, and shows it. Who gives all of their own folder away is asked before whether they mean it.
export async function share(path, name, ways, isFolder = true) {
  if (/^\/~[^/]+\/$/.test(path)) {
    const gives = [
      ...(ways.includes("read") ? ["see and download all that is in it, now and later"] : []),
      ...(ways.includes("drop") ? ["put files into it"] : []),
    ];
    const text = `This is all of your own folder: whoever has the link can ${gives.join(", or ")}. What others share with you is no part of it. To give less, share a folder or a file in it.`;
    if (await question({ title: "Share your whole folder?", text, yes: "Share all of it", isGrave: true }) === null) return;
  }
  const field = (label, id, input) => [el("label", { htmlFor: id }, label), Object.assign(input, { id, name: id })];
  const told = { read: isFolder ? "See and download all that is in it" : "Download it", drop: "Put files into it, and see nothing" };
  const kind = el("select", {}, ...ways.map((way) => el("option", { value: way }, told[way])));
  const expires = el("select", {},
    ...[["86400", "A day"], ["604800", "A week"], ["2592000", "30 days"], ["never", "Until I withdraw it"]]
      .map(([value, text]) => el("option", { value, selected: value === "604800" }, text)));
  const password = el("input", { type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: false, placeholder: "None" });
  const downloads = el("input", { type: "number", min: 1, max: 4294967295, placeholder: "As often as anybody likes" });
  const times = el("div", {}, ...field("How many downloads", "downloads", downloads));
  const why = el("p", { className: "wrong", role: "alert", hidden: true });
  const turn = () => { times.hidden = kind.value === "drop"; };
  kind.onchange = turn;
  const send = el("button", { type: "submit", className: "main" }, "Make the link");
  const form = el("form", {},
    el("h2", { id: "sharing" }, `Share ${name}`),
    ...field("Whoever has the link may", "kind", kind), ...field("It ends after", "expires", expires),
    ...field("Password", "password", password), times, why,
    el("div", { className: "buttons" },
      el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      send));
  const dialog = el("dialog", { className: "ask", "aria-labelledby": "sharing" }, form);
  form.onsubmit = async (event) => {
    event.preventDefault();
    // Each that is sent makes a link, and only the last one would be shown. Enter sends nothing either while this is disabled.
    if (send.disabled) return;
    send.disabled = true;
    const body = new URLSearchParams({ path, kind: kind.value, expires: expires.value, password: password.value });
    if (kind.value === "read") body.set("downloads", downloads.value);
    try {
      const answer = await fetch("/.sealift-web/links", { method: "POST", headers: { Accept: "application/json" }, body });
      if (answer.status === 401) { location.reload(); return; }
      if (!answer.ok) throw new Error(said({ status: answer.status, text: await answer.text() }));
      shared(dialog, await answer.json());
    } catch (error) {
      why.textContent = error instanceof TypeError ? "The server cannot be reached." : error.message;
      why.hidden = false;
      send.disabled = false;
      send.focus();
    }
  };
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  turn();
  dialog.showModal();
  kind.focus();
}

// The link that was made, in the place of what was asked: it is shown this once.
function shared(dialog, made) {
  const input = el("input", { value: made.url, readOnly: true, id: "made" });
  const copy = async (event) => {
    const button = event.target;
    input.select();
    try {
      await navigator.clipboard.writeText(made.url);
      button.textContent = "Copied";
      say("The link is copied.");
    } catch { /* It is selected. */ }
  };
  const until = made.expires ? ["until ", el("time", {}, zoned(new Date(made.expires * 1000)))] : ["until you withdraw it"];
  dialog.replaceChildren(el("form", { method: "dialog" },
    el("h2", { id: "sharing" }, "The link"),
    el("p", {}, `Whoever has it can ${made.kind === "drop" ? "put files there, and see nothing," : "read it"} `, ...until, "."),
    el("label", { htmlFor: "made" }, "It is shown this once"), input,
    ...commands(made.commands),
    el("div", { className: "buttons" },
      el("a", { className: "button", href: "/.sealift-web/links" }, "Your links"),
      el("button", { type: "submit" }, "Done"),
      el("button", { type: "button", className: "main", onclick: copy }, "Copy"))));
  input.focus();
  input.select();
}

// The same without a browser; a click selects one.
function commands(all = []) {
  if (all.length === 0) return [];
  const shown = all.map((text) => el("p", { className: "card url" }, el("code", {}, text)));
  return [el("details", { className: "commands" }, el("summary", {}, "In a terminal"), ...shown)];
}
