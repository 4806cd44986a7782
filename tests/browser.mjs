// Opens one page in headless Chromium without a network, does what it is told, prints JSON.
// usage: node browser.mjs PUPPETEER_DIRECTORY CHROMIUM   (the job is JSON on stdin, see browser.py)
import fs from "node:fs";
import { pathToFileURL } from "node:url";

const [, , packageDirectory, chromium] = process.argv;
const job = JSON.parse(fs.readFileSync(0, "utf8"));
const { default: puppeteer } = await import(
  pathToFileURL(`${packageDirectory}/lib/esm/puppeteer/puppeteer-core.js`).href
);

const args = [
  "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
  // No name resolves and the only proxy is a dead port: nothing can leave the machine. A page of
  // a server on this machine may ask that server.
  `--host-resolver-rules=MAP * ~NOTFOUND${job.url.startsWith("http://127.0.0.1") ? ", EXCLUDE 127.0.0.1" : ""}`,
  "--proxy-server=127.0.0.1:9",
  "--disable-background-networking", "--disable-component-update", "--no-first-run",
  "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
];
if (job.fileAccess) args.push("--allow-file-access-from-files");

const browser = await puppeteer.launch({
  executablePath: chromium, headless: true, args, protocolTimeout: job.timeout * 1000,
});
const report = { values: [], errors: [], requests: [] };
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(job.timeout * 1000);
  await page.setViewport({ width: job.width, height: job.height, deviceScaleFactor: job.scale });
  if (job.dark) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  }
  page.on("pageerror", (error) => report.errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") report.errors.push(message.text());
    else if (job.verbose) console.error(`console.${message.type()}: ${message.text()}`);
  });
  page.on("request", (request) => {
    const url = request.url();
    if (url !== job.url && !/^(data|blob):/.test(url)) report.requests.push(url);
  });
  await page.goto(job.url, { waitUntil: "load" });
  for (const step of job.steps) report.values.push(await take(page, step));
} finally {
  await browser.close();
}
console.log(JSON.stringify(report));

async function take(page, step) {
  switch (step.kind) {
    case "evaluate":
      // An expression or a promise; undefined becomes null.
      return (await page.evaluate(step.script)) ?? null;
    case "wait":
      await page.waitForFunction(step.script);
      return null;
    case "screenshot": {
      const target = step.selector ? await page.$(step.selector) : page;
      await target.screenshot({ path: step.path, fullPage: step.selector ? undefined : step.full });
      return null;
    }
    case "drag": {
      const [from, to] = [step.start, step.end];
      await page.mouse.move(...from);
      if (step.key) await page.keyboard.down(step.key);
      await page.mouse.down({ button: step.button });
      await page.mouse.move(...to, { steps: 4 });
      await page.mouse.up({ button: step.button });
      if (step.key) await page.keyboard.up(step.key);
      return null;
    }
    case "upload":
      await (await page.$(step.selector)).uploadFile(...step.files);
      return null;
    case "click":
      await page.click(step.selector);
      return null;
    case "download":
      return download(page, step);
    case "wheel":
      await page.mouse.move(...step.at);
      if (step.key) await page.keyboard.down(step.key);
      await page.mouse.wheel({ deltaY: step.amount });
      if (step.key) await page.keyboard.up(step.key);
      return null;
    default:
      throw new Error(`no step ${step.kind}`);
  }
}

// Click, and wait until the file that this gives is whole; its path.
async function download(page, { selector, folder }) {
  const session = await browser.target().createCDPSession();
  await session.send("Browser.setDownloadBehavior", {
    behavior: "allow", downloadPath: folder, eventsEnabled: true,
  });
  let name;
  session.on("Browser.downloadWillBegin", (event) => (name = event.suggestedFilename));
  const ended = new Promise((done, failed) => {
    session.on("Browser.downloadProgress", ({ state }) => {
      if (state === "completed") done();
      if (state === "canceled") failed(new Error("the download was cancelled"));
    });
    setTimeout(() => failed(new Error(`${selector} gave no file`)), job.timeout * 1000).unref();
  });
  await page.click(selector);
  await ended;
  return `${folder}/${name}`;
}
