// Opens the studio on this page, and carries its messages over HTTP.

import { mount } from "/studio.js";

const token = location.hash.slice(1);
const headers = { "x-studio-token": token };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const transport = {
  // Sends a message; the promise is of the reply.
  async send(message) {
    let response;
    try {
      response = await fetch("/api/message", {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify(message),
      });
    } catch {
      return { error: "the studio does not answer; is its program still running?", offline: true };
    }
    if (!response.ok) return { error: await response.text() };
    return response.json();
  },

  // Calls `hear` with each event, and with {event: "connected"} whenever events begin to come.
  async on(hear) {
    for (;;) {
      try {
        const response = await fetch("/api/events", { headers });
        if (response.status === 401) return;
        hear({ event: "connected" });
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = "";
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          text += value;
          const blocks = text.split("\n\n");
          text = blocks.pop();
          for (const block of blocks)
            if (block.startsWith("data: ")) hear(JSON.parse(block.slice(6)));
        }
      } catch {
        hear({ event: "lost" });
      }
      await pause(1000);
    }
  },
};

mount(document.getElementById("studio"), transport, document).stage.focus({ preventScroll: true });
