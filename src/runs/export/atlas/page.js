// Draws the channels on a plane that can be panned and zoomed, and shows one in a dialog. All that comes from a run is
// set as text. Lengths are in CSS pixels; on the plane, a channel's cell is a square of side 1.
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const pictures = JSON.parse(byId("pictures").textContent);
const sheet = byId("sheet"), canvas = byId("atlas"), context = canvas.getContext("2d");
const detail = byId("detail"), status = byId("status"), hint = byId("hint"), number = byId("number");
const layer = document.querySelector("h1").textContent;
const count = data.channels.length;
const SHARE = 0.93; // of a cell's side that its picture takes
const MAX_CELL = 1400; // largest side of a cell
const MAX_DECODED = 400; // large pictures that are kept decoded
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let order = [...Array(count).keys()];
let places = [...order]; // the place of each channel
let columns = 1, width = 1, height = 1, ratio = 1;
let view = { x: 0, y: 0, scale: 1 }; // the plane's point at the top left, and the side of a cell
let isFitted = true, selected = null, hovered = null, shown = null, colours = {}, isScheduled = false;
const decoded = new Map();

const rows = () => Math.ceil(count / columns);
const runOf = (channel) => data.channels[channel].run;
const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "ink", "dim", "line", "cell", "accent"]) {
    colours[name] = style.getPropertyValue("--" + name).trim();
  }
  schedule();
}

// The view.

function resize() {
  const box = canvas.getBoundingClientRect();
  [width, height, ratio] = [Math.max(box.width, 1), Math.max(box.height, 1), devicePixelRatio || 1];
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (isFitted) fit(false); else moveTo(view, false);
}

// The space around all cells; more at the bottom, where the status is.
const MARGIN = 14, FOOT = 44;
function fitting() {
  let best = { scale: 0, columns: 1 };
  for (let columns = 1; columns <= count; columns++) {
    const lines = Math.ceil(count / columns);
    const scale = Math.min((width - 2 * MARGIN) / columns, (height - 2 * MARGIN - FOOT) / lines);
    if (scale > best.scale) best = { scale, columns };
  }
  return best;
}

function fit(isSmooth) {
  const best = fitting();
  columns = best.columns;
  const scale = Math.min(Math.max(best.scale, 1), 420);
  moveTo({ scale, x: columns / 2 - width / 2 / scale, y: rows() / 2 - (height - FOOT) / 2 / scale }, isSmooth);
  isFitted = true;
}

// Some of the cells always stay in sight.
function bounded({ x, y, scale }) {
  scale = clamp(scale, Math.min(fitting().scale, 420) * 0.5, MAX_CELL);
  const along = (at, size, cells) => clamp(at, -size / scale / 2, cells - size / scale / 2);
  return { x: along(x, width, columns), y: along(y, height, rows()), scale };
}

let animation = 0;
function moveTo(target, isSmooth) {
  isFitted = false;
  target = bounded(target);
  cancelAnimationFrame(animation);
  if (!isSmooth || calm.matches) {
    view = target;
    return schedule();
  }
  const from = view, start = performance.now();
  const frame = (now) => {
    const t = Math.min((now - start) / 220, 1), eased = 1 - (1 - t) ** 3;
    const mix = (a, b) => a + (b - a) * eased;
    const scale = from.scale * (target.scale / from.scale) ** eased;
    view = { x: mix(from.x, target.x), y: mix(from.y, target.y), scale };
    schedule();
    if (t < 1) animation = requestAnimationFrame(frame);
  };
  animation = requestAnimationFrame(frame);
}

function zoomAt(x, y, factor, isSmooth) {
  const next = bounded({ ...view, scale: view.scale * factor }).scale;
  moveTo({ x: view.x + x / view.scale - x / next, y: view.y + y / view.scale - y / next, scale: next }, isSmooth);
}

// Pans as little as needed, and enlarges what is too small to be seen.
function reveal(channel) {
  const place = places[channel], column = place % columns, row = Math.floor(place / columns);
  const scale = Math.max(view.scale, 48);
  const wide = width / scale, high = (height - FOOT) / scale;
  const middle = scale !== view.scale;
  const x = middle ? column + 0.5 - wide / 2 : clamp(view.x, column + 1 - wide + 0.1, column - 0.1);
  const y = middle ? row + 0.5 - high / 2 : clamp(view.y, row + 1 - high + 0.1, row - 0.1);
  moveTo({ x, y, scale }, true);
}

function channelAt(x, y) {
  const column = Math.floor(view.x + x / view.scale), row = Math.floor(view.y + y / view.scale);
  const isInside = column >= 0 && column < columns && row >= 0;
  return (isInside ? order[row * columns + column] : undefined) ?? null;
}

// Drawing.

function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => { isScheduled = false; draw(); });
}

function source(channel) { return "data:image/jpeg;base64," + pictures[channel]; }

// The large picture, if it is decoded; else it will be.
function large(channel) {
  let entry = decoded.get(channel);
  if (entry) {
    decoded.delete(channel);
  } else {
    const image = new Image();
    entry = { image, isReady: false };
    image.onload = () => { entry.isReady = true; schedule(); };
    image.src = source(channel);
  }
  decoded.set(channel, entry);
  if (decoded.size > MAX_DECODED) decoded.delete(decoded.keys().next().value);
  return entry.isReady ? entry.image : null;
}

function rounded(x, y, w, h, radius) {
  context.beginPath();
  context.roundRect(x, y, w, h, radius);
}

function draw() {
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const { x, y, scale } = view;
  const left = clamp(Math.floor(x), 0, columns), right = clamp(Math.ceil(x + width / scale), 0, columns);
  const top = clamp(Math.floor(y), 0, rows()), bottom = clamp(Math.ceil(y + height / scale), 0, rows());
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const channel = order[row * columns + column];
      if (channel === undefined) continue;
      const gap = (1 - SHARE) / 2;
      drawCell(channel, (column + gap - x) * scale, (row + gap - y) * scale, scale * SHARE);
    }
  }
}

function drawCell(channel, x, y, side) {
  const run = runOf(channel), radius = Math.min(side * 0.06, 12);
  if (run) drawPicture(channel, run, x, y, side, radius); else drawMissing(channel, x, y, side, radius);
  if (channel === selected || channel === hovered) {
    context.lineWidth = channel === selected ? Math.max(2, Math.min(side * 0.03, 5)) : 1.5;
    context.strokeStyle = colours.accent;
    rounded(x - 1, y - 1, side + 2, side + 2, radius + 1);
    context.stroke();
  }
}

function drawPicture(channel, run, x, y, side, radius) {
  const longest = Math.max(run.width, run.height);
  const [w, h] = [run.width, run.height].map((length) => side * length / longest);
  const [px, py] = [x + (side - w) / 2, y + (side - h) / 2];
  context.save();
  if (side > 16) { rounded(px, py, w, h, radius); context.clip(); }
  const image = side * ratio > data.side * 1.15 ? large(channel) : null;
  if (image) {
    context.drawImage(image, px, py, w, h);
  } else {
    const small = Math.min(longest, data.side);
    const part = (length) => Math.max(Math.floor(length * small / longest), 1);
    const [sx, sy] = [channel % data.columns * data.side, Math.floor(channel / data.columns) * data.side];
    context.drawImage(sheet, sx, sy, part(run.width), part(run.height), px, py, w, h);
  }
  context.restore();
  if (side >= 46) label(String(channel), x, y + side, side, "left");
  if (side >= 150) label(run.score_text, x + side, y + side, side, "right");
}

function label(text, x, y, side, align) {
  const size = clamp(side * 0.085, 10, 15);
  context.font = `600 ${size}px system-ui, sans-serif`;
  const wide = context.measureText(text).width + size * 0.9, high = size * 1.5, inset = Math.max(side * 0.03, 3);
  const at = align === "left" ? x + inset : x - inset - wide;
  context.fillStyle = "#000000a0";
  rounded(at, y - inset - high, wide, high, high / 2);
  context.fill();
  context.fillStyle = "#fff";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, at + wide / 2, y - inset - high / 2 + 0.5);
}

function drawMissing(channel, x, y, side, radius) {
  context.fillStyle = colours.cell;
  rounded(x, y, side, side, radius);
  context.fill();
  if (side < 10) return;
  context.save();
  context.setLineDash([Math.max(side * 0.05, 3), Math.max(side * 0.04, 3)]);
  context.lineWidth = 1.2;
  context.strokeStyle = colours.dim;
  context.globalAlpha = 0.7;
  rounded(x + 1, y + 1, side - 2, side - 2, radius);
  context.stroke();
  context.restore();
  if (side < 26) return;
  context.fillStyle = colours.dim;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const size = clamp(side * 0.16, 9, 22);
  context.font = `600 ${size}px system-ui, sans-serif`;
  context.fillText(String(channel), x + side / 2, y + side / 2 - (side >= 80 ? size * 0.5 : 0));
  if (side >= 80) {
    context.font = `${clamp(size * 0.75, 9, 15)}px system-ui, sans-serif`;
    context.fillText("missing", x + side / 2, y + side / 2 + size * 0.6);
  }
}

// Selection and details.

function describe(channel) {
  const run = runOf(channel);
  return `channel ${channel} \u00b7 ` + (run ? `${data.score_name} ${run.score_text}` : "missing");
}

function tell(channel) { status.textContent = channel === null ? "" : describe(channel); }

function select(channel) {
  selected = channel;
  tell(channel);
  reveal(channel);
}

function fill(table, lines) {
  table.replaceChildren(...lines.map(({ label, text, help, isChanged }) => {
    const row = document.createElement("tr"), head = document.createElement("th"), cell = document.createElement("td");
    head.textContent = label;
    cell.textContent = text;
    if (help) row.title = help;
    if (isChanged) row.className = "changed";
    row.append(head, cell);
    return row;
  }));
}

function show(channel) {
  const { run, command } = data.channels[channel];
  shown = selected = channel;
  tell(channel);
  byId("name").textContent = `${layer}:${channel}`;
  byId("result").textContent = run ? `${data.score_name} ${run.score_text}` : "no finished run in the history";
  const figure = byId("figure");
  if (run) {
    const image = document.createElement("img");
    image.src = source(channel);
    image.alt = `Channel ${channel}`;
    figure.replaceChildren(image);
  } else {
    const none = document.createElement("div");
    none.className = "none";
    none.textContent = "missing";
    figure.replaceChildren(none);
  }
  const curve = run ? run.curve : [];
  const point = (value, index) => `${index / (curve.length - 1) * 100},${100 - value * 100}`;
  byId("curve").toggleAttribute("hidden", curve.length < 2);
  byId("curve").firstElementChild.setAttribute("points", curve.map(point).join(" "));
  fill(byId("facts"), run ? run.facts.map(([label, text]) => ({ label, text })) : []);
  const settings = (run ? data.settings[run.settings] : []).map((one) => ({
    label: one.key, text: one.text, help: one.help, isChanged: one.is_changed,
  }));
  const changed = settings.filter((one) => one.isChanged), defaults = settings.filter((one) => !one.isChanged);
  fill(byId("changed"), changed);
  fill(byId("defaults"), defaults);
  byId("rest").textContent = `${defaults.length} with their defaults`;
  byId("settings").hidden = !run;
  byId("again").hidden = !command;
  byId("command").hidden = !command;
  byId("command").textContent = command ?? "";
  byId("previous").disabled = places[channel] === 0;
  byId("next").disabled = places[channel] === count - 1;
  if (!detail.open) { detail.showModal(); detail.focus(); }
  detail.scrollTop = 0;
  history.replaceState(null, "", `#${channel}`);
  schedule();
}

function step(by) {
  const next = order[places[shown] + by];
  if (next !== undefined) show(next);
}

detail.addEventListener("close", () => {
  history.replaceState(null, "", "#");
  reveal(shown);
  canvas.focus();
});
detail.addEventListener("click", (event) => { if (event.target === detail) detail.close(); });
detail.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) { event.preventDefault(); step(by); }
});
byId("close").addEventListener("click", () => detail.close());
byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));
