// A carrier's SMPP gateway for tests: node-smpp speaks, this decides what goes wrong.
//
//   node gateway.js OPTIONS-AS-JSON      prints {"port": N} when it listens
//
// What happens to a message is in the two digits of its destination after the first five
// (86138 NN ......), see KINDS, unless the option ``faults`` is false. Every part that is taken is a line of the ledger, written before
// it is answered, and so is one that is refused, which says by what status. Commands come as lines of JSON on the standard input; when that ends, so does it.

'use strict';
const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const options = Object.assign({
  port: 0, ledger: '', systemId: 'fenghuo', password: 'secret', binds: 100,
  ids: 'hex', receiptIds: 'hex', textOnly: false, receiptMs: 20, window: 1e9, ratePerS: 0,
  faults: true,
}, JSON.parse(process.argv[2] || '{}'));

const KINDS = {
  '01': 'throttled', '02': 'transient', '03': 'bad_recipient', '04': 'bad_content',
  '05': 'bad_account', '06': 'answer_lost', '07': 'answer_late', '08': 'cut',
  '09': 'undelivered', 10: 'receipt_lost', 11: 'receipt_repeated', 12: 'conflicting',
  13: 'receipt_early', 14: 'receipt_late', 15: 'other_bind', 16: 'odd_spelling',
  17: 'part_throttled', 18: 'part_lost', 19: 'bad_account_sender', 20: 'replied',
  21: 'cut_untaken',
};
const REFUSED = {
  throttled: 0x58, transient: 0x08, bad_recipient: 0x0b, bad_content: 0x401, bad_account: 0x01,
  bad_account_sender: 0x0a,
};
const kindOf = (pdu) => options.faults && KINDS[pdu.destination_addr.slice(5, 7)];
const LATE_MS = 1200;           // past the end of a batch of one second
const DISORDER_MS = 250;

const ledger = options.ledger ? fs.openSync(options.ledger, 'a') : null;
const sessions = new Set();     // bound
const owed = new Map();         // receipts and replies not acknowledged, by number
const counts = { binds: 0, refusedBinds: 0, submits: 0, taken: 0, acknowledged: 0 };
let nextId = options.firstId || 0x9df2261;
let nextOwed = 1;
let held = null;                // answers kept back while the test says so
let throttledUntilMs = 0;
let second = 0;
let inSecond = 0;
const seenParts = new Set();

function write(entry) {
  if (ledger !== null) fs.writeSync(ledger, JSON.stringify(entry) + '\n');
}

function inBase(id, base) {
  return base === 'hex' ? id.toString(16) : base === 'HEX' ? '0' + id.toString(16).toUpperCase()
    : id.toString(10);
}

function stamp(date) {
  const two = (n) => String(n).padStart(2, '0');
  return two(date.getFullYear() % 100) + two(date.getMonth() + 1) + two(date.getDate())
    + two(date.getHours()) + two(date.getMinutes());
}

function bring(pdu, preferred) {
  owed.set(nextOwed, { pdu, session: null });
  offer(nextOwed++, preferred);
}

// Hand one of what is owed to a bind, if there is one; again when a bind comes.
function offer(number, preferred) {
  const item = owed.get(number);
  const session = preferred && sessions.has(preferred) ? preferred : [...sessions][0];
  if (!item || item.session || !session) return;
  item.session = session;
  session.deliver_sm(item.pdu, (answer) => {
    if (answer.command_status === 0) {
      owed.delete(number);
      counts.acknowledged += 1;
      return;
    }
    item.session = null;        // told to wait: it comes again
    setTimeout(() => offer(number), 200);
  });
}

function receipt(pdu, id, stat, session) {
  const written = inBase(id, options.receiptIds);
  const now = stamp(new Date());
  const kind = kindOf(pdu);
  const text = kind === 'odd_spelling'
    ? `ID:${written} Stat:${stat} Done_Date:${now} Err:000`
    : `id:${written} sub:001 dlvrd:001 submit date:${now} done date:${now} stat:${stat} err:000 text:`;
  const message = {
    source_addr: pdu.destination_addr, destination_addr: pdu.source_addr,
    source_addr_ton: 1, source_addr_npi: 1, esm_class: 4, short_message: text,
  };
  if (!options.textOnly && kind !== 'odd_spelling') {
    message.receipted_message_id = written;
    message.message_state = { DELIVRD: 2, EXPIRED: 3, UNDELIV: 5, REJECTD: 8, ENROUTE: 1 }[stat];
  }
  bring(message, session);
}

function report(kind, pdu, id, session) {
  const after = (ms, stat, to) => setTimeout(() => receipt(pdu, id, stat, to || session), ms);
  const ms = options.receiptMs;
  switch (kind) {
    case 'receipt_lost': return;
    case 'undelivered': after(ms, 'UNDELIV'); return;
    case 'receipt_repeated': after(ms, 'DELIVRD'); after(ms + 20, 'DELIVRD'); return;
    case 'conflicting': after(ms, 'DELIVRD'); after(ms + 20, 'UNDELIV'); return;
    case 'receipt_late': after(ms + DISORDER_MS, 'DELIVRD'); return;
    case 'receipt_early': receipt(pdu, id, 'DELIVRD', session); return;
    case 'other_bind': after(ms, 'DELIVRD', [...sessions].find((one) => one !== session)); return;
    case 'part_lost': if (partOf(pdu) !== 2) after(ms, 'DELIVRD'); return;
    case 'replied':
      after(ms, 'DELIVRD');
      setTimeout(() => bring({
        source_addr: pdu.destination_addr, destination_addr: pdu.source_addr,
        data_coding: 8, short_message: { message: 'TD 退订' },
      }, session), ms + 20);
      return;
    default:
      if (pdu.registered_delivery) {
        if (ms === 0) receipt(pdu, id, 'DELIVRD', session); else after(ms, 'DELIVRD');
      }
  }
}

function partOf(pdu) {
  const udh = pdu.short_message && pdu.short_message.udh;
  if (!udh || !udh.length) return 1;
  const one = Buffer.isBuffer(udh[0]) ? udh[0] : udh;
  return one[one.length - 1];
}

function submit(session, pdu) {
  counts.submits += 1;
  const kind = kindOf(pdu);
  const now = Date.now();
  const refuse = (status) => {
    write({ refused: status, to: pdu.destination_addr, at: now });
    session.send(pdu.response({ command_status: status }));
  };
  if (REFUSED[kind]) { refuse(REFUSED[kind]); return; }
  if (now < throttledUntilMs || overRate(now)) { refuse(0x58); return; }
  if (kind === 'part_throttled' && partOf(pdu) === 2 && !seenParts.has(pdu.destination_addr)) {
    seenParts.add(pdu.destination_addr);
    refuse(0x58);
    return;
  }
  if (kind === 'cut_untaken') { session.destroy(); return; }
  const id = nextId++;
  counts.taken += 1;
  const body = pdu.short_message || {};
  write({
    id, to: pdu.destination_addr, from: pdu.source_addr, coding: pdu.data_coding,
    part: partOf(pdu), udh: Boolean(pdu.esm_class & 0x40), validity: pdu.validity_period,
    text: typeof body === 'string' ? body : String(body.message || ''), at: now,
    bind: session.number,
  });
  const answer = () => session.send(pdu.response({ message_id: inBase(id, options.ids) }));
  if (kind === 'cut') { session.destroy(); return; }
  report(kind, pdu, id, session);
  if (kind === 'answer_lost') return;
  if (kind === 'answer_late') { setTimeout(answer, LATE_MS); return; }
  if (held !== null) { held.push(answer); return; }
  answer();
}

function overRate(now) {
  if (!options.ratePerS) return false;
  const current = Math.floor(now / 1000);
  if (current !== second) { second = current; inSecond = 0; }
  inSecond += 1;
  return inSecond > options.ratePerS;
}

function bound(session, pdu) {
  counts.binds += 1;
  const refuse = (status) => {
    counts.refusedBinds += 1;
    session.send(pdu.response({ command_status: status }));
    session.close();
  };
  if (pdu.system_id !== options.systemId) { refuse(0x0f); return; }
  if (pdu.password !== options.password) { refuse(0x0e); return; }
  if (sessions.size >= options.binds) { refuse(0x05); return; }
  session.send(pdu.response());
  session.number = counts.binds;
  sessions.add(session);
  for (const number of owed.keys()) offer(number, session);
}

const secrets = options.key
  ? { key: fs.readFileSync(options.key), cert: fs.readFileSync(options.cert) } : {};
const server = smpp.createServer(secrets, (session) => {
  session.socket.setNoDelay(true);
  session.on('error', () => session.destroy());
  session.on('close', () => {
    sessions.delete(session);
    for (const item of owed.values()) if (item.session === session) item.session = null;
  });
  session.on('bind_transceiver', (pdu) => bound(session, pdu));
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
});

const COMMANDS = {
  hold: () => { held = []; },
  release: () => { const waiting = held || []; held = null; waiting.forEach((answer) => answer()); },
  cut: () => { for (const session of sessions) session.destroy(); },
  throttle: ({ ms }) => { throttledUntilMs = Date.now() + ms; },
  password: ({ is }) => { options.password = is; },
  write: ({ hex }) => { for (const session of sessions) session.socket.write(Buffer.from(hex, 'hex')); },
  enquire: () => { for (const session of sessions) session.enquire_link(); },
  flood: ({ times }) => {
    for (let n = 0; n < times; n += 1) {
      bring({ source_addr: '8613800138000', destination_addr: '12123', short_message: `TD ${n}` });
    }
  },
  tell: () => process.stdout.write(JSON.stringify({ ...counts, owed: owed.size, bound: sessions.size }) + '\n'),
};

readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    try { const command = JSON.parse(line); COMMANDS[command.do](command); }
    catch (error) { console.error(`${line}: no such command: ${error.message}`); }
  })
  .on('close', () => process.exit(0));

server.listen(options.port, '127.0.0.1', () => {
  process.stdout.write(JSON.stringify({ port: server.address().port }) + '\n');
});
