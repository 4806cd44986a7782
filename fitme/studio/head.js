// A finished head: the report's viewer, filled from the report itself, and its downloads.

class HeadView {
  constructor() {
    this.section = element("head");
    this.name = null;
    element("close-head").addEventListener("click", () => (location.hash = ""));
    element("export").addEventListener("click", () => this.export());
    this.question = element("delete-question");
    element("delete").addEventListener("click", () => this.askToDelete());
    element("delete-not").addEventListener("click", () => this.question.close());
    element("delete-yes").addEventListener("click", () => this.delete());
  }

  /** Show a head by name, or none for null. */
  async open(name) {
    if (name === this.name) return;
    this.name = name;
    this.clear();
    this.section.hidden = name === null;
    for (const button of document.querySelectorAll("#heads button")) {
      button.setAttribute("aria-current", button.dataset.name === name);
    }
    if (name === null) return;
    const path = `heads/${encodeURIComponent(name)}`;
    element("head-title").textContent = name;
    const link = (id, file) => (element(id).href = `${path}/${file}`);
    link("save-avatar", "avatar.glb?save");
    link("save-report", "report.html?save");
    link("open-report", "report.html");
    element("viewer-place").append(element("viewer").content.cloneNode(true));
    this.section.scrollIntoView();
    element("head-title").focus({ preventScroll: true });
    try {
      const answer = await fetch(`${path}/report.html`);
      if (!answer.ok) throw new Error("its report is missing");
      const report = parsed(await answer.text());
      if (this.name === name) await this.fill(report);
    } catch (error) {
      if (this.name === name) element("head-problem").textContent = `It cannot be shown: ${error.message}`;
    }
  }

  clear() {
    this.viewer?.gl.getExtension("WEBGL_lose_context")?.loseContext(); // browsers keep few of them
    this.viewer = null;
    element("viewer-place").replaceChildren();
    element("head-facts").replaceChildren();
    for (const id of ["head-problem", "export-note"]) element(id).textContent = "";
    element("head-notes").hidden = true;
  }

  /** Numbers, notes and the viewer of a report, which is a document that is not shown. */
  async fill(report) {
    for (const fact of report.querySelectorAll(".facts > div")) {
      const row = document.createElement("div");
      for (const part of fact.children) {
        const cell = document.createElement(part.tagName === "DT" ? "dt" : "dd");
        cell.textContent = part.textContent;
        row.append(cell);
      }
      element("head-facts").append(row);
    }
    const notes = [...report.querySelectorAll("main > .notes li")].map((note) => listItem(note.textContent));
    element("head-notes").lastElementChild.replaceChildren(...notes);
    element("head-notes").hidden = !notes.length;
    const scene = JSON.parse(report.getElementById("scene").textContent);
    for (const [name, source] of Object.entries(scene.images)) {
      if (source.startsWith("#")) scene.images[name] = report.getElementById(source.slice(1)).src;
    }
    const stage = element("stage");
    try {
      const viewer = await Viewer.open(element("canvas"), scene);
      if (!stage.isConnected) return; // another head was opened meanwhile
      this.viewer = viewer;
      window.fitme = { viewer, controls: new Controls(viewer) };
      stage.classList.add("ready");
    } catch (error) {
      element("stage-note").textContent = `The 3D view cannot be shown: ${error.message}`;
    }
  }

  askToDelete() {
    element("delete-what").textContent = `Delete “${this.name}”?`;
    element("delete-problem").textContent = "";
    this.question.showModal();
  }

  async delete() {
    const button = element("delete-yes");
    button.disabled = true;
    try {
      await ask(`heads/${encodeURIComponent(this.name)}/delete`);
      this.question.close();
      say(`The head ${this.name} is deleted.`);
      location.hash = "";
      element("shelf").scrollIntoView();
    } catch (error) {
      element("delete-problem").textContent = error.message;
    }
    button.disabled = false;
  }

  async export() {
    const [name, preset, button] = [this.name, element("export-preset").value, element("export")];
    const note = element("export-note");
    button.disabled = true;
    note.textContent = "Making the files …";
    try {
      const { file } = await ask(`heads/${encodeURIComponent(name)}/exports/${preset}`);
      saveFile("", file);
      note.textContent = "";
    } catch (error) {
      note.textContent = error.message;
    }
    button.disabled = false;
  }
}

/** A report as a document that is not shown, without styles, which this page's policy complains of. */
function parsed(text) {
  const plain = text.replace(/<style>[^]*?<\/style>/g, "").replace(/ style="[^"]*"/g, "");
  return new DOMParser().parseFromString(plain, "text/html");
}
