// Switches pushes to this browser on and off, and says which of the two it is. What cannot be found
// out stays as the page came: pushes cannot be had here.
"use strict";

const push = document.querySelector("[data-push]");
const [on, off] = ["on", "off"].map((name) => push?.querySelector(`[data-push-${name}]`));

function show(name) {
  const state = push.querySelector("[data-push-state]");
  state.textContent = state.dataset[name];
  on.hidden = name !== "off" && name !== "failed";
  off.hidden = name !== "on";
}

async function digest(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function manager() {
  const worker = await navigator.serviceWorker.register("/me/worker.js");
  await navigator.serviceWorker.ready;
  return worker.pushManager;
}

async function look() {
  if (!("PushManager" in window && "serviceWorker" in navigator)) return;
  if (Notification.permission === "denied") return show("denied");
  const own = await (await manager()).getSubscription();
  const known = own && push.dataset.known.split(" ").includes(await digest(own.endpoint));
  show(known ? "on" : "off");
  if (known) await (await caches.open("me")).put("/me/", new Response(location.pathname));
}

// One made for a key that is no longer ours stands in the way of a new one.
async function subscription() {
  const there = await manager();
  const ours = { userVisibleOnly: true, applicationServerKey: push.dataset.push };
  try {
    return await there.subscribe(ours);
  } catch (error) {
    const old = error.name === "InvalidStateError" && (await there.getSubscription());
    if (!old) throw error;
    await old.unsubscribe();
    return there.subscribe(ours);
  }
}

async function begin(event) {
  event.preventDefault();
  try {
    const { endpoint, keys } = (await subscription()).toJSON();
    Object.entries({ endpoint, ...keys }).forEach(([name, value]) => (on.elements[name].value = value));
    on.submit();
  } catch {
    show(Notification.permission === "denied" ? "denied" : "failed");
  }
}

async function end(event) {
  event.preventDefault();
  const own = await (await manager()).getSubscription();
  off.elements.endpoint.value = own?.endpoint ?? "";
  await own?.unsubscribe();
  off.submit();
}

if (push) {
  on.addEventListener("submit", begin);
  off.addEventListener("submit", end);
  look().catch(() => show("failed"));
}
