// Node as the mutual-TLS server of the benchmark: the recipe, word for word.
// bench/run fills in @PORT@ and @DIR@.

const fs = require('fs')
const https = require('https')

const ca = fs.readFileSync('@DIR@/ca.crt')
const cert = fs.readFileSync('@DIR@/server.crt')
const key = fs.readFileSync('@DIR@/server.key')

https.createServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true }, (req, res) => {
  res.writeHead(200)
  res.end('Hello World')
}).listen(@PORT@, '127.0.0.1')
