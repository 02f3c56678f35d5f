import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Plugin } from 'vite';

interface Backend {
  unary(path: string, body: Uint8Array): Promise<Uint8Array>;
  rest(path: string, response: ServerResponse): void;
  stream(socket: WebSocket): void;
}

/** Serves the page with a scripted backend instead of the services. */
export function mock(): Plugin {
  return {
    name: 'lucid-mock',
    async configureServer(server) {
      const { backend } = (await server.ssrLoadModule('/mock/backend.ts')) as { backend: Backend };
      server.middlewares.use((request, response, next) => {
        void handle(backend, request, response, next);
      });
      const sockets = new WebSocketServer({ noServer: true });
      (server.httpServer as Server | null)?.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        if (request.url?.startsWith('/api/v1/stream') !== true) return;
        sockets.handleUpgrade(request, socket, head, (ready) => backend.stream(ready));
      });
    },
  };
}

async function handle(backend: Backend, request: IncomingMessage, response: ServerResponse, next: () => void): Promise<void> {
  const path = request.url ?? '/';
  if (path.startsWith('/api/')) {
    backend.rest(path, response);
    return;
  }
  if (!path.startsWith('/lucid.')) {
    next();
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  response.setHeader('content-type', 'application/grpc-web+proto');
  try {
    response.write(frame(0, await backend.unary(path, Buffer.concat(chunks).subarray(5))));
    response.end(frame(0x80, Buffer.from('grpc-status:0\r\n')));
  } catch (error) {
    const [code, message] = (error as Error).message.split(/ (.*)/);
    response.end(frame(0x80, Buffer.from(`grpc-status:${code ?? '13'}\r\ngrpc-message:${encodeURIComponent(message ?? '')}\r\n`)));
  }
}

function frame(flags: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(data.length, 1);
  return Buffer.concat([head, data]);
}
