// What pointers, keys and tools do, and the start. It follows `page.js` in one function.

// Pointers: one pans or clicks, two pinch.

const pointers = new Map();
let hasMoved = false, pinch = null;

function point(event) {
  const box = canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function pinching() {
  const [a, b] = [...pointers.values()];
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, length: Math.hypot(a.x - b.x, a.y - b.y) || 1 };
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  const at = point(event);
  pointers.set(event.pointerId, { ...at, startX: at.x, startY: at.y });
  hasMoved = pointers.size > 1;
  if (pointers.size === 2) pinch = pinching();
  hint.classList.add("gone");
});

canvas.addEventListener("pointermove", (event) => {
  const at = point(event), pointer = pointers.get(event.pointerId);
  if (!pointer) {
    hovered = channelAt(at.x, at.y);
    canvas.classList.toggle("over", hovered !== null);
    tell(hovered ?? selected);
    return schedule();
  }
  const [dx, dy] = [at.x - pointer.x, at.y - pointer.y];
  Object.assign(pointer, at);
  if (pointers.size === 2) {
    const now = pinching();
    moveTo({ ...view, x: view.x - (now.x - pinch.x) / view.scale, y: view.y - (now.y - pinch.y) / view.scale }, false);
    zoomAt(now.x, now.y, now.length / pinch.length, false);
    pinch = now;
    return;
  }
  hasMoved ||= Math.hypot(at.x - pointer.startX, at.y - pointer.startY) > 5;
  if (hasMoved && pointers.size === 1) {
    canvas.classList.add("panning");
    moveTo({ ...view, x: view.x - dx / view.scale, y: view.y - dy / view.scale }, false);
  }
});

function release(event) {
  const pointer = pointers.get(event.pointerId);
  pointers.delete(event.pointerId);
  canvas.classList.remove("panning");
  if (!pointer || hasMoved || event.type === "pointercancel") return;
  const channel = channelAt(pointer.x, pointer.y);
  if (channel !== null) show(channel);
}
canvas.addEventListener("pointerup", release);
canvas.addEventListener("pointercancel", release);
canvas.addEventListener("pointerleave", () => { hovered = null; tell(selected); schedule(); });

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const pixels = event.deltaY * [1, 16, 400][event.deltaMode];
  const at = point(event);
  zoomAt(at.x, at.y, Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0018)), false);
  hint.classList.add("gone");
}, { passive: false });

// Keys.

const ZOOM = 1.5;
const zoom = (factor) => zoomAt(width / 2, height / 2, factor, true);

function move(by) {
  const place = selected === null ? 0 : clamp(places[selected] + by, 0, count - 1);
  select(order[place]);
}

document.addEventListener("keydown", (event) => {
  if (detail.open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (["INPUT", "SELECT", "BUTTON"].includes(event.target.tagName)) return;
  const actions = {
    ArrowLeft: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => move(-columns), ArrowDown: () => move(columns),
    Home: () => select(order[0]), End: () => select(order[count - 1]),
    PageUp: () => move(-5 * columns), PageDown: () => move(5 * columns),
    Enter: () => selected !== null && show(selected), " ": () => selected !== null && show(selected),
    "+": () => zoom(ZOOM), "=": () => zoom(ZOOM), "-": () => zoom(1 / ZOOM), "0": () => fit(true),
    "/": () => number.focus(),
    Escape: () => { selected = null; tell(null); schedule(); },
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  hint.classList.add("gone");
  action();
});

// Tools.

byId("in").addEventListener("click", () => zoom(ZOOM));
byId("out").addEventListener("click", () => zoom(1 / ZOOM));
byId("fit").addEventListener("click", () => fit(true));
byId("tools").addEventListener("submit", (event) => {
  event.preventDefault();
  const channel = /^\s*\d+\s*$/.test(number.value) ? Number(number.value) : -1;
  if (channel >= 0 && channel < count) { select(channel); canvas.focus(); number.value = ""; }
  else status.textContent = `channels are 0 to ${count - 1}`;
});

function scoreOf(channel) { return runOf(channel)?.score ?? -Infinity; }

byId("order").addEventListener("change", (event) => {
  const orders = {
    number: (a, b) => a - b,
    score: (a, b) => scoreOf(b) - scoreOf(a) || a - b,
    missing: (a, b) => Boolean(runOf(a)) - Boolean(runOf(b)) || a - b,
  };
  order.sort(orders[event.target.value]);
  order.forEach((channel, place) => { places[channel] = place; });
  fit(false);
});

// Start.

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", readColours);
addEventListener("resize", resize);
sheet.addEventListener("load", schedule);
readColours();
resize();
canvas.focus();
setTimeout(() => hint.classList.add("gone"), 12000);
const linked = /^#(\d+)$/.exec(location.hash);
if (linked && Number(linked[1]) < count) show(Number(linked[1]));
