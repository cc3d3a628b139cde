// An SMS centre over the npm package `smpp`: answers by the end of the number, sends receipts, passes on messages of people.
// stdin: one JSON command a line; stdout: one JSON event a line.
const smpp = require(process.env.SMPP_MODULE);
const readline = require('readline');
const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const sessions = new Set();
let counter = 1000;
let throttleLeft = 0;
let dropAfterEach = false;

const byEnding = { '58': smpp.ESME_RTHROTTLED, '14': smpp.ESME_RMSGQFUL, '11': smpp.ESME_RINVDSTADR, '08': smpp.ESME_RSYSERR,
  '10': smpp.ESME_RINVSRCADR, '01': smpp.ESME_RINVMSGLEN };

const server = smpp.createServer((session) => {
  session.on('error', () => {});
  const bind = (pdu) => {
    if (pdu.password !== 'secret') {
      say({ event: 'refused' });
      session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
      session.close();
      return;
    }
    sessions.add(session);
    session.name = pdu.system_id;
    say({ event: 'bound', system_id: pdu.system_id });
    session.send(pdu.response());
  };
  session.on('bind_transceiver', bind);
  session.on('bind_transmitter', bind);
  session.on('close', () => sessions.delete(session));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('enquire_link', (pdu) => { say({ event: 'enquired' }); session.send(pdu.response()); });
  session.on('deliver_sm_resp', (pdu) => say({ event: 'acknowledged', sequence: pdu.sequence_number }));
  session.on('submit_sm', (pdu) => {
    const to = pdu.destination_addr;
    const status = throttleLeft > 0 ? smpp.ESME_RTHROTTLED : byEnding[to.slice(-2)];
    if (throttleLeft > 0) throttleLeft -= 1;
    const message = pdu.short_message;
    const udh = message.udh ? message.udh.map((one) => Buffer.from(one).toString('hex')) : [];
    const event = { event: 'submitted', to, from: pdu.source_addr, source_ton: pdu.source_addr_ton, coding: pdu.data_coding,
      text: typeof message.message === 'string' ? message.message : String(message.message), udh, status: status || 0 };
    if (status) { say(event); session.send(pdu.response({ command_status: status })); return; }
    const id = String(counter += 1);
    say({ ...event, id });
    session.send(pdu.response({ message_id: id }));
    // Between two clients the centre is a network: what one of them submits is delivered to the other.
    const elements = message.udh ? Buffer.concat(message.udh.map((one) => Buffer.from(one))) : null;
    const header = elements && Buffer.concat([Buffer.from([elements.length]), elements]);
    const others = [...sessions].filter((one) => one.name !== session.name);
    for (const other of others) {
      other.deliver_sm({ source_addr: pdu.source_addr, source_addr_ton: pdu.source_addr_ton, source_addr_npi: pdu.source_addr_npi,
        destination_addr: to, dest_addr_ton: pdu.dest_addr_ton, dest_addr_npi: pdu.dest_addr_npi, esm_class: pdu.esm_class,
        data_coding: pdu.data_coding, short_message: header ? { udh: header, message: message.message } : { message: message.message } });
    }
    if (others.length) return;
    if (!(pdu.registered_delivery & 1)) return;
    if (dropAfterEach) { setTimeout(() => session.destroy(), 50); return; }
    const tell = (stat, state) => session.deliver_sm({ source_addr: to, source_addr_ton: 1, destination_addr: pdu.source_addr,
      esm_class: 4, receipted_message_id: id, message_state: state,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2703020900 done date:270302090130 stat:${stat} err:000 text:` });
    // 45: out of order and twice, as happens.
    if (to.endsWith('45')) for (const [stat, state] of [['DELIVRD', 2], ['ACCEPTD', 6], ['DELIVRD', 2], ['ACCEPTD', 6]]) tell(stat, state);
    else if (to.endsWith('21')) tell('UNDELIV', 5);
    else tell('DELIVRD', 2);
  });
});

server.listen(Number(process.argv[2]), '127.0.0.1', () => say({ event: 'listening', port: server.address().port }));
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.do === 'write') {
    for (const session of sessions) {
      session.deliver_sm({ source_addr: command.from, source_addr_ton: 1, destination_addr: command.to, short_message: command.text });
    }
  } else if (command.do === 'throttle') {
    throttleLeft = command.times;
  } else if (command.do === 'drop after each') {
    dropAfterEach = true;
  } else if (command.do === 'drop') {
    for (const session of sessions) session.destroy();
    sessions.clear();
  }
}).on('close', () => process.exit(0));
