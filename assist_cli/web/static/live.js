// The live output of an invocation: one event stream for the page. Without it the page shows the state of its loading.
"use strict";

(() => {
  const BLOCK = 1000;      // lines in one <pre>: a browser lays out only the blocks that are visible
  const BLOCKS = 100;      // of a record; the ones in the middle are removed then
  const CHARACTERS = 8e6;  // of a record, before the ones in the middle are removed
  const RECORDS = 8;       // that a stream follows
  const GAP = 2;           // the kind of a line that stands for missing output
  const NEAR = 40;         // pixels from the end that count as the end
  const SILENCE = 40000;   // ms without any event, after which the connection is lost: the server sends one each 15 s

  const live = document.getElementById("live");
  if (!live) return;
  showTarget();
  addEventListener("hashchange", showTarget);
  if (!live.dataset.stream) return;

  const connection = document.getElementById("connection"), news = document.getElementById("news");
  const panels = new Map(); // by record id
  const toggled = new Map(); // if a person has opened or closed a group, by record id
  let source = null, followed = "", retry = null, silence = null, attempts = 0, isOver = false, ended = 0, mark = null, touched = false;

  // The record or the line of a link, such as #r-….L42: its group is opened; an output that is not here is on a page of its own.
  function showTarget() {
    const found = /^#(r-[a-z0-9]+)(\.L\d+)?$/.exec(location.hash);
    if (!found) return;
    const line = document.getElementById(location.hash.slice(1));
    if (line) {
      for (let each = line.closest("details"); each; each = each.parentElement.closest("details")) each.open = true;
      line.scrollIntoView({ block: found[2] ? "center" : "start" });
    } else if (!location.pathname.includes("/records/") && !document.querySelector(`[data-record="${found[1]}"]`)) {
      location.replace(`/invocations/${live.dataset.id}/records/${found[1]}${location.hash}`);
    }
  }

  // the output of one record

  class Panel {
    constructor(element) {
      this.element = element;
      this.record = element.dataset.record;
      this.offset = Number(element.dataset.offset);
      this.lines = Number(element.dataset.lines);
      this.characters = element.textContent.length;
      this.removed = 0;
      this.more = null;
      this.element.scrollTop = this.element.scrollHeight;
      this.element.addEventListener("scroll", () => { if (this.atEnd) this.seen(); }, { passive: true });
    }

    get isWanted() {
      const group = this.element.closest("details");
      return !group || group.open;
    }

    get atEnd() {
      return this.element.scrollHeight - this.element.scrollTop - this.element.clientHeight <= NEAR;
    }

    add(part) {
      const follows = this.atEnd;
      const unfinished = this.element.querySelector("pre.unfinished");
      if (unfinished) unfinished.remove();
      let at = 0;
      while (at < part.lines.length) at = part.lines[at][1] === GAP ? this.addGap(part.lines, at) : this.addLines(part.lines, at);
      if (part.open) this.element.insertAdjacentHTML("beforeend", `<pre class="unfinished">${line("<a></a>", "", part.open)}</pre>`);
      this.offset = part.offset;
      this.shorten();
      if (follows) this.element.scrollTop = this.element.scrollHeight;
      else if (part.lines.length) this.unseen(part.lines.length);
      const notice = document.querySelector(`[data-notice="${this.record}"]`);
      if (notice) notice.textContent = part.notice || "";
    }

    addGap(lines, at) {
      this.element.insertAdjacentHTML("beforeend", `<p class="gap">${lines[at][0]}</p>`);
      return at + 1;
    }

    // Add lines from this one on, up to the end of a block, in one step. Returns the position of the next one.
    addLines(lines, at) {
      let block = this.element.lastElementChild, text = "";
      if (!block || block.tagName !== "PRE" || block.childElementCount >= BLOCK) {
        block = document.createElement("pre");
        this.element.append(block);
      }
      for (let left = BLOCK - block.childElementCount; left > 0 && at < lines.length && lines[at][1] !== GAP; left -= 1, at += 1) {
        this.lines += 1;
        this.characters += lines[at][0].length;
        const id = `${this.record}.L${this.lines}`;
        text += line(`<a href="#${id}" data-n="${this.lines}" aria-hidden="true" tabindex="-1"></a>`, ` id="${id}"`, lines[at]);
      }
      block.insertAdjacentHTML("beforeend", text);
      return at;
    }

    // Remove blocks from the middle of a very long output: the history keeps both ends too.
    shorten() {
      const blocks = this.element.querySelectorAll("pre:not(.unfinished)");
      if (blocks.length <= BLOCKS && (this.characters <= CHARACTERS || blocks.length < 4)) return;
      const block = blocks[Math.floor(blocks.length / 2)];
      this.removed += block.childElementCount;
      this.characters -= block.textContent.length;
      if (!this.cut) {
        this.cut = document.createElement("p");
        this.cut.className = "gap";
        block.before(this.cut);
      }
      this.cut.textContent = `… ${this.removed.toLocaleString("en")} lines are not shown here: see Raw …`;
      block.remove();
    }

    unseen(number) {
      if (!this.more) {
        this.more = document.createElement("button");
        this.more.type = "button";
        this.more.className = "more-lines";
        this.more.count = 0;
        this.more.addEventListener("click", () => { this.element.scrollTop = this.element.scrollHeight; this.seen(); });
        this.element.after(this.more);
      }
      this.more.count += number;
      this.more.textContent = `${this.more.count.toLocaleString("en")} new lines ↓`;
    }

    seen() {
      if (this.more) this.more.remove();
      this.more = null;
    }
  }

  function line(link, id, [html, kind]) { // the server has escaped its text
    return `<span class="${kind === 1 ? "l err" : "l"}"${id}>${link}${html}</span>`;
  }

  // the stream

  function collect() {
    const found = new Set();
    for (const element of document.querySelectorAll(".output.live")) {
      found.add(element.dataset.record);
      const known = panels.get(element.dataset.record);
      if (!known || known.element !== element) panels.set(element.dataset.record, new Panel(element));
    }
    for (const record of [...panels.keys()]) if (!found.has(record)) panels.delete(record);
  }

  function wanted() {
    return [...panels.values()].filter((panel) => panel.isWanted).slice(0, RECORDS);
  }

  function open() {
    close();
    if (isOver || document.hidden) return;
    const records = wanted(), query = records.map((panel) => `record=${panel.record}:${panel.offset}`).join("&");
    followed = records.map((panel) => panel.record).join();
    source = new EventSource(live.dataset.stream + (query ? `?${query}` : ""));
    for (const event of ["open", "state", "output", "alive"]) source.addEventListener(event, heard);
    source.addEventListener("open", () => { attempts = 0; say("Live"); });
    source.addEventListener("error", lost);
    source.addEventListener("state", (event) => { attempts = 0; show(JSON.parse(event.data)); });
    source.addEventListener("output", (event) => {
      for (const part of JSON.parse(event.data).parts) panels.get(part.record)?.add(part);
    });
    source.addEventListener("end", end);
    source.addEventListener("logout", signedOut);
    heard();
  }

  // A network may drop a connection without an error: then nothing more arrives.
  function heard() {
    clearTimeout(silence);
    silence = setTimeout(lost, SILENCE);
  }

  function close() {
    clearTimeout(retry);
    clearTimeout(silence);
    if (source) source.close();
    source = null;
  }

  // The browser reconnects by itself only after some errors, and does not report the status of an answer.
  function lost() {
    close();
    attempts += 1;
    say("The connection is lost: reconnecting …");
    retry = setTimeout(async () => {
      try {
        const answer = await fetch(location.pathname, { method: "HEAD", redirect: "manual", credentials: "same-origin" });
        if (answer.type === "opaqueredirect") { signedOut(); return; }
        if (answer.status === 404) { say("This is no longer visible to you."); isOver = true; return; }
      } catch { /* the server does not answer yet */ }
      open();
    }, Math.min(500 * 2 ** Math.min(attempts, 4), 5000));
  }

  function signedOut() {
    close();
    isOver = true;
    const link = document.createElement("a");
    link.href = `/login?next=${encodeURIComponent(location.pathname)}`;
    link.textContent = "Log in";
    connection.replaceChildren("Your session has ended. ", link);
  }

  function say(text) {
    if (connection.textContent !== text) connection.textContent = text;
  }

  // the state

  function show(state) {
    const progress = document.getElementById("progress");
    if (progress && !progress.contains(document.activeElement)) progress.innerHTML = state.html;
    for (const [record, html] of Object.entries(state.records)) {
      for (const element of document.querySelectorAll(`[data-state="${record}"]`)) element.innerHTML = html;
    }
    ended = state.ended;
    mark = state.mark;
    offer();
  }

  // Results that are not shown yet wait behind a button while somebody reads.
  function offer() {
    const results = document.getElementById("results");
    if (!results) return;
    if (mark === null) return;
    const isNew = mark !== results.dataset.mark, fresh = ended - Number(results.dataset.ends);
    const waits = isNew && isReading(results);
    news.hidden = !waits;
    news.textContent = fresh > 0 ? `${fresh.toLocaleString("en")} new ${fresh === 1 ? "result" : "results"}` : "Update";
    if (!isNew) clearTimeout(timer);
    else if (!waits) update();
  }

  function isReading(results) {
    const selection = getSelection();
    const begins = results.getBoundingClientRect().top < 0;
    const scrolled = [...panels.values()].some((panel) => panel.isWanted && !panel.atEnd);
    return touched || begins || scrolled || (selection && !selection.isCollapsed) || (results.childElementCount > 0 && scrollY > NEAR);
  }

  // A large page is not asked for all the time; the first results are shown immediately.
  let updating = false, timer = null, next = performance.now() + 500;
  function update() {
    if (updating || !live.dataset.part) return;
    const results = document.getElementById("results"), isFirst = ended > 0 && results.dataset.ends === "0";
    clearTimeout(timer);
    timer = setTimeout(replaceBody, isOver || isFirst ? 0 : Math.max(next - performance.now(), 0));
  }

  async function replaceBody() {
    if (updating) return;
    updating = true;
    const began = performance.now(), isNew = await fetchBody();
    updating = false;
    next = performance.now() + Math.max(1000, 4 * (performance.now() - began));
    if (isNew) offer();
  }

  async function fetchBody() {
    try {
      const answer = await fetch(live.dataset.part, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) return false;
      const part = new DOMParser().parseFromString(await answer.text(), "text/html");
      const body = document.getElementById("body");
      for (const element of part.querySelectorAll("details[data-key]")) {
        if (toggled.has(element.dataset.key)) element.open = toggled.get(element.dataset.key);
      }
      for (const element of part.querySelectorAll(".output.live")) { // what was received stays
        const known = panels.get(element.dataset.record);
        if (known) element.replaceWith(known.element);
      }
      body.replaceChildren(...part.body.childNodes);
      collect();
      if (!isOver && (!source || followed !== wanted().map((panel) => panel.record).join())) open();
      return true;
    } catch { return false; } // the button stays
  }

  function end() {
    close();
    isOver = true;
    say("It has ended.");
    const [panel] = panels.values();
    if (live.dataset.reload) { if (!panel || panel.atEnd) location.reload(); return; }
    offer();
  }

  document.addEventListener("toggle", (event) => {
    if (!event.target.matches?.("details.group")) return;
    if (event.target.classList.contains("panel")) { clearTimeout(open.timer); open.timer = setTimeout(open, 50); }
  }, true);
  document.addEventListener("click", (event) => {
    const group = event.target.closest("#body summary")?.parentElement;
    if (!group) return;
    touched = true;
    toggled.set(group.dataset.key, !group.open);
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else open(); });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  news.addEventListener("click", () => { touched = false; replaceBody(); });
  collect();
  open();
})();
