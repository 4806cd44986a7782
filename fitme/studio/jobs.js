// What is in work: a card for each job, with its stages and its picture.

const duration = (seconds) =>
  seconds < 90 ? `${Math.round(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;

const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text; // else screen readers say it again
};

class Jobs {
  /** ended: called with a job once it is over, if it was not over when this page was opened. */
  constructor(ended) {
    this.ended = ended;
    this.cards = new Map();
    this.known = null; // jobs by number as the server last said, null before it said anything
    setInterval(() => this.tick(), 1000);
  }

  show(jobs) {
    const shown = jobs.filter((job) => !["done", "cancelled"].includes(job.status));
    const before = this.known; // a quick job can be over when it is heard of for the first time
    this.known = new Map(jobs.map((job) => [job.number, job]));
    for (const job of before ? jobs : []) {
      const changed = before.get(job.number)?.status !== job.status;
      if (changed && ["done", "failed", "cancelled"].includes(job.status)) this.ended(job);
    }
    for (const [number, card] of this.cards) {
      if (shown.some((job) => job.number === number)) continue;
      card.remove();
      this.cards.delete(number);
    }
    for (const job of shown) this.update(job);
    element("work").hidden = !shown.length;
  }

  card(job) {
    if (!this.cards.has(job.number)) {
      const card = element("job").content.firstElementChild.cloneNode(true);
      card.querySelector("h3").textContent = job.title;
      card.querySelector("img").alt = `${job.title} as it is now`;
      card.querySelector(".cancel").addEventListener("click", () => this.drop(card));
      element("jobs").append(card);
      this.cards.set(job.number, card);
    }
    return this.cards.get(job.number);
  }

  drop(card) {
    const { number, status } = card.job;
    ask(`fits/${number}/${status === "failed" ? "forget" : "cancel"}`).catch((error) => {
      card.querySelector(".problem").textContent = error.message;
    });
  }

  update(job) {
    const card = this.card(job);
    card.job = job;
    card.heard = performance.now();
    card.dataset.status = job.status;
    card.classList.toggle("small", job.status !== "running");
    const image = card.querySelector("img");
    if (job.picture && card.picture !== job.picture) {
      card.picture = job.picture;
      image.src = `fits/${job.number}/picture.jpg?${job.picture}`;
      image.hidden = false;
    }
    const stages = card.querySelector(".stages");
    if (stages.children.length !== job.stages.length) {
      stages.replaceChildren(...job.stages.map(() => document.createElement("li")));
    }
    job.stages.forEach(({ label, state }, index) => {
      const item = stages.children[index];
      item.className = state;
      setText(item, label);
      if (state === "now") item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
    const bar = card.querySelector("progress");
    if (job.share === null) bar.removeAttribute("value");
    else bar.value = job.share;
    const notes = card.querySelector(".said");
    notes.hidden = !job.notes.length;
    if (notes.lastElementChild.children.length !== job.notes.length) {
      notes.lastElementChild.replaceChildren(...job.notes.map(listItem));
    }
    setText(card.querySelector(".problem"), job.error);
    setText(card.querySelector(".cancel"), job.status === "failed" ? "Remove" : "Cancel");
    card.querySelector(".cancel").setAttribute(
      "aria-label", `${job.status === "failed" ? "Remove" : "Cancel"} ${job.title}`,
    );
    this.how(card);
  }

  how(card) {
    const { job, heard } = card;
    const many = job.photos > 1 ? `${job.photos} photos, ` : "";
    const since = job.seconds + (performance.now() - heard) / 1000;
    const text = {
      waiting: `${many}${job.preset}, waits as number ${job.place}`,
      running: `${many}${job.preset}, ${duration(since)}`,
      failed: "could not be made",
    };
    setText(card.querySelector(".how"), text[job.status]);
  }

  tick() {
    for (const card of this.cards.values()) if (card.job.status === "running") this.how(card);
  }
}

const listItem = (text) => {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
};
