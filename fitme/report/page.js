// Starts the page: the viewer, pictures that open large, and the photo that wipes over the render.

function zoomPictures() {
  const dialog = element("large");
  const picture = dialog.querySelector("img");
  document.addEventListener("click", (event) => {
    const image = event.target.closest?.("img.zoom");
    if (!image) return;
    [picture.src, picture.alt] = [image.src, image.alt];
    dialog.showModal();
  });
  dialog.addEventListener("click", () => dialog.close());
}

function wipePhotos() {
  for (const wipe of document.querySelectorAll(".wipe")) {
    const slider = wipe.querySelector("input");
    const move = () => wipe.style.setProperty("--cut", `${slider.value}%`);
    slider.addEventListener("input", move);
    move();
  }
}

/** The button that gives the avatar out as a file; needs no WebGL. */
function offerGlb(scene) {
  const [button, note] = [element("save-glb"), element("glb-note")];
  let busy = false;
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    note.textContent = "Building the file …";
    await new Promise((shown) => setTimeout(shown, 30));
    try {
      const url = URL.createObjectURL(await buildGlb(scene));
      saveFile("avatar.glb", url);
      setTimeout(() => URL.revokeObjectURL(url), 60000); // a slow disk may still read it
      note.textContent = "";
    } catch (error) {
      note.textContent = `The file cannot be made: ${error.message}`;
    }
    busy = false;
  });
  button.parentElement.hidden = false;
}

async function start() {
  zoomPictures();
  wipePhotos();
  const scene = JSON.parse(element("scene").textContent);
  offerGlb(scene);
  const stage = element("stage");
  try {
    const viewer = await Viewer.open(element("canvas"), scene);
    const controls = new Controls(viewer);
    window.fitme = { viewer, controls, photoCamera };
    stage.classList.add("ready");
  } catch (error) {
    stage.classList.add("failed");
    element("stage-note").textContent = `The 3D view cannot be shown: ${error.message}`;
    window.fitme = { failed: String(error) };
  }
}

start();
