// The studio: a photo, parts in words, and handles that write words.
//
// `mount(root, transport, keys)` builds it into an element; `keys` is where keys are heard, the
// element itself or the whole document. A transport carries messages:
//   send(message) -> promise of the reply; on(hear) calls hear(event).
// The other end (mg_jax/interactive/desk.py) keeps the document, and computes all motions; here
// points are only drawn where they were told to be.

const SVG = "http://www.w3.org/2000/svg";
const REST_MS = 350; // from the last change to the composed preview
const PLAY_MS = 1400; // of the whole motion
const CLOSE_PX = 9; // screen pixels within which a polygon is closed
const TOOLS = [
  ["move", "Move", "V", "Drag what is selected, and its handles"],
  ["click", "Click", "C", "Click on an object. Shift adds, Alt takes away"],
  ["rectangle", "Box", "R", "Drag a rectangle. Shift adds, Alt takes away"],
  ["polygon", "Lasso", "P", "Click corner after corner, on the first to close. Shift adds, Alt takes away"],
  ["brush", "Brush", "B", "Paint. + and − change its size; Alt erases"],
  ["eraser", "Eraser", "E", "Take away by painting"],
];
const MODES = [
  ["transform", "Transform", "1"],
  ["perspective", "Perspective", "2"],
  ["grow", "Grow", "3"],
  ["bend", "Bend", "4"],
  ["points", "Points", "5"],
];
const KEYS = [
  ["V C R P B E", "tools: move, click, box, lasso, brush, eraser"],
  ["1 – 5", "handles: transform, perspective, grow, bend, points"],
  ["Tab", "from handle to handle"],
  ["Arrows", "move the part, the focused handle, or the cursor of a tool; with Shift by 10"],
  ["Enter", "the tool at its cursor; Shift adds, Alt takes away"],
  ["F", "close the lasso"],
  ["Delete", "remove the focused point, or the part"],
  [", and .", "the part below, the part above"],
  ["[ and ]", "lower or raise the part"],
  ["+ and −", "size of the brush"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo"],
  ["Space", "play the motion"],
  ["O (held)", "show the original"],
  ["Ctrl Enter, Ctrl Shift Enter", "run, run and film"],
  ["Escape", "stop what was begun; leave the result"],
];

// Elements.

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Bytes, numbers and pictures of messages.

const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const floats = (text) => new Float32Array(bytes(text).buffer);
const integers = (text) => new Int32Array(bytes(text).buffer);

async function picture(text) {
  const blob = new Blob([bytes(text)], { type: "image/png" });
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

async function base64(file) {
  const content = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < content.length; at += 0x8000)
    text += String.fromCharCode(...content.subarray(at, at + 0x8000));
  return btoa(text);
}

// Draw triangles of a texture, where the mask is set: colours into `out`, the label into `ids`.
// Points are pixels of the shown picture; each pixel whose centre lies in a triangle is taken.
function rasterize(out, ids, label, width, height, texture, mask, from, to, triangles, colored) {
  for (let t = 0; t < triangles.length; t += 3) {
    const a = 2 * triangles[t], b = 2 * triangles[t + 1], c = 2 * triangles[t + 2];
    const ax = to[a], ay = to[a + 1], bx = to[b], by = to[b + 1], cx = to[c], cy = to[c + 1];
    const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    if (Math.abs(area) < 1e-9) continue;
    const top = Math.max(0, Math.ceil(Math.min(ay, by, cy) - 1e-6));
    const bottom = Math.min(height - 1, Math.floor(Math.max(ay, by, cy) + 1e-6));
    const ua = from[a], va = from[a + 1];
    const ub = (from[b] - ua) / area, vb = (from[b + 1] - va) / area;
    const uc = (from[c] - ua) / area, vc = (from[c + 1] - va) / area;
    const ux = ub * (cy - ay) - uc * (by - ay), uy = uc * (bx - ax) - ub * (cx - ax);
    const vx = vb * (cy - ay) - vc * (by - ay), vy = vc * (bx - ax) - vb * (cx - ax);
    for (let y = top; y <= bottom; y++) {
      let left = Infinity, right = -Infinity;
      for (let e = 0; e < 3; e++) {
        const px = e === 0 ? ax : e === 1 ? bx : cx, py = e === 0 ? ay : e === 1 ? by : cy;
        const qx = e === 0 ? bx : e === 1 ? cx : ax, qy = e === 0 ? by : e === 1 ? cy : ay;
        if ((y < py - 1e-6 && y < qy - 1e-6) || (y > py + 1e-6 && y > qy + 1e-6)) continue;
        const share = Math.abs(qy - py) < 1e-9 ? 0 : Math.min(1, Math.max(0, (y - py) / (qy - py)));
        const x = px + share * (qx - px);
        left = Math.min(left, x, Math.abs(qy - py) < 1e-9 ? qx : x);
        right = Math.max(right, x, Math.abs(qy - py) < 1e-9 ? qx : x);
      }
      const first = Math.max(0, Math.ceil(left - 1e-6));
      const last = Math.min(width - 1, Math.floor(right + 1e-6));
      for (let x = first; x <= last; x++) {
        const u = Math.min(width - 1, Math.max(0, ua + ux * (x - ax) + uy * (y - ay)));
        const v = Math.min(height - 1, Math.max(0, va + vx * (x - ax) + vy * (y - ay)));
        if (mask[((v + 0.5) | 0) * width + ((u + 0.5) | 0)] < 128) continue;
        const place = y * width + x;
        ids[place] = label;
        if (!colored) continue;
        const u0 = u | 0, v0 = v | 0, du = u - u0, dv = v - v0;
        const here = 4 * (v0 * width + u0);
        const across = u0 < width - 1 ? 4 : 0, down = v0 < height - 1 ? 4 * width : 0;
        for (let k = 0; k < 3; k++) {
          const p = here + k;
          const upper = texture[p] + du * (texture[p + across] - texture[p]);
          const q = p + down;
          const lower = texture[q] + du * (texture[q + across] - texture[q]);
          out[4 * place + k] = upper + dv * (lower - upper);
        }
      }
    }
  }
}

export function mount(root, transport, keys = root) {
  const studio = new Studio(root, transport, keys);
  root.studio = studio; // for those who look at it from outside, as tests do
  studio.start();
  return studio;
}

class Studio {
  constructor(root, transport, keys) {
    this.root = root;
    this.keys = keys;
    this.transport = transport;
    this.state = null;
    this.tool = "click";
    this.mode = "transform";
    this.selected = -1;
    this.radius = 12;
    this.geometries = new Map(); // by selection
    this.photo = null; // ImageData, and of the same size: ground, composed, out
    this.draft = null; // what a tool has begun
    this.cursor = null; // of the keyboard, photo pixels
    this.levels = new Map(); // energies of a job
    this.shown = null; // a result that is looked at
    this.share = 1; // of the motion that is drawn
    this.holding = false; // the key that shows the original
    this.changes = 0; // counts changes, so that late replies are known
    this.edits = Promise.resolve(); // the last one: each begins with what the one before has made
    this.build();
  }

  async start() {
    this.transport.on((event) => this.hear(event));
    await this.refresh();
    if (!this.state) return; // which has been told
    this.setTool(this.state.parts.length ? "move" : "click");
  }

  // Messages.

  async ask(type, values = {}) {
    const reply = await this.transport.send({ type, mode: this.mode, ...values });
    if (reply.error) this.fault(reply.error);
    return reply;
  }

  // Send a message that is answered with the whole state.
  async change(type, values = {}) {
    const change = ++this.changes;
    const reply = await this.ask(type, values);
    if (reply.error) {
      this.paint();
      return false;
    }
    this.clearFaults();
    if (reply.part !== undefined) this.selected = reply.part;
    if (this.state) this.state.document = reply.document;
    if (change === this.changes) await this.take(reply);
    return true;
  }

  // Change the document's words and settings by a function.
  edit(alter) {
    const edited = this.edits.then(() => {
      const document = structuredClone(this.state.document);
      return alter(document) === false ? false : this.change("edit", { document });
    });
    this.edits = edited.catch(() => false);
    return edited;
  }

  async refresh() {
    await this.change("state");
  }

  async take(state) {
    const before = this.state;
    this.state = state;
    // An answer may arrive after the event of an edit's end, which it knows nothing of.
    for (const known of before?.jobs ?? [])
      if (!isOpen(known)) Object.assign(state.jobs.find((job) => job.number === known.number) ?? {}, known);
    this.selected = Math.min(this.selected, state.parts.length - 1);
    if (this.selected < 0 && state.parts.length) this.selected = state.parts.length - 1;
    if (state.photo?.name !== before?.photo?.name) {
      this.geometries.clear();
      this.photo = this.ground = this.composed = null;
      this.shown = null;
      if (state.photo) this.photo = await picture((await this.ask("photo")).data);
      this.cursor = null;
      this.size();
    }
    await this.loadGeometries();
    this.composed = null;
    this.panel();
    this.paint();
    if (this.photo && state === this.state) this.rest();
  }

  async loadGeometries() {
    const parts = this.state.parts;
    for (let i = 0; i < parts.length; i++) {
      const key = parts[i].selection;
      const known = this.geometries.get(key);
      if (known && known.rough === parts[i].rough) continue;
      const reply = await this.ask("geometry", { part: i });
      if (reply.error) continue;
      const points = floats(reply.points);
      const image = await picture(reply.mask);
      const mask = new Uint8Array(image.width * image.height);
      for (let p = 0; p < mask.length; p++) mask[p] = image.data[4 * p];
      this.geometries.set(key, {
        points,
        mask,
        triangles: integers(reply.triangles),
        outlines: reply.outlines,
        rough: parts[i].rough,
        texture: this.scaled(points),
      });
    }
    for (const part of parts) part.points = floats(part.moved);
  }

  hear(event) {
    if (event.event === "connected") this.refresh();
    else if (event.event === "lost") this.say("The connection is lost; trying again.");
    else if (event.event === "refined") this.refined();
    else if (event.event === "job") this.heardJob(event.job);
  }

  async refined() {
    if (this.dragging) return; // the state that follows brings it
    await this.refresh();
    this.say("The outline is exact now.");
  }

  // The ground and the composed picture follow when the hand rests.
  rest() {
    clearTimeout(this.resting);
    const lifted = this.lifted().map((part) => part.selection);
    const key = [this.state.photo.name, ...lifted].join("|");
    if (lifted.length && this.groundKey !== key) {
      this.groundKey = key;
      this.ask("ground", { part: this.selected }).then(async (reply) => {
        if (reply.error || this.groundKey !== key) return;
        this.ground = await picture(reply.data);
        this.paint();
      });
    }
    this.resting = setTimeout(() => this.compose(), REST_MS);
  }

  // The parts that are drawn over the ground: those that move, and the chosen one, which may soon.
  lifted() {
    return this.state.parts.filter((part, i) => part.motion || i === this.selected);
  }

  async compose() {
    if (this.dragging || this.playing || !this.state.parts.some((part) => part.motion)) return;
    const change = this.changes;
    const reply = await this.ask("preview");
    if (reply.error || !reply.data || change !== this.changes || this.dragging) return;
    this.composed = await picture(reply.data);
    this.paint();
    this.stage.dataset.composed = change;
  }

  // Building.

  build() {
    this.root.classList.add("studio");
    this.root.replaceChildren(
      this.buildBar(),
      this.buildTools(),
      this.buildStage(),
      this.buildPanel(),
      (this.status = h("p", { class: "status", role: "status" })),
      this.buildHelp(),
      this.buildText(),
    );
    this.keys.addEventListener("keydown", (event) => this.key(event));
    this.keys.addEventListener("keyup", (event) => this.keyUp(event));
    new ResizeObserver(() => this.size()).observe(this.stage);
  }

  buildBar() {
    const button = (label, title, run, name) =>
      h("button", { type: "button", title, onclick: run, "data-action": name }, label);
    this.undo = button("Undo", "Undo (Ctrl Z)", () => this.change("undo"), "undo");
    this.redo = button("Redo", "Redo (Ctrl Shift Z)", () => this.change("redo"), "redo");
    this.photoFile = this.file("Open photo", "image/png,image/jpeg,image/webp", (file) => this.open(file));
    this.sessionFile = this.file("Open session", ".zip", (file) => this.openSession(file));
    return h(
      "header",
      { class: "bar" },
      h("h1", {}, "Studio"),
      this.photoFile,
      this.sessionFile,
      button("Save session", "Take the session away as a file", () => this.download("session"), "session"),
      h("span", { class: "gap" }),
      this.undo,
      this.redo,
      button("Keys", "What the keys do (?)", () => this.help.showModal(), "keys"),
    );
  }

  file(label, accept, take) {
    const input = h("input", { type: "file", accept, class: "unseen", tabindex: -1, "aria-label": label });
    input.addEventListener("change", () => {
      if (input.files.length) take(input.files[0]);
      input.value = "";
    });
    const button = h("button", { type: "button", onclick: () => input.click() }, label);
    return h("span", { class: "file" }, button, input);
  }

  buildTools() {
    this.toolButtons = new Map();
    const bar = h("div", { class: "tools", role: "toolbar", "aria-label": "Tools", "aria-orientation": "vertical" });
    for (const [name, label, key, title] of TOOLS) {
      const button = h(
        "button",
        { type: "button", title: `${title} (${key})`, "aria-pressed": "false", "data-tool": name, onclick: () => this.setTool(name) },
        icon(name),
        h("span", {}, label),
      );
      this.toolButtons.set(name, button);
      bar.append(button);
    }
    this.brushSize = h("input", { type: "range", min: 1, max: 100, value: this.radius, "aria-label": "Size of the brush" });
    this.brushSize.addEventListener("input", () => this.setRadius(Number(this.brushSize.value)));
    this.brushBox = h("label", { class: "brush", hidden: true }, "Size", this.brushSize);
    this.maskFile = this.file("Mask…", "image/png,image/jpeg,image/webp", (file) => this.openMask(file));
    const all = h("button", { type: "button", title: "Select the whole picture", "data-tool": "everything", onclick: () => this.select("everything", []) }, icon("everything"), h("span", {}, "All"));
    bar.append(this.brushBox, all, this.maskFile);
    return bar;
  }

  buildStage() {
    this.canvas = h("canvas", { class: "pixels" });
    this.marks = s("g");
    this.grips = s("g");
    this.overlay = s("svg", { class: "overlay" }, this.marks, this.grips);
    this.frame = h("div", { class: "frame" }, this.canvas, this.overlay);
    this.empty = h("p", { class: "empty" }, "Open a photo, or drop one here.");
    this.stage = h(
      "div",
      { class: "stage", tabindex: 0, role: "application", "aria-label": "Photo. Arrow keys move; Enter uses the tool." },
      this.frame,
      this.empty,
    );
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.moved(event));
    this.stage.addEventListener("pointerup", (event) => this.up(event));
    this.stage.addEventListener("pointercancel", () => this.abandon());
    this.stage.addEventListener("dblclick", () => this.closePolygon());
    this.stage.addEventListener("dragover", (event) => event.preventDefault());
    this.stage.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length) this.open(event.dataTransfer.files[0]);
    });
    this.modeButtons = new Map();
    const modes = h("div", { class: "modes", role: "toolbar", "aria-label": "Handles" });
    for (const [name, label, key] of MODES) {
      const button = h("button", { type: "button", title: `${label} (${key})`, "aria-pressed": String(name === this.mode), "data-mode": name, onclick: () => this.setMode(name) }, label);
      this.modeButtons.set(name, button);
      modes.append(button);
    }
    this.playButton = h("button", { type: "button", title: "Play the motion (Space)", "data-action": "play", onclick: () => this.play() }, "Play");
    this.modes = h("div", { class: "above" }, modes, h("span", { class: "gap" }), this.playButton);
    this.resultBar = this.buildResultBar();
    return h("section", { class: "middle", "aria-label": "Picture" }, this.modes, this.resultBar, this.stage);
  }

  buildResultBar() {
    this.compare = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Compare: original to the left of here, result to the right" });
    this.compare.addEventListener("input", () => this.paint());
    this.viewChoice = h("select", { "aria-label": "What is shown" });
    this.viewChoice.addEventListener("change", () => this.paint());
    const back = h("button", { type: "button", "data-action": "back", onclick: () => this.leaveResult() }, "Back to editing");
    return h("div", { class: "above result-bar", hidden: true }, this.viewChoice, h("label", { class: "compare" }, "Original", this.compare, "Result"), back);
  }

  buildPanel() {
    this.partList = h("ol", { class: "parts", "aria-label": "Parts, the last on top" });
    this.model = h("select", { name: "model" });
    this.prompt = h("input", { type: "text", name: "prompt" });
    this.seed = h("input", { type: "number", name: "seed", min: 0, step: 1 });
    this.sizes = h("select", { name: "size" });
    this.samples = h("input", { type: "number", name: "samples", min: 1, max: 16, step: 1 });
    for (const field of [this.model, this.prompt, this.seed, this.sizes, this.samples])
      field.addEventListener("change", () => this.setSettings());
    this.promptRow = h("label", { class: "row" }, "Prompt", this.prompt);
    this.runButton = h("button", { type: "button", class: "main", title: "Run (Ctrl Enter)", "data-action": "run", onclick: () => this.run() }, "Run");
    this.filmButton = h("button", { type: "button", title: "Run, and film the motion by degrees (Ctrl Shift Enter)", "data-action": "film", onclick: () => this.run("film") }, "Film");
    this.settingsFault = h("p", { class: "fault", role: "alert" });
    this.jobList = h("ol", { class: "jobs", "aria-label": "Edits" });
    this.metrics = h("dl", { class: "metrics" });
    const take = (what, label) =>
      h("button", { type: "button", "data-take": what, onclick: () => (what === "command" || what === "cell" ? this.showText(what) : this.download(what)) }, label);
    return h(
      "aside",
      { class: "panel", "aria-label": "Document" },
      h("h2", {}, "Parts"),
      (this.noParts = h("p", { class: "hint" })),
      this.partList,
      h("h2", {}, "Run"),
      h("label", { class: "row" }, "Model", this.model),
      this.promptRow,
      h(
        "div",
        { class: "triple" },
        h("label", {}, "Seed", this.seed),
        h("label", {}, "Size", this.sizes),
        h("label", {}, "Samples", this.samples),
      ),
      this.settingsFault,
      h("div", { class: "runs" }, this.runButton, this.filmButton),
      this.jobList,
      this.metrics,
      h("h2", {}, "Take away"),
      h(
        "div",
        { class: "take" },
        take("picture", "Picture"),
        take("film", "Film"),
        take("flow", "Flow"),
        take("masks", "Masks"),
        take("command", "Command"),
        take("cell", "Notebook cell"),
      ),
    );
  }

  buildHelp() {
    const list = h("dl", { class: "keys" });
    for (const [key, what] of KEYS) list.append(h("dt", {}, key), h("dd", {}, what));
    const close = h("button", { type: "button", onclick: () => this.help.close() }, "Close");
    this.help = h("dialog", { "aria-label": "Keys" }, h("h2", {}, "Keys"), list, close);
    return this.help;
  }

  buildText() {
    this.textArea = h("textarea", { readonly: true, rows: 9, "aria-label": "Text to copy" });
    const copy = async () => {
      this.textArea.select();
      try {
        await navigator.clipboard.writeText(this.textArea.value);
        this.say("Copied.");
      } catch {
        this.say("Press Ctrl C to copy.");
      }
    };
    this.textTitle = h("h2");
    this.text = h(
      "dialog",
      { class: "wide", "aria-label": "Text to copy" },
      this.textTitle,
      this.textArea,
      h("div", { class: "buttons" }, h("button", { type: "button", class: "main", onclick: copy }, "Copy"), h("button", { type: "button", onclick: () => this.text.close() }, "Close")),
    );
    return this.text;
  }

  // The element that has the focus, also where the page is part of another's shadow tree.
  get focused() {
    return this.root.getRootNode().activeElement;
  }

  // What is said.

  say(text) {
    this.status.textContent = text;
    this.status.classList.remove("bad");
  }

  // An error is shown beside the field that it names, and in the status line.
  fault(text) {
    const found = /^parts\[(\d+)\]\.(motion|selection): (.*)$/s.exec(text);
    this.status.textContent = found ? found[3] : text;
    this.status.classList.add("bad");
    if (found) {
      const item = this.partList.children[Number(found[1])];
      const field = item?.querySelector(`[name="${found[2]}"]`);
      const line = item?.querySelector(`[data-fault="${found[2]}"]`);
      if (line) line.textContent = found[3];
      field?.setAttribute("aria-invalid", "true");
    } else if (/^(seed|size|samples|prompt|model|steps)/.test(text)) this.settingsFault.textContent = text;
  }

  clearFaults() {
    this.settingsFault.textContent = "";
    if (this.status.classList.contains("bad")) this.say("");
  }

  // The panel.

  panel() {
    const state = this.state;
    this.undo.disabled = !state.undo;
    this.redo.disabled = !state.redo;
    this.noParts.textContent = !state.photo
      ? "Open a photo first."
      : state.parts.length
        ? ""
        : "Nothing is selected yet: click on an object in the photo.";
    this.noParts.hidden = !this.noParts.textContent;
    const focused = this.focused;
    const at = [...this.partList.children].findIndex((item) => item.contains(focused));
    const name = at >= 0 ? focused.name || focused.dataset.action : "";
    const unsent = at >= 0 && focused.name && focused.value !== focused.defaultValue ? focused.value : null;
    this.partList.replaceChildren(...state.parts.map((part, i) => this.partItem(part, i)));
    if (at >= 0 && name) {
      const again = this.partList.children[Math.min(at, state.parts.length - 1)];
      const field = again?.querySelector(`[name="${name}"], [data-action="${name}"]`);
      if (unsent !== null && field && unsent.trim() !== field.value) field.value = unsent; // being typed
      field?.focus({ preventScroll: true });
    }
    this.settings();
    this.jobs();
  }

  partItem(part, i) {
    const last = this.state.parts.length - 1;
    const button = (label, title, action, run, disabled) =>
      h("button", { type: "button", title, "aria-label": `${title}: part ${i + 1}`, "data-action": action, disabled, onclick: run }, label);
    const selection = h("input", { type: "text", name: "selection", value: part.selection, spellcheck: "false", "aria-label": `Part ${i + 1}: what` });
    const motion = h("textarea", { name: "motion", rows: 2, spellcheck: "false", placeholder: "rests: drag it, or type rotate degrees=20", "aria-label": `Part ${i + 1}: motion` });
    motion.defaultValue = part.motion;
    const typed = (field, name) => {
      field.addEventListener("change", () => this.type(i, name, field.value));
      field.addEventListener("focus", () => this.choose(i));
      field.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey) {
          event.preventDefault();
          this.type(i, name, field.value);
        }
      });
    };
    typed(selection, "selection");
    typed(motion, "motion");
    const item = h(
      "li",
      { class: i === this.selected ? "chosen" : "", "data-part": i },
      h(
        "div",
        { class: "head" },
        h("button", { type: "button", class: "name", "data-action": "choose", "aria-pressed": String(i === this.selected), onclick: () => this.choose(i) }, `Part ${i + 1}`),
        h("span", { class: "share" }, part.rough ? "refining…" : percent(part.share)),
        button("↑", "Raise", "raise", () => this.reorder(i, 1), i === last),
        button("↓", "Lower", "lower", () => this.reorder(i, -1), i === 0),
        button("✕", "Remove", "remove", () => this.remove(i)),
      ),
      h("label", {}, "What", selection),
      h("p", { class: "fault", "data-fault": "selection", role: "alert" }),
      h("label", {}, "Motion", motion),
      h("p", { class: "fault", "data-fault": "motion", role: "alert" }),
      h("ul", { class: "warnings" }, ...part.warnings.map((line) => h("li", {}, line))),
    );
    return item;
  }

  // While a handle is dragged only the words and warnings of its part change.
  partWords(i, view) {
    const item = this.partList.children[i];
    if (!item) return;
    const field = item.querySelector('[name="motion"]');
    field.value = view.motion;
    field.removeAttribute("aria-invalid");
    item.querySelector('[data-fault="motion"]').textContent = "";
    item.querySelector(".warnings").replaceChildren(...view.warnings.map((line) => h("li", {}, line)));
  }

  settings() {
    const { document: doc, models } = this.state;
    const fill = (select, options, value) => {
      select.replaceChildren(...options.map(([text, label]) => h("option", { value: text, selected: text === value }, label)));
      select.value = value;
    };
    const known = models.find((model) => model.name === doc.model) ?? models[0];
    fill(this.model, models.map((model) => [model.name, model.name]), doc.model);
    const own = known.size ? `own, ${known.size}` : "own";
    fill(this.sizes, [["", own], ...known.sizes.map((size) => [String(size), String(size)])], doc.size == null ? "" : String(doc.size));
    this.sizes.disabled = !known.sizes.length;
    this.promptRow.hidden = !known.prompt;
    for (const field of [this.prompt, this.seed, this.samples])
      if (field !== this.focused) field.value = doc[field.name];
    this.runButton.disabled = !this.state.photo || !this.state.parts.some((part) => part.motion);
    this.filmButton.disabled = this.runButton.disabled;
  }

  jobs() {
    const items = [...this.state.jobs].reverse().map((job) => this.keptItem(job) ?? this.jobItem(job));
    // A button that is replaced, or put back, while it is pressed is not clicked.
    const old = this.jobList.children;
    if (items.length !== old.length || items.some((item, i) => item !== old[i])) this.jobList.replaceChildren(...items);
    const done = this.state.jobs.some((job) => job.status === "done");
    this.root.querySelector('[data-take="picture"]').disabled = !done;
    const taken = this.state.jobs.find((job) => job.number === this.jobTaken());
    this.root.querySelector('[data-take="film"]').disabled = !taken?.film;
  }

  jobItem(job) {
    const open = isOpen(job);
    const item = h(
      "li",
      { "data-job": job.number, "data-status": job.status },
      h("div", { class: "head" }, h("strong", {}, `${job.number}`), h("span", { class: "said" }, jobText(job))),
    );
    if (open) {
      item.append(h("progress", { max: job.levels || 1, ...(job.status === "running" ? { value: job.done } : {}), "aria-label": `Progress of edit ${job.number}` }));
      item.querySelector(".head").append(h("button", { type: "button", "data-action": "cancel", onclick: () => this.cancel(job.number) }, "Cancel"));
      if (job.status === "running") {
        item.append(this.energyLine(job), (this.estimate ??= h("canvas", { class: "estimate", "aria-label": "Estimate at this level", role: "img" })));
      }
    } else if (job.status === "done") {
      item.querySelector(".head").append(h("button", { type: "button", "data-action": "show", "aria-pressed": String(this.looksAt(job)), onclick: () => this.showResult(job.number) }, "Show"));
    }
    for (const note of job.notes ?? []) item.append(h("p", { class: "note" }, note));
    if (job.error) item.append(h("p", { class: "fault" }, job.error));
    return item;
  }

  looksAt(job) {
    return this.shown?.number === job.number;
  }

  // The item that already shows an edit, a running one's brought up to date; null where it must be built.
  keptItem(job) {
    const item = this.jobList.querySelector(`[data-job="${job.number}"][data-status="${job.status}"]`);
    if (!item) return null;
    item.querySelector('[data-action="show"]')?.setAttribute("aria-pressed", String(this.looksAt(job)));
    if (job.status !== "running") return item;
    item.querySelector(".said").textContent = jobText(job);
    const bar = item.querySelector("progress");
    bar.max = job.levels || 1;
    bar.value = job.done;
    item.querySelector(".energy").replaceWith(this.energyLine(job));
    return item;
  }

  energyLine(job) {
    const phases = Object.values(this.levels.get(job.number) ?? {});
    const values = phases.flat().filter((value) => value != null);
    const line = s("svg", { class: "energy", viewBox: "0 0 100 20", preserveAspectRatio: "none", role: "img", "aria-label": "Energy, level by level" });
    if (values.length > 1) {
      const high = Math.max(...values), low = Math.min(...values);
      const at = values.map((value, i) => `${((100 * i) / Math.max(1, job.levels - 1)).toFixed(1)},${(19 - (18 * (value - low)) / (high - low || 1)).toFixed(1)}`);
      line.append(s("polyline", { points: at.join(" ") }));
    }
    return line;
  }

  // Commands.

  async type(i, name, text) {
    const done = await this.edit((document) => {
      if (!document.parts[i] || document.parts[i][name] === text.trim()) return false;
      document.parts[i][name] = text.trim();
      this.selected = i;
    });
    if (done) this.say(name === "motion" ? "Motion changed." : "Selection changed.");
  }

  setSettings() {
    const { value: model } = this.model;
    const sizes = this.state.models.find((one) => one.name === model).sizes;
    const size = sizes.includes(Number(this.sizes.value)) ? Number(this.sizes.value) : null;
    const whole = (field) => Math.trunc(Number(field.value));
    const changed = { model, size, prompt: this.prompt.value, seed: whole(this.seed), samples: whole(this.samples) };
    return this.edit((document) => void Object.assign(document, changed));
  }

  async reorder(i, by) {
    const done = await this.edit(({ parts }) => {
      const other = i + by;
      if (!parts[i] || !parts[other]) return false;
      [parts[i], parts[other]] = [parts[other], parts[i]];
      this.selected = other;
    });
    if (done) this.say(by > 0 ? "Raised." : "Lowered.");
  }

  async remove(i) {
    const done = await this.edit(({ parts }) => (parts[i] ? void parts.splice(i, 1) : false));
    if (done) this.say("Part removed.");
  }

  choose(i) {
    if (i === this.selected || !this.state.parts[i]) return;
    this.selected = i;
    this.rest();
    for (const [k, item] of [...this.partList.children].entries()) {
      item.classList.toggle("chosen", k === i);
      item.querySelector('[data-action="choose"]').setAttribute("aria-pressed", String(k === i));
    }
    this.paint();
  }

  setTool(name) {
    this.tool = name;
    this.draft = null;
    for (const [known, button] of this.toolButtons) button.setAttribute("aria-pressed", String(known === name));
    this.brushBox.hidden = name !== "brush" && name !== "eraser";
    this.stage.dataset.tool = name;
    this.say(TOOLS.find(([known]) => known === name)[3] + ".");
    this.paint();
  }

  async setMode(name) {
    this.mode = name;
    this.setTool("move");
    for (const [known, button] of this.modeButtons) button.setAttribute("aria-pressed", String(known === name));
    await this.refresh();
    if (name === "points") this.say("Click on the part to pin a point; drag points. Delete removes the focused one.");
  }

  setRadius(radius) {
    this.radius = Math.min(100, Math.max(1, radius));
    this.brushSize.value = this.radius;
    this.paint();
  }

  async open(file) {
    this.say("Reading the photo…");
    const done = await this.change("open", { name: file.name, data: await base64(file) });
    if (done) this.setTool("click");
  }

  async openSession(file) {
    if (await this.change("session", { data: await base64(file) })) this.say("Session opened.");
  }

  async openMask(file) {
    if (await this.change("select", { tool: "mask", how: "new", data: await base64(file) })) this.setTool("move");
  }

  async select(tool, points, how = "new", more = {}) {
    const part = how === "new" ? -1 : this.selected;
    const said = { new: "Selecting…", add: "Adding…", remove: "Taking away…" }[how];
    this.say(said);
    if (await this.change("select", { tool, how, part, points, ...more })) {
      const chosen = this.state.parts[this.selected];
      this.say(chosen?.rough ? "A first outline; it is being refined." : "Selected.");
    }
  }

  async run(type = "run") {
    if (this.runButton.disabled) return;
    this.say("Waiting for its turn…");
    await this.change(type);
  }

  async cancel(number) {
    this.say("Stopping at the next level…");
    await this.change("cancel", { job: number });
  }

  heardJob(job) {
    const known = this.state?.jobs.find((one) => one.number === job.number);
    if (!known) return void this.refresh();
    Object.assign(known, job);
    if (job.status === "running") {
      const phases = this.levels.get(job.number) ?? {}; // in the order in which they came
      (phases[job.phase] ??= [])[job.done - 1] = job.energy;
      this.levels.set(job.number, phases);
      if (job.picture)
        picture(job.picture).then((image) => {
          if (!this.estimate) return;
          this.estimate.width = image.width;
          this.estimate.height = image.height;
          this.estimate.getContext("2d").putImageData(image, 0, 0);
        });
    }
    this.jobs();
    this.say(`Edit ${job.number}: ${jobText(known)}`);
    if (job.status === "done") this.showResult(job.number);
  }

  async showResult(number) {
    const reply = await this.ask("result", { job: number });
    if (reply.error) return;
    const names = reply.images.map((_, i) => [`image-${i}`, reply.images.length > 1 ? `Result ${i + 1}` : "Result"]);
    const pictures = { source: await picture(reply.source), asked: await picture(reply.asked), found: await picture(reply.found) };
    for (let i = 0; i < reply.images.length; i++) pictures[`image-${i}`] = await picture(reply.images[i]);
    this.shown = { number, pictures };
    this.viewChoice.replaceChildren(
      ...[...names, ["asked", "Flow asked for"], ["found", "Flow found"]].map(([value, label]) => h("option", { value }, label)),
    );
    this.resultBar.hidden = false;
    this.modes.hidden = true;
    this.showMetrics(reply);
    this.jobs();
    this.size();
    this.say(`Edit ${number}: ${reply.verdict}. Hold O for the original.`);
  }

  showMetrics(reply) {
    const shown = [
      ["Colours off", reply.metrics.color_l1_moved],
      ["Background changed", reply.metrics.background_l1],
      ["Seconds", reply.metrics.seconds],
    ].filter(([, value]) => value != null);
    this.metrics.replaceChildren(
      ...shown.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, typeof value === "number" ? String(Number(value.toPrecision(3))) : value)]),
    );
  }

  leaveResult() {
    if (!this.shown) return;
    this.shown = null;
    this.resultBar.hidden = true;
    this.modes.hidden = false;
    this.metrics.replaceChildren();
    this.jobs();
    this.size();
    this.say("Editing again.");
  }

  async download(what) {
    const reply = await this.ask("take", { what, job: this.jobTaken() });
    if (reply.error) return;
    const link = h("a", { download: reply.name });
    link.href = URL.createObjectURL(new Blob([bytes(reply.data)]));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    this.say(`${reply.name} is saved by the browser.`);
  }

  jobTaken() {
    const done = this.state.jobs.filter((job) => job.status === "done");
    return this.shown?.number ?? done.at(-1)?.number ?? 0;
  }

  async showText(what) {
    const reply = await this.ask("take", { what, job: this.shown?.number ?? 0 });
    if (reply.error) return;
    this.textTitle.textContent = what === "command" ? "The same edit in a shell" : "The same edit in a notebook";
    this.textArea.value = reply.text;
    this.text.showModal();
    this.textArea.select();
  }

  // Dragging: one message at a time, always the newest place.

  begin(name, at) {
    const part = this.state.parts[this.selected];
    const handle = part.handles.find((one) => one.name === name);
    this.dragging = {
      part: this.selected,
      handle: name,
      words: part.motion,
      start: at,
      from: handle ? [handle.x, handle.y] : at,
      mode: this.mode,
      moved: false,
      waiting: null,
    };
    this.composed = null;
    clearTimeout(this.resting);
    this.changes++;
  }

  follow(at, snap) {
    const drag = this.dragging;
    drag.moved = true;
    drag.to = [drag.from[0] + at[0] - drag.start[0], drag.from[1] + at[1] - drag.start[1]];
    drag.snap = snap;
    this.pull();
  }

  async pull() {
    const drag = this.dragging;
    if (!drag || drag.busy) {
      if (drag) drag.again = true;
      return;
    }
    drag.busy = true;
    const reply = await this.transport.send(this.dragMessage(drag));
    drag.busy = false;
    if (this.dragging === drag && drag.again) {
      drag.again = false;
      this.pull();
    }
    if (this.dragging !== drag) return;
    if (reply.error) return this.fault(`parts[${drag.part}].motion: ${reply.error}`);
    this.clearFaults();
    const part = this.state.parts[drag.part];
    Object.assign(part, reply.view);
    part.points = floats(part.moved);
    this.partWords(drag.part, reply.view);
    this.paint();
  }

  dragMessage(drag) {
    return { type: "drag", mode: drag.mode, part: drag.part, words: drag.words, handle: drag.handle, x: drag.to[0], y: drag.to[1], snap: drag.snap === true };
  }

  async drop() {
    const drag = this.dragging;
    this.dragging = null;
    if (!drag?.moved) return this.paint();
    const { type, ...values } = this.dragMessage(drag);
    if (await this.change(type, { ...values, done: true })) this.say(this.state.parts[drag.part]?.motion || "It rests.");
    else await this.refresh();
  }

  async abandon() {
    this.draft = null;
    this.dragging = null;
    await this.refresh();
  }

  // The pointer: mouse, pen and touch.

  place(event) {
    const box = this.overlay.getBoundingClientRect();
    const { width, height } = this.state.photo;
    return [((event.clientX - box.left) / box.width) * width - 0.5, ((event.clientY - box.top) / box.height) * height - 0.5];
  }

  clamp([x, y]) {
    const { width, height } = this.state.photo;
    return [Math.min(width - 1, Math.max(0, Math.round(x))), Math.min(height - 1, Math.max(0, Math.round(y)))];
  }

  how(event) {
    return event.altKey ? "remove" : event.shiftKey ? "add" : "new";
  }

  down(event) {
    if (!this.photo || this.shown || event.button > 0 || this.dragging) return;
    const at = this.place(event);
    const handle = event.target.closest?.("[data-handle]");
    this.stage.setPointerCapture(event.pointerId);
    if (!handle) this.stage.focus({ preventScroll: true });
    this.cursor = null;
    if (handle && this.tool === "move") {
      event.preventDefault();
      handle.focus({ preventScroll: true });
      this.begin(handle.dataset.handle, at);
      if (this.mode === "transform" && event.ctrlKey && /^[ns][ew]$/.test(this.dragging.handle)) this.dragging.mode = "perspective";
      return;
    }
    if (this.tool === "move") return this.grab(at);
    const how = this.how(event);
    if (this.tool === "click") this.select("click", [this.clamp(at)], how);
    else if (this.tool === "rectangle") this.draft = { how, points: [this.clamp(at), this.clamp(at)] };
    else if (this.tool === "polygon") this.corner(at, how);
    else this.draft = { how, stroke: true, points: [this.clamp(at)] };
    this.paint();
  }

  grab(at) {
    const [x, y] = this.clamp(at);
    const k = this.scale;
    const id = this.ids?.[Math.round(y * k) * this.photo.width + Math.round(x * k)] ?? 0;
    if (id && this.mode === "points" && id - 1 === this.selected) return this.pin(at);
    if (id) {
      this.choose(id - 1);
      this.begin("move", at);
    }
  }

  async pin(at) {
    await this.change("drag", { part: this.selected, handle: "add", x: at[0], y: at[1], done: true });
  }

  corner(at, how) {
    if (!this.draft) {
      this.draft = { how, points: [this.clamp(at)] };
      return;
    }
    const [first] = this.draft.points;
    const near = Math.hypot(at[0] - first[0], at[1] - first[1]) * this.zoom < CLOSE_PX;
    if (near && this.draft.points.length > 2) this.closePolygon();
    else this.draft.points.push(this.clamp(at));
  }

  moved(event) {
    if (!this.photo) return;
    const at = this.place(event);
    if (this.dragging) return this.follow(at, event.shiftKey);
    this.hover = at;
    if (!this.draft) {
      if (this.tool === "brush" || this.tool === "eraser") this.paintOverlay();
      return;
    }
    if (this.draft.stroke) this.draft.points.push(this.clamp(at));
    else if (this.tool === "rectangle") this.draft.points[1] = this.clamp(at);
    this.paintOverlay();
  }

  up(event) {
    if (this.dragging) return this.drop();
    if (this.tool !== "polygon" && this.draft) this.finish(event);
  }

  finish() {
    const draft = this.draft;
    this.draft = null;
    if (draft.stroke) {
      const erases = this.tool === "eraser" || draft.how === "remove";
      const how = erases ? "remove" : this.selected >= 0 ? "add" : "new";
      return this.select("brush", thinned(draft.points), how, { radius: this.radius });
    }
    const [[left, top], [right, bottom]] = draft.points;
    if (left === right || top === bottom) return this.paint();
    return this.select("rectangle", draft.points, draft.how);
  }

  closePolygon() {
    if (this.tool !== "polygon" || !this.draft) return;
    const { points, how } = this.draft;
    const distinct = points.filter((point, i) => i === 0 || point[0] !== points[i - 1][0] || point[1] !== points[i - 1][1]);
    this.draft = null;
    if (distinct.length > 2) this.select("polygon", distinct, how);
    else this.paint();
  }

  // Keys.

  key(event) {
    if (!this.state || this.help.open || this.text.open) return;
    const field = event.target.closest?.("input:not([type=range]), textarea, select");
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (control && key === "Enter") return this.handled(event, () => this.run(event.shiftKey ? "film" : "run"));
    if (field) return;
    if (control && key === "z") return this.handled(event, () => this.change(event.shiftKey ? "redo" : "undo"));
    if (control && key === "y") return this.handled(event, () => this.change("redo"));
    if (control) return;
    if (key === "Escape") return this.handled(event, () => this.escape());
    if (key === "o" && !event.repeat) return this.handled(event, () => this.hold(true));
    if (key === "?") return this.handled(event, () => this.help.showModal());
    const tool = TOOLS.find(([, , letter]) => letter.toLowerCase() === key);
    if (tool && !event.altKey) return this.handled(event, () => this.setTool(tool[0]));
    const mode = MODES.find(([, , digit]) => digit === key);
    if (mode) return this.handled(event, () => this.setMode(mode[0]));
    const inStage = this.stage.contains(event.target);
    if (key === " " && inStage) return this.handled(event, () => this.play());
    if (key === "," || key === ".") return this.handled(event, () => this.choose(this.selected + (key === "." ? 1 : -1)));
    if (key === "[" || key === "]") return this.handled(event, () => this.reorder(this.selected, key === "]" ? 1 : -1));
    if (key === "+" || key === "=") return this.handled(event, () => this.setRadius(this.radius + 2));
    if (key === "-" || key === "−") return this.handled(event, () => this.setRadius(this.radius - 2));
    if (key === "Delete" || key === "Backspace") return this.handled(event, () => this.delete(event.target));
    if (!inStage || !this.photo || this.shown) return;
    if (key.startsWith("Arrow")) return this.handled(event, () => this.arrow(event, key));
    if (key === "f") return this.handled(event, () => this.closePolygon());
    if (key === "Enter") return this.handled(event, () => this.enter(event));
  }

  handled(event, run) {
    event.preventDefault();
    event.stopPropagation();
    run();
  }

  keyUp(event) {
    if (event.key.toLowerCase() === "o") this.hold(false);
    if (event.key.startsWith("Arrow") && this.dragging?.keys) this.drop();
  }

  hold(on) {
    this.holding = on;
    this.paint();
  }

  escape() {
    if (this.draft || this.dragging) return this.abandon();
    if (this.shown) return this.leaveResult();
    const running = this.state.jobs.find((job) => ["compiling", "running"].includes(job.status));
    if (running) this.cancel(running.number);
  }

  delete(target) {
    const point = /^point-(\d+)$/.exec(target.dataset?.handle ?? "");
    if (!point) return this.remove(this.selected);
    return this.change("drag", { part: this.selected, handle: `remove-${point[1]}`, x: 0, y: 0, done: true });
  }

  arrow(event, key) {
    const step = event.shiftKey ? 10 : 1;
    const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[key];
    const name = event.target.dataset?.handle;
    if (this.tool !== "move" && !name) return this.moveCursor(by);
    if (this.selected < 0) return;
    if (!this.dragging) {
      this.begin(name ?? "move", [0, 0]);
      this.dragging.keys = [0, 0];
    }
    const drag = this.dragging;
    if (!drag.keys) return;
    drag.keys = [drag.keys[0] + by[0], drag.keys[1] + by[1]];
    this.follow(name === "rotate" ? this.around(drag) : drag.keys, false);
  }

  // Arrows at the turning handle take it around the pivot: a pixel is a degree.
  around(drag) {
    const pivot = this.state.parts[drag.part].handles.find((one) => one.name === "pivot");
    const angle = ((drag.keys[0] + drag.keys[1]) * Math.PI) / 180;
    const [x, y] = [drag.from[0] - pivot.x, drag.from[1] - pivot.y];
    return [x * Math.cos(angle) - y * Math.sin(angle) - x, x * Math.sin(angle) + y * Math.cos(angle) - y];
  }

  moveCursor(by) {
    const { width, height } = this.state.photo;
    const [x, y] = this.cursor ?? [width / 2, height / 2];
    this.cursor = this.clamp([x + by[0], y + by[1]]);
    if (this.draft && this.tool === "rectangle") this.draft.points[1] = this.cursor;
    if (this.draft?.stroke) this.draft.points.push(this.cursor);
    this.say(`${this.cursor[0]}, ${this.cursor[1]}`);
    this.paintOverlay();
  }

  enter(event) {
    if (this.tool === "move") return;
    const at = this.clamp(this.cursor ?? [this.state.photo.width / 2, this.state.photo.height / 2]);
    this.cursor = at;
    const how = this.how(event);
    if (this.tool === "click") this.select("click", [at], how);
    else if (this.tool === "polygon") this.corner(at, how);
    else if (this.draft) this.finish();
    else this.draft = { how, stroke: this.tool !== "rectangle", points: this.tool === "rectangle" ? [at, at] : [at] };
    this.paintOverlay();
  }

  // Playing: what was told, by degrees.

  play() {
    if (this.playing || !this.state?.parts.some((part) => part.motion)) return;
    this.playing = true;
    this.composed = null;
    this.say("Playing the motion.");
    const began = performance.now();
    const frame = (now) => {
      this.share = Math.min(1, (now - began) / PLAY_MS);
      this.paint();
      if (this.share < 1) return requestAnimationFrame(frame);
      this.playing = false;
      this.say("Played.");
      this.rest();
    };
    requestAnimationFrame(frame);
  }

  // Drawing.

  size() {
    const seen = this.shown?.pictures.source ?? this.photo;
    this.empty.hidden = Boolean(seen);
    this.frame.hidden = !seen;
    if (!seen) return;
    const { width, height } = this.state.photo;
    const space = this.stage.getBoundingClientRect();
    const margin = this.shown ? 12 : Math.min(56, space.width / 10);
    const fit = Math.min((space.width - 2 * margin) / seen.width, (space.height - 2 * margin) / seen.height, 3);
    this.frame.style.width = `${Math.max(40, Math.round(seen.width * fit))}px`;
    this.frame.style.height = `${Math.max(40, Math.round(seen.height * fit))}px`;
    if (this.canvas.width !== seen.width || this.canvas.height !== seen.height) {
      this.canvas.width = seen.width;
      this.canvas.height = seen.height;
    }
    this.overlay.setAttribute("viewBox", `-0.5 -0.5 ${width} ${height}`);
    this.zoom = Math.max(40, seen.width * fit) / width; // screen pixels a photo pixel
    this.paint();
  }

  get scale() {
    return this.photo.width / this.state.photo.width;
  }

  // Photo pixels to pixels of the shown picture: both count from the centre of the first.
  scaled(points) {
    const k = this.scale;
    if (k === 1) return points;
    const out = new Float32Array(points.length);
    for (let i = 0; i < points.length; i++) out[i] = (points[i] + 0.5) * k - 0.5;
    return out;
  }

  paint() {
    if (!this.state) return;
    this.paintPixels();
    this.paintOverlay();
  }

  paintPixels() {
    if (!this.photo) return;
    const context = this.canvas.getContext("2d");
    if (this.shown) return this.paintResult(context);
    if (this.holding) return context.putImageData(this.photo, 0, 0);
    this.meshPixels(!this.composed);
    context.putImageData(this.composed ?? this.out, 0, 0);
  }

  // The photo with its parts where their points are, and which part each pixel shows.
  meshPixels(colored) {
    const { width, height } = this.photo;
    if (this.out?.width !== width || this.out.height !== height) {
      this.out = new ImageData(width, height);
      this.ids = new Uint8Array(width * height);
    }
    const parts = this.state.parts;
    const moving = parts.some((part) => part.motion) && this.ground;
    if (colored) this.out.data.set((moving ? this.ground : this.photo).data);
    this.ids.fill(0);
    const draw = (part, painted) => {
      const shape = this.geometries.get(part.selection);
      if (!shape || shape.points.length !== part.points?.length) return;
      rasterize(this.out.data, this.ids, parts.indexOf(part) + 1, width, height, this.photo.data, shape.mask, shape.texture, this.scaled(this.partial(part, shape)), shape.triangles, painted);
    };
    for (const part of parts) if (!part.motion) draw(part, colored && moving); // what rests lies below
    for (const part of parts) if (part.motion) draw(part, colored);
  }

  // A part's points, after a share of their way.
  partial(part, shape) {
    if (this.share === 1) return part.points;
    return part.points.map((value, i) => shape.points[i] + this.share * (value - shape.points[i]));
  }

  paintResult(context) {
    const { pictures } = this.shown;
    const seen = pictures[this.viewChoice.value] ?? pictures["image-0"];
    const flow = this.viewChoice.value === "asked" || this.viewChoice.value === "found";
    this.compare.disabled = flow;
    context.putImageData(this.holding ? pictures.source : seen, 0, 0);
    if (flow || this.holding) return;
    const at = Math.round((Number(this.compare.value) / 100) * seen.width);
    if (at > 0) context.putImageData(pictures.source, 0, 0, 0, 0, at, seen.height);
    context.fillStyle = "#fff";
    context.fillRect(at - 1, 0, 2, seen.height);
  }

  paintOverlay() {
    if (!this.photo || !this.state?.photo) {
      this.marks.replaceChildren();
      this.grips.replaceChildren();
      return;
    }
    const unit = 1 / this.zoom;
    const drawn = [hatch(unit)];
    let held = [];
    if (!this.shown && !this.holding) {
      this.state.parts.forEach((part, i) => drawn.push(...this.outline(part, i, unit)));
      drawn.push(...this.drafted(unit));
      const chosen = this.state.parts[this.selected];
      if (chosen && this.tool === "move" && this.share === 1) {
        drawn.push(...this.stems(chosen, unit));
        held = chosen.handles;
      }
    } else if (this.shown) drawn.push(...this.divider(unit));
    this.marks.replaceChildren(...drawn);
    this.grip(held, unit);
  }

  // Handles stay the same elements as long as they are the same, so that focus stays, too.
  grip(handles, unit) {
    const key = handles.map((one) => one.name).join(" ");
    if (key !== this.gripped) {
      this.gripped = key;
      const focused = this.grips.contains(this.focused);
      this.grips.replaceChildren(...handles.map((one) => this.handle(one)));
      if (focused) this.stage.focus({ preventScroll: true });
    }
    handles.forEach((one, i) => this.grips.children[i].setAttribute("transform", `translate(${one.x} ${one.y}) scale(${unit})`));
  }

  divider(unit) {
    if (this.compare.disabled) return [];
    const { width, height } = this.state.photo;
    const x = (Number(this.compare.value) / 100) * width - 0.5;
    return [s("circle", { cx: x, cy: height / 2, r: 9 * unit, class: "knob" })];
  }

  outline(part, i, unit) {
    const shape = this.geometries.get(part.selection);
    if (!shape || shape.points.length !== part.points.length) return [];
    const points = this.partial(part, shape);
    let path = "", first = 0;
    for (const count of shape.outlines) {
      for (let p = first; p < first + count; p++) path += `${p === first ? "M" : "L"}${points[2 * p].toFixed(2)} ${points[2 * p + 1].toFixed(2)}`;
      path += "Z";
      first += count;
    }
    const kind = `${i === this.selected ? "chosen" : "other"}${part.leaving > 0 ? " leaving" : ""}${part.rough ? " rough" : ""}`;
    const found = [s("path", { d: path, class: `outline back ${kind}` }), s("path", { d: path, class: `outline ${kind}` })];
    for (const line of found) line.style.strokeWidth = `${(line.classList.contains("back") ? 3 : 1.4) * unit}`;
    if (!found[1].classList.contains("rough")) found[1].style.strokeDasharray = part.leaving > 0 ? `${2 * unit} ${4 * unit}` : `${6 * unit} ${4 * unit}`;
    if (part.folded.length && this.share === 1) {
      let folds = "";
      for (const t of part.folded) {
        const corners = [0, 1, 2].map((k) => shape.triangles[3 * t + k]).map((p) => `${points[2 * p].toFixed(2)} ${points[2 * p + 1].toFixed(2)}`);
        folds += `M${corners.join("L")}Z`;
      }
      found.push(s("path", { d: folds, class: "folds", fill: "url(#folds)" }));
    }
    return found;
  }

  stems(part, unit) {
    const at = Object.fromEntries(part.handles.map((one) => [one.name, one]));
    const drawn = [];
    const line = (from, to) => {
      const made = s("line", { x1: from.x, y1: from.y, x2: to.x, y2: to.y, class: "stem" });
      made.style.strokeWidth = `${1.2 * unit}`;
      drawn.push(made);
    };
    if (at.nw) {
      const corners = ["nw", "ne", "se", "sw"].map((name) => `${at[name].x},${at[name].y}`);
      const box = s("polygon", { points: corners.join(" "), class: "box" });
      box.style.strokeWidth = `${1.2 * unit}`;
      drawn.push(box);
    }
    if (at.rotate) line(at.n, at.rotate);
    if (at.tip) line(at.axis, at.tip);
    return drawn;
  }

  handle(one) {
    const group = s("g", { class: `handle ${one.name.replace(/-\d+$/, "")}`, tabindex: 0, role: "button", "aria-label": one.label, "data-handle": one.name });
    group.append(s("circle", { r: 14, class: "touch" }), ...shapeOf(one.name), s("title", {}, one.label));
    return group;
  }

  drafted(unit) {
    const drawn = [];
    const stroke = (element, width = 1.5) => {
      element.style.strokeWidth = `${width * unit}`;
      drawn.push(element);
    };
    const draft = this.draft;
    const list = draft?.points.map((point) => point.join(",")).join(" ");
    if (draft?.stroke) {
      const path = s("polyline", { points: draft.points.length > 1 ? list : `${list} ${list}`, class: this.tool === "eraser" || draft.how === "remove" ? "stroke erases" : "stroke" });
      stroke(path, (2 * this.radius) / unit);
    } else if (draft && this.tool === "rectangle") {
      const [[a, b], [c, d]] = draft.points;
      stroke(s("rect", { x: Math.min(a, c), y: Math.min(b, d), width: Math.abs(c - a), height: Math.abs(d - b), class: "draft" }));
    } else if (draft) {
      stroke(s("polyline", { points: `${list}${this.hover && !this.cursor ? ` ${this.hover.join(",")}` : this.cursor ? ` ${this.cursor.join(",")}` : ""}`, class: "draft" }));
      stroke(s("circle", { cx: draft.points[0][0], cy: draft.points[0][1], r: 5 * unit, class: "draft first" }));
    }
    const paints = this.tool === "brush" || this.tool === "eraser";
    const at = this.cursor ?? (paints ? this.hover : null);
    if (at && paints) stroke(s("circle", { cx: at[0], cy: at[1], r: this.radius, class: "tip-of-brush" }));
    if (this.cursor) {
      const [x, y] = this.cursor, arm = 9 * unit;
      stroke(s("path", { d: `M${x - arm} ${y}H${x + arm}M${x} ${y - arm}V${y + arm}`, class: "cursor" }));
    }
    return drawn;
  }
}

// Shapes.

function shapeOf(name) {
  if (name === "move") return [s("path", { d: "M-7 0H7M0 -7V7", class: "mark" }), s("circle", { r: 10, class: "ring" })];
  if (name === "pivot") return [s("circle", { r: 6, class: "ring" }), s("circle", { r: 1.6, class: "dot" })];
  if (name === "rotate") return [s("circle", { r: 6.5, class: "face" }), s("path", { d: "M-2.6 1.6A3 3 0 1 1 1 2.8", class: "sign" })];
  if (/^[nesw]$/.test(name)) return [s("rect", { x: -4, y: -4, width: 8, height: 8, rx: 4, class: "face" })];
  if (/^[ns][ew]$/.test(name)) return [s("rect", { x: -5, y: -5, width: 10, height: 10, rx: 1.5, class: "face" })];
  if (name === "axis") return [s("path", { d: "M-6 0L0 -6L6 0L0 6Z", class: "face" })];
  return [s("circle", { r: 6, class: "face" })];
}

function hatch(unit) {
  const pattern = s("pattern", { id: "folds", width: 6 * unit, height: 6 * unit, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  const line = s("rect", { width: 3 * unit, height: 6 * unit, class: "hatch" });
  pattern.append(line);
  return s("defs", {}, pattern);
}

const ICONS = {
  move: "M12 3v18M3 12h18M12 3l-3 3M12 3l3 3M12 21l-3-3M12 21l3-3M3 12l3-3M3 12l3 3M21 12l-3-3M21 12l-3 3",
  click: "M6 3l12 9-6 1.5L9 20z",
  rectangle: "M4 6h16v12H4z",
  polygon: "M5 18L4 8l9-4 7 7-6 9z",
  brush: "M14 4l6 6-8 8-6-6zM6 12c-2 2-1 4-3 7 4 1 7 0 9-1",
  eraser: "M9 19l-5-5L14 4l6 6-9 9zM9 9l6 6M9 19h11",
  everything: "M4 4h5M4 4v5M20 4h-5M20 4v5M4 20h5M4 20v-5M20 20h-5M20 20v-5",
};

function icon(name) {
  return s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}

// Texts and numbers.

const percent = (share) => (share < 0.01 ? "under 1 %" : `${Math.round(100 * share)} %`);

function isOpen(job) {
  return ["waiting", "compiling", "running"].includes(job.status);
}

function jobText(job) {
  if (job.status === "compiling") return "compiling";
  if (job.status === "running") {
    const left = job.done > 1 ? Math.ceil(((job.seconds ?? 0) / job.done) * (job.levels - job.done)) : null;
    const energy = job.energy == null ? "" : `, energy ${Number(job.energy.toPrecision(3))}`;
    return `${job.phase?.replace("_", " ") ?? ""} ${job.done} of ${job.levels}${energy}${left == null ? "" : `, about ${left} s left`}`;
  }
  if (job.status === "done") return job.verdict || "done";
  return job.status;
}

// A stroke's points, without those that add nothing.
function thinned(points) {
  return points.filter((point, i) => i === 0 || point[0] !== points[i - 1][0] || point[1] !== points[i - 1][1]);
}
