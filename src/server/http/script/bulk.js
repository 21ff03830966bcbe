// One thing done with many entries: with one such at a time, with how far it has come in view, and with what became of each in the end.

import { say } from "./panel.js";
import { leaving, listOf, nameOf, note } from "./dialogs.js";

// So many requests at once.
const AT_ONCE = 3;
// So many that failed are told by a note; it takes a list for more.
const NOTED = 3;

export const things = (count) => (count === 1 ? "1 thing" : `${count} things`);

export class Bulk {
  // `changed` is called when `running` is another one, or further.
  constructor(changed) {
    Object.assign(this, { changed, running: null });
    addEventListener("beforeunload", (event) => { if (this.running && !leaving.is) event.preventDefault(); });
  }

  // How far it is, in words.
  get text() {
    const { doing, over, all, isStopped } = this.running;
    return isStopped ? `Stopping after ${over} of ${all}` : `${doing} ${over} of ${all}`;
  }

  // What is under way is done with; nothing more is begun.
  stop() {
    if (!this.running) return;
    this.running.isStopped = true;
    this.changed();
  }

  // Does `work` with each of these, which answers why it could not; empty: it is done. While one is running nothing else begins: the
  // answer is null then. Else it is what was done, what failed, with the reasons, and what was not begun.
  async run(links, doing, work) {
    if (this.running) return null;
    const running = { doing, over: 0, all: links.length, isStopped: false };
    this.running = running;
    this.changed();
    const [waiting, came] = [[...links].reverse(), { done: [], failed: [], left: [] }];
    const next = async () => {
      while (waiting.length > 0 && !running.isStopped) {
        const link = waiting.pop();
        const why = await work(link);
        if (why) came.failed.push([link, why]); else came.done.push(link);
        running.over += 1;
        if (links.length > 10) say(`${doing} ${10 * Math.floor((10 * running.over) / links.length)} percent`);
        this.changed();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    came.left = waiting.reverse();
    this.running = null;
    this.changed();
    return came;
  }
}

// Says what became of them. `done` is what that is called which was done.
export function tell({ done: { length: good }, failed, left }, done) {
  const all = good + failed.length + left.length;
  if (good === all) return note(`${things(all)} ${done}.`);
  const counts = [`${good} of ${all} ${done}`];
  if (failed.length > 0) counts.push(`${failed.length} not`);
  if (left.length > 0) counts.push(`${left.length} left as ${left.length === 1 ? "it was" : "they were"}`);
  const [text, whys] = [counts.join(", "), failed.map(([link, why]) => `${nameOf(link)}: ${why}`)];
  if (whys.length > NOTED) return listOf(text, whys);
  note([`${text}.`, ...whys].join(" "), whys.length > 0);
}
