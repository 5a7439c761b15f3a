// Node.js: the recipe's https server, and its client.
//
//   node peer.js client PORT VERSION CA CERT|- KEY|- COUNT
//   node peer.js server VERSION CA CERT KEY
//   node peer.js jobs            (one a line, from standard input: see observe.py)
'use strict';
const fs = require('fs');
const https = require('https');
const net = require('net');
const readline = require('readline');
const tls = require('tls');

const [, , mode, ...args] = process.argv;
const versions = (text) => ({ minVersion: 'TLSv' + text, maxVersion: 'TLSv' + text });

function get(options) {
  return new Promise((resolve) => {
    const request = https.get(options, (response) => {
      let body = '';
      response.on('data', (piece) => { body += piece; });
      response.on('end', () => resolve(`${response.statusCode} ${body}`));
    });
    request.on('error', (error) => resolve(`error: ${error.message.trim()} (${error.code})`));
  });
}

async function client([port, version, ca, cert, key, count]) {
  // By address: Node 18 takes "localhost" for ::1 alone, where the door does not listen.
  const options = {
    host: '127.0.0.1', servername: 'localhost', port, path: '/', agent: false, ca: fs.readFileSync(ca), ...versions(version),
  };
  if (cert !== '-') {
    options.cert = fs.readFileSync(cert);
    options.key = fs.readFileSync(key);
  }
  for (let i = 0; i < Number(count); i++) console.log(await get(options));
}

function server([version, ca, cert, key]) {
  const options = {
    ca: fs.readFileSync(ca),
    cert: fs.readFileSync(cert),
    key: fs.readFileSync(key),
    requestCert: true,
    rejectUnauthorized: true,
    ...versions(version),
  };
  const door = https.createServer(options, (req, res) => {
    res.statusCode = 200;
    res.setHeader('Content-Type', 'text/plain');
    res.end(`Hello ${req.socket.getPeerCertificate().subject.CN} from node`);
  });
  door.listen(0, '127.0.0.1', () => console.log('port', door.address().port));
}

// --- Jobs: any client and any server, as somebody would write it who follows the manual ---

const oneLine = (text) => String(text).trim().replace(/\n/g, ' / ');
const say = (what, job, text) => console.log(`${what}\t${job.id}\t${oneLine(text)}`);
const reason = (error) => `${error.code || error.name}: ${error.message}`;
const given = (job, name) => (job[name] ? fs.readFileSync(job[name]) : undefined);

function jobOptions(job) {
  const options = { ca: given(job, 'ca'), cert: given(job, 'cert'), key: given(job, 'key'), pfx: given(job, 'pfx') };
  if (job.pass) options.passphrase = job.pass;
  if (job.max) options.maxVersion = 'TLSv' + job.max;
  if (job.ciphers) options.ciphers = job.ciphers;
  if (job.crl) options.crl = job.crl.split(',').map((file) => fs.readFileSync(file));
  return options;
}

function jobClient(job) {
  const request = https.get({
    ...jobOptions(job), host: '127.0.0.1', port: job.port, agent: false, headers: { host: job.host },
    servername: net.isIP(job.host) ? '' : job.host, checkServerIdentity: (_, cert) => tls.checkServerIdentity(job.host, cert),
  }, (response) => {
    let body = '';
    response.on('data', (piece) => { body += piece; });
    response.on('end', () => say('answer', job, `${response.statusCode} ${body}`));
  });
  request.on('error', (error) => say('error', job, reason(error)));
}

const listeners = {};

function jobServer(job) {
  const asks = { require: [true, true], request: [true, false], any: [true, false], none: [false, false] }[job.clients];
  const options = { ...jobOptions(job), requestCert: asks[0], rejectUnauthorized: asks[1] };
  const door = https.createServer(options, (req, res) => res.end('Hello'));
  door.on('tlsClientError', (error) => say('log', job, reason(error)));
  door.listen(0, '127.0.0.1', () => say('port', job, door.address().port));
  listeners[job.id] = door;
}

function jobs() {
  const does = {
    client: jobClient, server: jobServer, stop: (job) => listeners[job.id].close(),
    version: (job) => say('answer', job, `${process.version} (OpenSSL ${process.versions.openssl})`),
  };
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const job = Object.fromEntries(line.split('\t').map((field) => [field.split('=', 1)[0], field.slice(field.indexOf('=') + 1)]));
    try {
      does[job.op](job);
    } catch (error) {
      say('error', job, reason(error));
    }
  });
}

({ client, server, jobs })[mode](args);
