// What the mouse, fingers and arrow keys do over the picture.

/** Drag to orbit, with the right button or shift to move the light, pinch to zoom; the wheel zooms
    with ctrl, or once the picture was clicked. */
function followPointer(controls) {
  const { canvas, orbit } = controls.viewer;
  const pointers = new Map();
  /** Where an event is, in -1..1 of the shorter side from the middle, y up. */
  const place = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    const half = Math.min(box.width, box.height) / 2;
    return [(clientX - box.left - box.width / 2) / half, (box.top + box.height / 2 - clientY) / half];
  };
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => {
    orbit.reset();
    controls.redraw();
  });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    const [x, y] = [now[0] - before[0], now[1] - before[1]];
    const other = [...pointers.entries()].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1e-3;
      orbit.magnify(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      orbit.pan(x / 2, y / 2);
      controls.redraw();
    } else if (event.buttons & 2 || event.shiftKey) {
      controls.turnLight(70 * x, 70 * y);
    } else if (event.buttons & 4 || event.ctrlKey) {
      orbit.pan(x, y);
      controls.redraw();
    } else {
      orbit.turn(70 * x, 70 * y);
      controls.redraw();
    }
    pointers.set(event.pointerId, now);
  });
  canvas.addEventListener("wheel", (event) => {
    // Who scrolls past the picture means the page; pinching a touchpad comes with ctrl.
    if (document.activeElement !== canvas && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    orbit.magnify(Math.exp(-0.0015 * event.deltaY), ...place(event));
    controls.redraw();
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] };
    if (event.key in step) {
      if (event.shiftKey) controls.turnLight(...step[event.key]);
      else orbit.turn(...step[event.key]);
    } else if (event.key === "+" || event.key === "-") {
      orbit.magnify(event.key === "+" ? 1.15 : 1 / 1.15, 0, 0);
    } else return;
    event.preventDefault();
    controls.redraw();
  });
}
