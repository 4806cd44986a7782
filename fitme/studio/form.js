// The form: photos that are dropped or picked, and sending them.

/** Answers of the server; throws an Error with its one line where it refuses. */
async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, { method: "POST", body: body ?? "" });
  } catch {
    throw new Error("fitme studio does not answer; is it still running?");
  }
  const text = await answer.text();
  let data = null;
  try {
    data = JSON.parse(text);
  } catch { /* a line of plain text */ }
  if (!answer.ok) throw new Error(data?.error ?? (text.trim() || `refused (${answer.status})`));
  return data;
}

class PhotoForm {
  /** sent: called with the number of the job that was made. */
  constructor(sent) {
    this.sent = sent;
    this.photos = [];
    this.form = element("new");
    this.problem = element("form-problem");
    const [files, drop] = [element("files"), element("drop")];
    files.addEventListener("change", () => {
      this.add(files.files);
      files.value = ""; // so that the same photo can be chosen again
    });
    this.takeDrops(drop);
    document.addEventListener("paste", (event) => this.add(event.clipboardData?.files ?? []));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  /** The whole page takes what is dropped: beside the target the browser would open the photo. */
  takeDrops(drop) {
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      drop.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) drop.classList.remove("over");
    });
    document.addEventListener("drop", (event) => {
      drop.classList.remove("over");
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.add(event.dataTransfer.files);
    });
  }

  add(files) {
    if (!files.length) return;
    this.photos.push(...files);
    this.problem.textContent = "";
    this.show();
  }

  show() {
    const list = element("chosen");
    for (const image of list.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    list.replaceChildren(...this.photos.map((photo, index) => this.thumb(photo, index)));
    element("make").disabled = !this.photos.length;
  }

  thumb(photo, index) {
    const [item, image, name, remove] = ["li", "img", "span", "button"].map((tag) =>
      document.createElement(tag),
    );
    image.src = URL.createObjectURL(photo);
    image.alt = "";
    image.addEventListener("error", () => image.replaceWith(document.createElement("i"))); // HEIC
    name.textContent = photo.name;
    remove.type = "button";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Leave out ${photo.name}`);
    remove.addEventListener("click", () => {
      this.photos.splice(index, 1);
      this.show();
      element("files").focus();
    });
    item.append(image, name, remove);
    return item;
  }

  async send() {
    if (!this.photos.length) return;
    const body = new FormData(this.form);
    const photos = this.photos;
    for (const photo of photos) body.append("photo", photo, photo.name);
    this.photos = []; // others can be chosen while these are on their way
    this.show();
    this.problem.textContent = "";
    try {
      this.sent((await ask("fits", body)).number);
    } catch (error) {
      this.photos = [...photos, ...this.photos];
      this.problem.textContent = error.message;
      this.show();
    }
  }
}
