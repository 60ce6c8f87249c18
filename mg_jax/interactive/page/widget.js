// Shows the studio in a notebook, and carries its messages over those of anywidget.
//
// A widget's module is one text: this is appended to studio.js, and uses what is defined there.

const BUSY_MS = 2000; // without an answer, until this is said
const SLOW = ["ground", "preview"]; // take so long by themselves
const MOST = 7 << 20; // letters of a file: notebooks' servers take messages of up to 10 MiB

export default {
  render({ model, el }) {
    const root = h("div");
    const host = h("div", { "data-lm-suppress-shortcuts": "true" }); // keys are not the notebook's
    const shadow = host.attachShadow({ mode: "open" }); // neither has the other's style
    shadow.append(h("style", {}, model.get("_style")), root);
    el.append(host);

    const view = Math.random(); // the same widget may be shown twice
    const asked = new Map(); // by number: takes the reply
    let count = 0;
    let hear = () => {};
    const received = (content) => {
      if (content.event) return hear(content.event);
      asked.get(content.to)?.(content.reply);
      asked.delete(content.to);
    };
    model.on("msg:custom", received);

    const send = async (message) => {
      if (message.data?.length > MOST)
        return { error: "file: too large for a notebook; expected at most 5 MB, or mg_jax.studio with its path" };
      let said = false;
      const busy = () => {
        said = true;
        studio.say("Waiting for the notebook's kernel: it is busy, or has ended.");
      };
      const waiting = SLOW.includes(message.type) ? null : setTimeout(busy, BUSY_MS);
      const to = `${view} ${++count}`;
      const reply = await new Promise((resolve) => {
        asked.set(to, resolve);
        model.send({ to, message });
      });
      clearTimeout(waiting);
      if (said) studio.say("");
      return reply;
    };
    const on = (listener) => {
      hear = listener;
    };
    const studio = mount(root, { send, on });
    return () => model.off("msg:custom", received);
  },
};
