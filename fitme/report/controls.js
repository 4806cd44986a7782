// The viewer's panel: what the mouse, the sliders and the buttons do.

/** Sliders above the list of all shapes: label -> shapes it moves, or [negative, positive] sides. */
const FAVOURITES = [
  ["Smile", ["mouthSmileLeft", "mouthSmileRight"]],
  ["Open mouth", ["jawOpen"]],
  ["Blink", ["eyeBlinkLeft", "eyeBlinkRight"]],
  ["Raise brows", ["browInnerUp", "browOuterUpLeft", "browOuterUpRight"]],
  ["Lower brows", ["browDownLeft", "browDownRight"]],
  ["Pucker", ["mouthPucker"]],
  ["Frown", ["mouthFrownLeft", "mouthFrownRight"]],
  ["Sneer", ["noseSneerLeft", "noseSneerRight"]],
  ["Puff cheeks", ["cheekPuff"]],
  ["Tongue out", ["tongueOut"]],
  ["Look sideways", [["eyeLookInLeft", "eyeLookOutRight"], ["eyeLookOutLeft", "eyeLookInRight"]]],
  ["Look up, down", [["eyeLookDownLeft", "eyeLookDownRight"], ["eyeLookUpLeft", "eyeLookUpRight"]]],
];

const AT_REST_MS = 150; // after the last change the picture is drawn in full

const element = (id) => document.getElementById(id);

/** Let the user keep what a data: or blob: URL holds. */
function saveFile(name, url) {
  const link = document.createElement("a");
  [link.download, link.href] = [name, url];
  link.click();
}

class Controls {
  constructor(viewer) {
    this.viewer = viewer;
    this.scene = viewer.scene;
    this.sliders = [];
    this.base = { weights: {}, gaze: [[0, 0], [0, 0]] };
    this.weights = {};
    this.makeExpressions();
    this.makeLights();
    this.makeModes();
    this.makeHair();
    this.makeButtons();
    followPointer(this);
    new ResizeObserver(() => this.redraw()).observe(viewer.canvas);
    const [photo] = this.scene.photos;
    this.take(photo ?? this.base);
  }

  redraw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      if (this.stale) this.viewer.pose(this.weights, this.gaze());
      this.stale = false;
      this.viewer.draw(true);
      clearTimeout(this.later);
      this.later = setTimeout(() => this.viewer.draw(), AT_REST_MS);
    });
  }

  /** Take an expression and gaze, and start from it. */
  take({ weights, gaze }) {
    this.base = { weights, gaze };
    this.weights = { ...weights };
    this.changed();
  }

  set(name, weight) {
    this.weights[name] = weight;
    this.changed();
  }

  changed() {
    for (const update of this.sliders) update();
    this.stale = true;
    this.redraw();
  }

  /** The eyes turn with the eyeLook shapes, starting from the gaze of the photo. */
  gaze() {
    return ["Left", "Right"].map((side, eye) => {
      const gaze = [...this.base.gaze[eye]];
      for (const [way, degrees] of Object.entries(this.scene.eyeLook)) {
        const name = `eyeLook${way}${side}`;
        const by = (this.weights[name] ?? 0) - (this.base.weights[name] ?? 0);
        lookTurn(eye, way, by * degrees).forEach((angle, axis) => (gaze[axis] += angle));
      }
      return gaze;
    });
  }

  makeExpressions() {
    const known = this.viewer.head.expressions;
    const favourites = element("favourites");
    for (const [label, shapes] of FAVOURITES) {
      const [low, high] = Array.isArray(shapes[0]) ? shapes : [[], shapes];
      if (![...low, ...high].every((name) => known.has(name))) continue;
      const mean = (names) =>
        names.reduce((sum, name) => sum + (this.weights[name] ?? 0), 0) / (names.length || 1);
      const [read, write] = [
        () => mean(high) - mean(low),
        (value) => {
          for (const name of high) this.weights[name] = Math.max(value, 0);
          for (const name of low) this.weights[name] = Math.max(-value, 0);
          this.changed();
        },
      ];
      this.addSlider(favourites, label, [low.length ? -1 : 0, 1], read, write);
    }
    for (const name of known.keys()) {
      const read = () => this.weights[name] ?? 0;
      const slider = this.addSlider(element("shapes"), name, [0, 1], read, (w) => this.set(name, w));
      slider.dataset.shape = name;
    }
    element("shape-count").textContent = `All ${known.size} shapes`;
  }

  addSlider(parent, label, [least, most], read, write, show = (value) => value.toFixed(2)) {
    const row = document.createElement("label");
    const [text, value] = [document.createElement("span"), document.createElement("output")];
    const slider = document.createElement("input");
    row.className = "slider";
    text.textContent = label;
    Object.assign(slider, { type: "range", min: least, max: most, step: (most - least) / 200 });
    slider.setAttribute("aria-label", label);
    slider.addEventListener("input", () => write(slider.valueAsNumber));
    row.append(text, slider, value);
    parent.append(row);
    this.sliders.push(() => {
      slider.value = read();
      value.textContent = show(read());
      const share = (100 * (read() - least)) / (most - least);
      slider.style.setProperty("--share", `${clamp(share, 0, 100)}%`);
    });
    return slider;
  }

  makeLights() {
    const select = element("light");
    const several = this.scene.photos.length > 1;
    this.lights = [
      ...this.scene.lights,
      ...this.scene.photos.map(({ name, light }) => ({
        name: several ? `photo: ${name}` : "as in the photo", light,
      })),
    ];
    this.lights.forEach(({ name }, index) => select.append(new Option(name, index)));
    select.addEventListener("change", () => this.setLight(Number(select.value)));
    const degrees = (value) => `${Math.round(value)}°`;
    const addTurn = (label, axis, range) => {
      const write = (value) => {
        this.viewer.lightTurn[axis] = value;
        this.changed();
      };
      const read = () => this.viewer.lightTurn[axis];
      this.addSlider(element("light-turn"), label, range, read, write, degrees).id = `light-turn-${axis}`;
    };
    addTurn("Around", 0, [-180, 180]);
    addTurn("Up", 1, [-90, 90]);
  }

  setLight(index) {
    element("light").value = index;
    this.viewer.light = this.lights[index].light;
    this.viewer.lightTurn = [0, 0];
    this.changed();
  }

  turnLight(around, up) {
    const turn = this.viewer.lightTurn;
    turn[0] = ((turn[0] + around + 540) % 360) - 180;
    turn[1] = clamp(turn[1] + up, -90, 90);
    this.changed();
  }

  makeModes() {
    for (const input of document.querySelectorAll("input[name=mode]")) {
      input.addEventListener("change", () => {
        this.viewer.mode = input.value;
        this.redraw();
      });
    }
  }

  makeHair() {
    const { hair } = this.viewer;
    if (!hair) return;
    element("hair-switch").hidden = false;
    element("hair").addEventListener("change", ({ target }) => {
      hair.shown = target.checked;
      this.redraw();
    });
  }

  makeButtons() {
    const buttons = element("poses");
    const add = (label, action) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = button.title = label; // a long file name is cut off
      button.addEventListener("click", action);
      buttons.append(button);
      return button;
    };
    add("Neutral", () => this.take({ weights: {}, gaze: [[0, 0], [0, 0]] })).id = "neutral";
    const { photos, lights } = this.scene;
    photos.forEach((photo, index) => {
      const label = photos.length > 1 ? `As in ${photo.name}` : "As in the photo";
      add(label, () => {
        this.viewer.orbit.look(photo.angles);
        this.setLight(lights.length + index);
        this.take(photo);
      }).id = `as-photo-${index}`;
    });
    element("reset-view").addEventListener("click", () => {
      this.viewer.orbit.reset();
      this.redraw();
    });
    element("save-picture").addEventListener("click", () => {
      this.viewer.draw(); // what was drawn before is gone once it was shown
      saveFile("avatar.png", this.viewer.canvas.toDataURL("image/png"));
    });
  }
}
