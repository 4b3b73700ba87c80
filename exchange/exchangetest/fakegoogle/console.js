"use strict";
// Keeps the parts of the page that show the server's state up to date. A part that
// somebody is using, by an open entry or the keyboard, is left alone.
const busy = part => part.contains(document.activeElement) || part.matches(":active") || part.querySelector("details[open]");

async function update() {
  if (document.hidden) return;
  const response = await fetch(location.href, { cache: "no-store" });
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (other && !busy(part) && part.innerHTML !== other.innerHTML) part.innerHTML = other.innerHTML;
  }
}

setInterval(() => update().catch(() => {}), 1000); // the server may be gone for now
