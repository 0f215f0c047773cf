// The page of the chat example. All that users wrote goes into the page as text, never as HTML.

import { Events } from "/events.js";

const page = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** The rooms this user is in: name → { name, members, list, seen, last, unread, draft }. */
const mine = new Map();
/** The rooms that the server was asked for. */
const asked = new Set();
/** All rooms of the server: [{ room, members }]. */
let rooms = [];
let events = null;
let me = "";
let here = null;
let nextAttempt = 0;
let isAtEnd = true;

// The connection

page("name").value = query.get("name") ?? "";

page("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = page("name").value.trim();
  if (name === "") return;
  page("refusal").textContent = "";
  page("door").hidden = true;
  page("app").hidden = false;
  called(name);
  connect(name);
  page("room").focus();
});

function connect(name) {
  const delay = query.has("quick") ? () => 1_000 : undefined;
  const connection = new Events(`/ws?name=${encodeURIComponent(name)}`, { delay });
  events = connection;
  showState();
  events.onOpen(() => {
    showState();
    mine.forEach(({ name }) => ask(name));
  });
  events.onClose(({ code, reason, willReconnect, delay }) => {
    if (events !== connection) return;
    nextAttempt = Date.now() + delay;
    showState();
    if (!willReconnect) goOut(reason || `The server closed the connection (${code}).`);
  });
  events.onError((error) => tell(error.message));
  events.on("welcome", (welcome) => {
    called(welcome.name);
    showRooms(welcome.rooms);
  });
  events.on("rooms", showRooms);
  events.on("joined", joined);
  events.on("entered", ({ room, name }) => moved(room, name, true));
  events.on("left", ({ room, name }) => moved(room, name, false));
  events.on("said", said);
  events.on("problem", tell);
}

page("quit").addEventListener("click", () => {
  events.close();
  goOut("");
});

function goOut(why) {
  events = null;
  mine.clear();
  asked.clear();
  rooms = [];
  show(null);
  page("app").hidden = true;
  page("door").hidden = false;
  page("refusal").textContent = why;
  page("name").focus();
}

function called(name) {
  me = name;
  page("me").replaceChildren(avatar(name), element("span", "", name));
}

function showState() {
  const { state } = events;
  const words = { connecting: "Connecting…", open: "Connected", waiting: "Connection lost", closed: "Closed" };
  const seconds = Math.ceil((nextAttempt - Date.now()) / 1_000);
  page("countdown").textContent = state === "waiting" ? `· again in ${Math.max(seconds, 1)} s` : "";
  page("send").disabled = state !== "open";
  if (page("state").dataset.state === state) return;
  page("state").dataset.state = state;
  page("state-text").textContent = words[state];
}
setInterval(() => events && showState(), 200);

// Rooms

page("joining").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = page("room").value.trim();
  if (name === "") return;
  page("room").value = "";
  go(name);
});

page("rooms").addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button) go(button.dataset.room);
});

page("leave").addEventListener("click", () => {
  const { name } = here;
  emit("leave", name);
  asked.delete(name);
  mine.delete(name);
  show([...mine.values()].at(-1) ?? null);
});

function go(name) {
  if (mine.has(name)) show(mine.get(name));
  else ask(name);
}

function ask(name) {
  asked.add(name);
  emit("join", name);
}

function joined({ room: name, members, history }) {
  // An answer may come when the user has left again.
  if (!asked.delete(name)) return;
  const isNew = !mine.has(name);
  const room = mine.get(name) ?? { name, list: element("ol"), seen: new Set(), last: null, unread: 0, draft: "" };
  room.members = new Set(members);
  mine.set(name, room);
  // After a reconnect the history tells again what is there already.
  history.filter((message) => !room.seen.has(key(message))).forEach((message) => add(room, message));
  if (isNew) show(room);
  else showRoom();
}

function moved(name, who, isIn) {
  const room = mine.get(name);
  if (!room) return;
  if (isIn) room.members.add(who);
  else room.members.delete(who);
  room.last = null;
  append(room, element("li", "notice", isIn ? `${who} joined` : `${who} left`));
  showRoom();
}

/** Brings a room to the front, or none. */
function show(room) {
  if (here) here.draft = page("text").value;
  here = room;
  closeMenu();
  page("here").hidden = !room;
  page("nowhere").hidden = Boolean(room);
  page("people").hidden = !room;
  if (room) {
    room.unread = 0;
    page("text").value = room.draft;
    page("text").placeholder = `Message #${room.name}`;
    // What is only shown again is not read out again.
    page("messages").ariaLive = "off";
    page("messages").replaceChildren(room.list);
    setTimeout(() => { page("messages").ariaLive = "polite"; }, 500);
    toNewest();
    if (matchMedia("(pointer: fine)").matches) page("text").focus();
  }
  showRoom();
}

/** What there is to say about the room in front. */
function showRoom() {
  if (here) {
    const names = [...here.members].sort((one, other) => one.localeCompare(other));
    page("title").textContent = `#${here.name}`;
    page("count").textContent = names.length === 1 ? "Only you" : `${names.length} members`;
    page("silence").hidden = here.list.childElementCount > 0;
    page("members").replaceChildren(...names.map((name) => {
      const item = element("li");
      item.dataset.member = name;
      item.append(avatar(name), element("span", "", name), element("small", "", name === me ? "you" : ""));
      return item;
    }));
  }
  showRooms(rooms);
}

function showRooms(counts) {
  rooms = counts;
  const all = new Map(counts.map(({ room, members }) => [room, members]));
  mine.forEach(({ name, members }) => all.set(name, members.size));
  const names = [...all.keys()].sort((one, other) => one.localeCompare(other));
  const focused = document.activeElement?.dataset.room;
  page("rooms").replaceChildren(...names.map((name) => roomItem(name, all.get(name))));
  if (focused) page("rooms").querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  page("no-rooms").hidden = names.length > 0;
  const unread = [...mine.values()].reduce((sum, room) => sum + room.unread, 0);
  page("elsewhere").hidden = unread === 0;
  document.title = `${unread ? `(${unread}) ` : ""}${here ? `#${here.name} · ` : ""}Chat`;
}

function roomItem(name, members) {
  const room = mine.get(name);
  const button = element("button", room ? "mine" : "");
  button.dataset.room = name;
  if (room && room === here) button.setAttribute("aria-current", "true");
  button.append(element("span", "sign", "#"), element("span", "room", name));
  if (room?.unread) button.append(counted("unread", room.unread, "new"));
  button.append(counted("size", members, members === 1 ? "member" : "members"));
  const item = element("li");
  item.append(button);
  return item;
}

function counted(kind, count, what) {
  const badge = element("span", kind, String(count));
  badge.append(element("span", "unseen", ` ${what}`));
  badge.title = `${count} ${what}`;
  return badge;
}

// Messages

page("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = page("text").value.trim();
  // While there is no connection the text stays where it is.
  if (text === "" || events.state !== "open") return;
  emit("say", { room: here.name, text });
  page("text").value = "";
});

page("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  page("composer").requestSubmit();
});

page("newest").addEventListener("click", toNewest);
page("messages").addEventListener("scroll", () => {
  const { scrollHeight, scrollTop, clientHeight } = page("messages");
  isAtEnd = scrollHeight - scrollTop - clientHeight < 60;
  if (isAtEnd) page("newest").hidden = true;
});
new ResizeObserver(() => { if (isAtEnd) toNewest(); }).observe(page("messages"));

function said({ room: name, ...message }) {
  const room = mine.get(name);
  if (!room) return;
  if (room !== here) room.unread += 1;
  add(room, message);
  showRoom();
}

const key = ({ name, text, at }) => JSON.stringify([name, text, at]);

function add(room, { name, text, at }) {
  room.seen.add(key({ name, text, at }));
  const isMine = name === me;
  const follows = room.last?.name === name && at - room.last.at < 180_000;
  room.last = { name, at };
  const item = element("li", `message${isMine ? " mine" : ""}${follows ? " follows" : ""}`);
  item.dataset.from = name;
  const time = element("time", "", clock.format(at));
  time.dateTime = new Date(at).toISOString();
  const by = element("p", "by");
  by.append(coloured(element("b", "", isMine ? "You" : name), name), " ", time);
  const said = element("div", "said");
  said.append(by, element("p", "bubble", text));
  item.append(avatar(name), said);
  append(room, item, isMine);
}

function append(room, item, isMine = false) {
  room.list.append(item);
  if (room !== here) return;
  if (isAtEnd || isMine) toNewest();
  else page("newest").hidden = false;
}

function toNewest() {
  isAtEnd = true;
  page("messages").scrollTop = page("messages").scrollHeight;
  page("newest").hidden = true;
}

// The rest

function emit(name, value) {
  try {
    events.emit(name, value);
  } catch (error) {
    tell(error.message);
  }
}

function tell(problem) {
  page("problem").textContent = problem;
  page("problem").hidden = false;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => { page("problem").hidden = true; }, 6_000);
}

for (const button of ["menu", "pick"]) page(button).addEventListener("click", () => {
  const isOpen = page("app").classList.toggle("menu");
  page("menu").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) page("room").focus();
});
page("shade").addEventListener("click", closeMenu);
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || !page("app").classList.contains("menu")) return;
  closeMenu();
  page("menu").focus();
});

function closeMenu() {
  page("app").classList.remove("menu");
  page("menu").setAttribute("aria-expanded", "false");
}

function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** The first letter of a name in the colour of that name. */
function avatar(name) {
  const made = element("span", "avatar", [...name][0]?.toUpperCase() ?? "?");
  made.ariaHidden = "true";
  return coloured(made, name);
}

function coloured(made, name) {
  const hash = [...name].reduce((sum, letter) => (sum * 33 + letter.codePointAt(0)) % 65_521, 5);
  made.style.setProperty("--hue", (hash * 47) % 360);
  return made;
}
