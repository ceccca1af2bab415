// Keeps what is marked data-live fresh, every so many seconds: the same page is asked for its
// moving part. It rests while nobody looks, while somebody works in it, and when it is told to.
"use strict";

const live = document.querySelector("[data-live]");
const pause = document.querySelector("[data-pause]");
let paused = false;

function address() {
  const url = new URL(location.href);
  url.searchParams.set("part", "live");
  return url;
}

function busy() {
  const inside = live.contains(document.activeElement);
  return paused || document.hidden || inside || !document.getSelection().isCollapsed;
}

// What the reader had opened stays open.
function swap(text) {
  const open = [...live.querySelectorAll("details[open][id]")].map((details) => details.id);
  live.innerHTML = text;
  for (const id of open) {
    document.getElementById(id)?.setAttribute("open", "");
  }
}

// What stands is old, and says so.
function mark(old) {
  document.querySelector("[data-stale]")?.toggleAttribute("hidden", !old);
}

async function refresh() {
  if (!busy()) {
    try {
      const answer = await fetch(address(), { redirect: "error" });
      mark(!answer.ok);
      if (answer.ok) {
        const text = await answer.text();
        if (!busy()) swap(text);
      }
    } catch {
      mark(true); // the hub is away: what stands stays, and the next try may succeed
    }
  }
  setTimeout(refresh, Number(live.dataset.live) * 1000);
}

if (live) {
  setTimeout(refresh, Number(live.dataset.live) * 1000);
}

if (live && pause) {
  const words = [pause.textContent, pause.dataset.resume];
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = words[Number(paused)];
  });
}
