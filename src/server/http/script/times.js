// Times in the zone of whoever looks, to the minute; in UTC when one points at them. Without this they are UTC, and say so.

const two = (number) => String(number).padStart(2, "0");

export const local = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;

export function localTimes(within = document) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (time.title || Number.isNaN(at.getTime())) continue;
    time.title = `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
    time.textContent = local(at);
  }
  for (const zone of within.querySelectorAll(".zone")) zone.textContent = "times are local";
}

localTimes();
