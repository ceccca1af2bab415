// Shows what was pushed, says that it did, and opens the page when somebody touches it. It is the
// service worker of the citizens' pages: see push.js.
"use strict";

function tell(proof, what) {
  return fetch(proof, { method: "POST", body: new URLSearchParams({ what }) }).catch(() => {});
}

// The page that is open already, else the one that pushes were last switched on at.
async function page() {
  const open = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const mine = open.find((one) => new URL(one.url).pathname.startsWith("/me/"));
  if (mine) return mine.focus();
  const kept = await (await caches.open("me")).match("/me/");
  return kept && clients.openWindow(await kept.text());
}

self.addEventListener("push", (event) => {
  const { title, body, tag, proof } = event.data.json();
  const options = { body, tag, icon: "/static/beacon.svg", data: { proof } };
  const shown = self.registration.showNotification(title, options);
  event.waitUntil(shown.then(() => tell(proof, "shown")));
});

self.addEventListener("notificationclick", (event) => {
  const { proof } = event.notification.data;
  event.notification.close();
  event.waitUntil(Promise.all([page(), tell(proof, "opened")]));
});
