const colours = @colours;
let brush = 0, size = 6, down = false, last = null, at = null, past = [], kept = null;
// What is painted stays until another picture comes; the first may have come before this was shown.
let round = props.value && props.value.round;
const find = name => element.querySelector(name);
const ink = c => c.getContext("2d", { willReadFrequently: true });
const radius = c => Math.max(1, size / 200 * Math.max(c.width, c.height));

// The canvas has the picture's own pixels, and lies on it as it is shown.
function fit() {
  const c = find("canvas"), i = find("img");
  if (!c || !i || !i.naturalWidth || !i.clientWidth) return;
  Object.assign(c.style, { left: i.offsetLeft + "px", top: i.offsetTop + "px", width: i.clientWidth + "px", height: i.clientHeight + "px" });
  if (c.width !== i.naturalWidth || c.height !== i.naturalHeight) {
    c.width = i.naturalWidth; c.height = i.naturalHeight;
    if (kept && kept.width === c.width && kept.height === c.height) ink(c).putImageData(kept, 0, 0);
    else { kept = null; past = []; at = null; }
  }
}
function dab(from, to) {
  const c = find("canvas"), g = ink(c);
  Object.assign(g, { strokeStyle: colours[brush], lineWidth: 2 * radius(c), lineCap: "round", lineJoin: "round" });
  g.beginPath(); g.moveTo(from.x, from.y); g.lineTo(to.x + .01, to.y); g.stroke();
}
function pixels() { const c = find("canvas"); return ink(c).getImageData(0, 0, c.width, c.height); }
function begin() { past.push(pixels()); if (past.length > 12) past.shift(); down = true; }
function end() { down = false; last = null; tell(); }
function tell() { kept = pixels(); trigger("input", { painted: find("canvas").toDataURL("image/png") }); }
function place(e) {
  const c = find("canvas"), b = c.getBoundingClientRect();
  return { x: (e.clientX - b.left) * c.width / b.width, y: (e.clientY - b.top) * c.height / b.height };
}
function cursor() {
  const c = find("canvas"), s = find(".cursor"), k = c.clientWidth / c.width;
  Object.assign(s.style, { display: "block", left: c.offsetLeft + at.x * k + "px", top: c.offsetTop + at.y * k + "px",
    width: 2 * radius(c) * k + "px", height: 2 * radius(c) * k + "px", borderStyle: down ? "solid" : "dashed" });
}
element.addEventListener("pointerdown", e => {
  if (e.target.tagName !== "CANVAS") return;
  fit(); e.target.setPointerCapture(e.pointerId); begin(); last = place(e); dab(last, last); e.preventDefault();
});
element.addEventListener("pointermove", e => { if (down && last) { const to = place(e); dab(last, to); last = to; } });
element.addEventListener("pointerup", () => { if (down && last) end(); });
element.addEventListener("pointercancel", () => { if (down && last) end(); });
element.addEventListener("keydown", e => {
  if (e.target.tagName !== "CANVAS") return;
  const c = e.target, step = Math.max(1, c.width / 64);
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
  if (!move && e.key !== " ") return;
  e.preventDefault(); fit();
  const from = at || { x: c.width / 2, y: c.height / 2 };
  at = from;
  if (move) {
    at = { x: Math.min(c.width, Math.max(0, from.x + step * move[0])), y: Math.min(c.height, Math.max(0, from.y + step * move[1])) };
    if (down) dab(from, at);
  } else if (down) end(); else { begin(); dab(at, at); }
  cursor();
});
element.addEventListener("focusout", e => { if (e.target.tagName === "CANVAS") { find(".cursor").style.display = "none"; if (down && !last) end(); } });
element.addEventListener("click", e => {
  const b = e.target.closest("button");
  if (!b) return;
  const c = find("canvas"), g = ink(c);
  if (b.dataset.brush) { brush = Number(b.dataset.brush); press(); }
  else if (b.dataset.act === "clear") { past.push(pixels()); g.clearRect(0, 0, c.width, c.height); tell(); }
  else if (b.dataset.act === "undo" && past.length) { g.putImageData(past.pop(), 0, 0); tell(); }
});
element.addEventListener("input", e => { if (e.target.classList.contains("size")) { size = Number(e.target.value); e.stopPropagation(); } });
element.addEventListener("load", e => { if (e.target.tagName === "IMG") fit(); }, true);
function press() { element.querySelectorAll("[data-brush]").forEach(b => b.setAttribute("aria-pressed", Number(b.dataset.brush) === brush)); }
new ResizeObserver(fit).observe(element);
watch("value", () => {
  const now = props.value && props.value.round;
  if (now !== round) { round = now; kept = null; past = []; at = null; const c = find("canvas"); if (c) c.width = c.width; }
  press(); const s = find(".size"); if (s) s.value = size;
  requestAnimationFrame(fit);
});
fit();
