// Starts the page and keeps it as the server says.

const form = new PhotoForm((number) => {
  mine.add(number);
  const job = jobs.known?.get(number);
  if (job?.status === "done") show(job); // it was over before the server's answer came
  else say("Your photos are in the queue.");
});
const mine = new Set(); // numbers of jobs that this page sent
const view = new HeadView();
const jobs = new Jobs((job) => {
  if (job.status === "done") say(`The head of ${job.title} is ready.`);
  if (job.status === "failed") say(`${job.title} could not be made: ${job.error}`);
  if (job.status === "done" && mine.has(job.number)) show(job);
});

/** Open the head of a job of this page that is done. */
function show(job) {
  if (!busy()) location.hash = `head=${job.head}`;
}

function say(text) {
  element("said").textContent = text;
}

/** Whether the user is at something that a new head would take them away from. */
function busy() {
  return form.photos.length > 0 || view.name !== null;
}

function showHeads(heads) {
  const list = element("heads");
  const names = heads.map(({ name }) => name).join("\n");
  if (list.dataset.names === names) return;
  list.dataset.names = names;
  list.replaceChildren(...heads.map(headItem));
}

function headItem({ name, picture }) {
  const [item, button, image, text] = ["li", "button", "img", "span"].map((tag) =>
    document.createElement(tag),
  );
  button.type = "button";
  button.dataset.name = name;
  button.setAttribute("aria-current", name === view.name);
  image.alt = "";
  image.loading = "lazy";
  if (picture) image.src = `heads/${encodeURIComponent(name)}/${picture}`;
  text.textContent = name;
  button.append(picture ? image : document.createElement("i"), text);
  button.addEventListener("click", () => (location.hash = `head=${name}`));
  item.append(button);
  return item;
}

function follow() {
  const match = /^#head=(.+)$/.exec(location.hash);
  view.open(match ? decodeURIComponent(match[1]) : null);
}

const events = new EventSource("events");
events.addEventListener("message", ({ data }) => {
  const state = JSON.parse(data);
  element("lost").hidden = true;
  showHeads(state.heads);
  jobs.show(state.jobs);
});
events.addEventListener("error", () => (element("lost").hidden = false));
window.addEventListener("hashchange", follow);
follow();
window.studio = { form, view, jobs };
