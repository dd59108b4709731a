// Node's own HTTP server, stopped by `server.close()` as its documentation has it: that also closes
// idle connections, from Node 19 on. At the deadline it exits: `closeAllConnections()` would
// not end handlers.
'use strict';
const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');

const HELLO = 'Hello, World!';
const PIECE = Buffer.alloc(1 << 16, 'm');

async function answer(request, response) {
  const [name, ...numbers] = request.url.split('/').slice(1);
  const [first, second] = numbers.map(Number);
  switch (name) {
    case '':
      return response.end(HELLO);
    case 'echo':
      return request.pipe(response);
    case 'delay':
      await sleep(first);
      return response.end(HELLO);
    case 'stream':
      for (let sent = 0; sent < first; sent += 1) {
        if (sent > 0) await sleep(second);
        response.write(`chunk ${sent}\n`);
      }
      return response.end();
    case 'bytes':
      response.setHeader('Content-Length', first);
      for (let left = first; left > 0; left -= PIECE.length) {
        const room = response.write(left < PIECE.length ? PIECE.subarray(0, left) : PIECE);
        if (!room) await new Promise((drained) => response.once('drain', drained));
      }
      return response.end();
    default:
      response.statusCode = 404;
      return response.end();
  }
}

const server = http.createServer(answer);
const [host, port] = process.argv[2].split(':');
server.listen(Number(port), host);
function drain() {
  server.close();
  setTimeout(() => process.exit(), Number(process.argv[3]) * 1000).unref();
}
process.once('SIGTERM', drain);
process.once('SIGINT', drain);
