// Times in the zone of whoever looks, to the minute; in UTC when one points at them. Without this they are UTC, and say so. Which zone
// that is stands once on a page that says it for all of them, and else with each.

const two = (number) => String(number).padStart(2, "0");

export const local = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;

// The same with its zone.
export const zoned = (at) => {
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(at);
  return `${local(at)} ${parts.find((part) => part.type === "timeZoneName").value}`;
};

export function localTimes(within = document) {
  const shown = document.querySelector(".zone") ? local : zoned;
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (time.title || Number.isNaN(at.getTime())) continue;
    time.title = `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
    time.textContent = shown(at);
  }
  for (const zone of within.querySelectorAll(".zone")) zone.textContent = "times are local";
}

localTimes();
