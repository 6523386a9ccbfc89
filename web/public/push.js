// Shows what is pushed to this browser, and opens its page when it is pressed. It caches nothing.
self.addEventListener('push', (event) => {
  let said;
  try {
    said = event.data ? event.data.json() : {};
  } catch {
    said = {};
  }
  event.waitUntil(
    self.registration.showNotification(said.title || 'Đất Lành', {
      body: said.text === said.title ? '' : said.text || '',
      tag: said.id,
      data: { link: said.link || '/notices' },
    }),
  );
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const link = new URL(event.notification.data?.link || '/notices', self.location.origin);
  // Only pages of our own are opened, whatever was pushed.
  const place = link.origin === self.location.origin ? link.href : self.location.origin + link.pathname;
  event.waitUntil(self.clients.openWindow(place));
});
