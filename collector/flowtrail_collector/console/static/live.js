// Keeps a page up to date: when the server says that something changed, the page's main part is loaded again.
"use strict";
(() => {
  const main = document.getElementById("main");
  const button = document.getElementById("live");
  // Beside this script, wherever a proxy has put both.
  const address = new URL("../live", document.currentScript.src);
  if (!main || !button || !window.EventSource) return;
  let source = null;
  let stale = false;
  let loading = false;
  let connected = false;

  const say = (state, text) => {
    button.dataset.state = state;
    button.textContent = text;
    button.setAttribute("aria-pressed", String(state !== "paused"));
  };

  // Nobody likes a page that changes under their cursor.
  const inUse = () => {
    const focused = document.activeElement;
    const selected = window.getSelection();
    return (focused !== main && main.contains(focused)) || (selected && !selected.isCollapsed);
  };

  const opened = () => [...main.querySelectorAll("details[open] > summary")].map((item) => item.textContent);

  const refresh = async () => {
    if (!source || loading || document.hidden || inUse()) return;
    stale = false;
    loading = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      if (!next || inUse()) { stale = true; return; }
      const open = new Set(opened());
      const places = [...main.querySelectorAll(".scroll")].map((item) => item.scrollLeft);
      main.replaceChildren(...next.childNodes);
      for (const summary of main.querySelectorAll("details > summary")) {
        if (open.has(summary.textContent)) summary.parentElement.open = true;
      }
      main.querySelectorAll(".scroll").forEach((item, at) => { item.scrollLeft = places[at] || 0; });
    } catch {
      stale = true;
    } finally {
      loading = false;
    }
  };

  const start = () => {
    source = new EventSource(address);
    source.addEventListener("open", () => {
      say("on", "Live");
      // What happened while it was away isn't told again.
      stale = connected;
      connected = true;
    });
    source.addEventListener("change", () => { stale = true; refresh(); });
    source.addEventListener("error", () => {
      say("lost", "Reconnecting…");
      // Refused for good, as when a session has ended: the page itself says what to do.
      if (source && source.readyState === EventSource.CLOSED) stale = true;
    });
    say("lost", "Connecting…");
  };

  const pause = () => {
    source.close();
    source = null;
    say("paused", "Paused");
  };

  button.hidden = false;
  button.addEventListener("click", () => (source ? pause() : start()));
  setInterval(() => { if (stale) refresh(); }, 2000);
  start();
})();
