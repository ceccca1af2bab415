// Keeps what is marked data-live fresh: the same page is asked for its moving part, every so many
// seconds, or when the hub tells of a change at data-events. It rests while nobody looks, while
// somebody works in it, and when it is told to.
"use strict";

const live = document.querySelector("[data-live]");
const pause = document.querySelector("[data-pause]");
let paused = false;

const BUSY_MS = 1000;
const AGAIN_MS = 60000;

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

async function once() {
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

async function refresh() {
  if (!busy()) await once();
  setTimeout(refresh, Number(live.dataset.live) * 1000);
}

// Told of a change: it is shown as soon as nobody is in the way.
async function change() {
  if (busy()) setTimeout(change, BUSY_MS);
  else await once();
}

// Where the hub tells of changes it is not asked. A browser comes again by itself, unless it was
// turned away.
function follow() {
  const told = new EventSource(live.dataset.events);
  told.addEventListener("inbox", change);
  told.addEventListener("open", () => mark(false));
  told.addEventListener("error", () => {
    if (told.readyState !== EventSource.CLOSED) return;
    mark(true);
    setTimeout(follow, AGAIN_MS);
  });
}

if (live?.dataset.events) {
  follow();
} else if (live) {
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
