// Zooms and pans the service map. Without it, the map is as large as it is drawn, and scrolls.
"use strict";
(() => {
  const main = document.getElementById("main");
  const LEAST = 0.1, MOST = 4, READABLE = 0.75, LARGEST = 2, STEP = 1.25;
  // As it fits, until somebody chooses; kept when the main part of the page is reloaded.
  let chosen = null, place = null;
  let drag = null, pinch = null, moved = false;

  const view = () => document.getElementById("map");
  const drawing = () => view().querySelector("svg.map");
  const size = () => drawing().viewBox.baseVal;
  const limited = (scale, least, most) => Math.min(most, Math.max(least, scale));
  const readable = () => limited(view().clientWidth / size().width, READABLE, LARGEST);
  const whole = () => {
    const { width, height } = size();
    const room = Number.parseFloat(getComputedStyle(view()).maxHeight) || window.innerHeight;
    return limited(Math.min(view().clientWidth / width, room / height), LEAST, LARGEST);
  };
  const scale = () => drawing().getBoundingClientRect().width / size().width;

  const draw = factor => {
    drawing().style.width = `${size().width * factor}px`;
    drawing().style.height = `${size().height * factor}px`;
  };

  // What is beneath a point of the view stays there.
  const zoom = (factor, x = view().clientWidth / 2, y = view().clientHeight / 2) => {
    const before = scale(), at = view();
    chosen = limited(factor, LEAST, MOST);
    const left = (at.scrollLeft + x) / before, top = (at.scrollTop + y) / before;
    draw(chosen);
    at.scrollTo(left * chosen - x, top * chosen - y);
  };

  const within = point => {
    const box = view().getBoundingClientRect();
    return [point.clientX - box.left, point.clientY - box.top];
  };

  const ways = {
    in: () => zoom(scale() * STEP),
    out: () => zoom(scale() / STEP),
    fit: () => { zoom(whole()); view().scrollTo(0, 0); },
    full: () => zoom(1),
  };
  const keys = { "+": ways.in, "=": ways.in, "-": ways.out, 0: ways.fit };

  const pan = event => {
    if (!drag) return;
    const x = event.clientX - drag.x, y = event.clientY - drag.y;
    if (!moved && Math.hypot(x, y) < 5) return;
    moved = true;
    view().classList.add("dragged");
    view().scrollTo(drag.left - x, drag.top - y);
  };

  const distance = touches =>
    Math.hypot(touches[0].clientX - touches[1].clientX, touches[0].clientY - touches[1].clientY);
  const between = touches => within({
    clientX: (touches[0].clientX + touches[1].clientX) / 2, clientY: (touches[0].clientY + touches[1].clientY) / 2,
  });

  const listen = at => {
    at.addEventListener("scroll", () => { place = { left: at.scrollLeft, top: at.scrollTop }; });
    at.addEventListener("wheel", event => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoom(scale() * Math.exp(-event.deltaY / 300), ...within(event));
    }, { passive: false });
    at.addEventListener("keydown", event => {
      if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
    at.addEventListener("dragstart", event => event.preventDefault());
    at.addEventListener("pointerdown", event => {
      moved = false;
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      drag = { x: event.clientX, y: event.clientY, left: at.scrollLeft, top: at.scrollTop };
    });
    // A link isn't followed by letting go of what was dragged.
    at.addEventListener("click", event => { if (moved) { event.preventDefault(); moved = false; } }, true);
    at.addEventListener("touchmove", event => {
      if (event.touches.length !== 2) return;
      event.preventDefault();
      const apart = distance(event.touches);
      if (!pinch) pinch = { apart, scale: scale() };
      zoom(pinch.scale * apart / pinch.apart, ...between(event.touches));
    }, { passive: false });
    at.addEventListener("touchend", () => { pinch = null; });
  };

  const start = () => {
    if (!view() || view().classList.contains("scripted")) return;
    view().classList.add("scripted");
    const bar = main.querySelector(".mapbar");
    bar.hidden = false;
    bar.addEventListener("click", event => {
      const way = ways[event.target.dataset.zoom];
      if (way) way();
      // A page that is in use isn't kept up to date: whoever clicks has done with the button.
      if (event.detail) event.target.blur();
    });
    draw(chosen ?? readable());
    listen(view());
    // Columns stand around the middle: there is something to see from the beginning.
    const at = place ?? { left: 0, top: (view().scrollHeight - view().clientHeight) / 2 };
    view().scrollTo(at.left, at.top);
  };

  window.addEventListener("pointermove", pan);
  window.addEventListener("pointerup", () => { drag = null; if (view()) view().classList.remove("dragged"); });
  window.addEventListener("resize", () => { if (view() && chosen === null) draw(readable()); });
  new MutationObserver(start).observe(main, { childList: true });
  start();
})();
