let at = 50;
const find = name => element.querySelector(name);
function show() {
  const s = find("input");
  if (!s) return;
  s.value = at;
  find(".before").style.clipPath = "inset(0 " + (100 - at) + "% 0 0)";
  find(".line").style.left = at + "%";
}
function to(e) {
  const b = find(".view").getBoundingClientRect();
  at = Math.min(100, Math.max(0, Math.round(100 * (e.clientX - b.left) / b.width)));
  show();
}
element.addEventListener("input", e => { at = Number(e.target.value); e.stopPropagation(); show(); });
element.addEventListener("pointerdown", e => { const v = e.target.closest(".view"); if (v) { v.setPointerCapture(e.pointerId); e.preventDefault(); to(e); } });
element.addEventListener("pointermove", e => { if (e.buttons && e.target.closest(".view")) to(e); });
watch("value", show);
show();
