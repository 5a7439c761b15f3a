// Node.js: the recipe's https server, and its client.
//
//   node peer.js client PORT VERSION CA CERT|- KEY|- COUNT
//   node peer.js server VERSION CA CERT KEY
'use strict';
const fs = require('fs');
const https = require('https');

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

(mode === 'client' ? client : server)(args);
