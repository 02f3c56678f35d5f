import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { DescMethodUnary, MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServerResponse } from 'node:http';
import type { WebSocket } from 'ws';
import { AccountsService, StreamRequestSchema, StreamResponseSchema } from '@gen/lucid/gateway/v1/accounts_pb';
import { IntegrationsService, PullRequest_State } from '@gen/lucid/integrations/v1/integrations_pb';
import { SandboxService } from '@gen/lucid/sandbox/v1/sandbox_pb';
import { Source, StatusChanged_Phase as Phase } from '@gen/lucid/sessions/v1/event_pb';
import { Session_State, SessionsService, WatchEventsResponseSchema } from '@gen/lucid/sessions/v1/sessions_pb';
import { changed, rewind } from './changes';
import { MockLog } from './log';
import { MockQueue } from './queue';
import { DIFF, Script } from './script';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const user = { userId: 'usr_1', email: 'ada@example.com', name: 'Ada' };
const logs = new Map<string, MockLog>();
const queues = new Map<string, MockQueue>();
let signedIn = false;
let merged = false;
let hint = '';

function session(log: MockLog, index: number) {
  const states = [Session_State.RUNNING, Session_State.WAITING, Session_State.IDLE, Session_State.FAILED];
  const titles = ['Fix the rounding of split sums', 'Why is the import slow?', 'Add a dark theme', 'Upgrade the parser'];
  return {
    sessionId: log.sessionId,
    title: titles[index % 4] ?? '',
    task: 'Fix it',
    state: states[index % 4] ?? Session_State.IDLE,
    repository: { provider: 'local', fullName: 'demo/tally', url: '' },
    model: 'demo',
    sandboxId: 'sbx_0123456789',
    confinement: 'bubblewrap',
    updateTime: timestampFromDate(new Date(Date.now() - index * 3_700_000)),
  };
}

function list() {
  return [...logs.values()].reverse().map(session);
}

function start(task: string) {
  const log = new MockLog(`ses_mock${logs.size + 1}`);
  logs.set(log.sessionId, log);
  const queue = new MockQueue(log);
  queues.set(log.sessionId, queue);
  const script = new Script(log, pause);
  void script.run(task).then(() => (task.includes('rare') ? script.rare(queue) : task.includes('sleep') ? script.sleep() : undefined));
  return log;
}

function refuse(code: number, message: string): never {
  throw new Error(`${code} ${message}`);
}

type Handler = (request: never) => unknown;
const handlers = new Map<string, { method: DescMethodUnary; handler: Handler }>();

function on<M extends DescMethodUnary>(
  method: M,
  handler: (request: MessageShapeOf<M>) => MessageInitShape<M['output']>,
): void {
  handlers.set(`/${method.parent.typeName}/${method.name}`, { method, handler });
}
type MessageShapeOf<M extends DescMethodUnary> = import('@bufbuild/protobuf').MessageShape<M['input']>;

on(AccountsService.method.getAccount, () => (signedIn ? { user } : refuse(16, 'not signed in')));
on(AccountsService.method.getInstallation, () => ({
  devLogin: true,
  version: '0.1.0',
  githubTokenUrl: 'https://github.com/settings/tokens/new?scopes=repo,workflow',
}));
on(SessionsService.method.listSessions, () => ({ sessions: list() }));
on(SessionsService.method.getSession, ({ sessionId }) => ({ session: list().find((one) => one.sessionId === sessionId) ?? refuse(5, 'no') }));
on(SessionsService.method.createSession, ({ task }) => ({ session: session(start(task), 0) }));
on(SessionsService.method.renameSession, () => ({}));
on(SessionsService.method.deleteSession, ({ sessionId }) => {
  logs.delete(sessionId);
  return {};
});
const working = new Set([Phase.RUNNING, Phase.PAUSED, Phase.WAITING_APPROVAL]);
on(SessionsService.method.sendMessage, ({ sessionId, text, clientMessageId, delivery }) => {
  const log = logs.get(sessionId) ?? refuse(5, 'no');
  if (working.has(log.phase)) queues.get(sessionId)?.add(clientMessageId, text, delivery);
  else log.append({ case: 'userMessage', value: { text, clientMessageId } }, '', Source.USER);
  return { seq: log.events.length, clientMessageId };
});
const queueOf = (sessionId: string): MockQueue => queues.get(sessionId) ?? refuse(5, 'no');
on(SessionsService.method.updateQueuedMessage, ({ sessionId, queueItemId, text, delivery }) => {
  queueOf(sessionId).update(queueItemId, text, delivery);
  return {};
});
on(SessionsService.method.moveQueuedMessage, ({ sessionId, queueItemId, place }) => {
  queueOf(sessionId).move(queueItemId, place);
  return {};
});
on(SessionsService.method.cancelQueuedMessage, ({ sessionId, queueItemId }) => {
  queueOf(sessionId).cancel(queueItemId);
  return {};
});
const become = (sessionId: string, phase: Phase): void => {
  logs.get(sessionId)?.append({ case: 'statusChanged', value: { phase } }, '', Source.SYSTEM);
};
on(SessionsService.method.stopSession, ({ sessionId }) => {
  become(sessionId, Phase.STOPPED);
  return { stopping: true };
});
on(SessionsService.method.pauseSession, ({ sessionId }) => {
  become(sessionId, Phase.PAUSED);
  return { pausing: true };
});
on(SessionsService.method.resumeSession, ({ sessionId }) => {
  become(sessionId, Phase.RUNNING);
  return { resumed: true };
});
on(SessionsService.method.configureSession, ({ sessionId, confirmation, budget, fallbackModel }) => {
  const value = { confirmation, fallbackModel: fallbackModel ?? '', ...(budget && { budget }) };
  logs.get(sessionId)?.append({ case: 'sessionConfigured', value }, '', Source.USER);
  return {};
});
on(SessionsService.method.listEvents, ({ sessionId, beforeSeq, pageSize }) => {
  const events = logs.get(sessionId)?.events ?? [];
  return { events: events.slice(Math.max(0, beforeSeq - 1 - pageSize), beforeSeq - 1), lastSeq: events.length };
});
on(SessionsService.method.resolveApproval, ({ sessionId, requestId, optionId, text }) => {
  logs.get(sessionId)?.append({ case: 'approvalResolved', value: { requestId, optionId, text, by: user.userId } }, '', Source.USER);
  return {};
});
on(SessionsService.method.getSessionDiff, () => ({ files: changed(DIFF), baseCommit: '5e6f7a8b9c', totalFiles: 5, added: 9, removed: 3 }));
on(SessionsService.method.rewindSession, ({ sessionId, requestId, to }) => {
  const log = logs.get(sessionId) ?? refuse(5, 'no');
  if (working.has(log.phase)) refuse(9, 'The agent is at work.');
  rewind(log, to.case === 'seq' ? to.value : 0, requestId, DIFF);
  return { files: 1 };
});
let around = { image: '', setup: '', setupSeconds: 0, env: {} as Record<string, string> };
on(SessionsService.method.getRepositoryEnvironment, () => ({ environment: around }));
on(SessionsService.method.saveRepositoryEnvironment, ({ environment, keptVariables }) => {
  const names = [...keptVariables, ...Object.keys(environment?.env ?? {})];
  around = { image: environment?.image ?? '', setup: environment?.setup ?? '', setupSeconds: environment?.setupSeconds ?? 0, env: Object.fromEntries(names.map((name) => [name, ''])) };
  return { environment: around };
});
on(SessionsService.method.listModels, () => ({
  models: [
    { model: 'demo', label: 'Written plan', isDemo: true },
    { model: 'anthropic/claude', label: 'Claude' },
  ],
}));
on(IntegrationsService.method.listConnections, () => ({
  connections: hint === '' ? [] : [{ provider: 'github', username: 'ada', tokenHint: hint, scopes: ['repo', 'workflow'] }],
}));
on(IntegrationsService.method.saveConnection, ({ token }) => {
  if (!token.startsWith('ghp_')) refuse(9, 'GitHub refused this token (401 Bad credentials).');
  hint = token.slice(-4);
  return {};
});
on(IntegrationsService.method.deleteConnection, () => {
  hint = '';
  return {};
});
on(IntegrationsService.method.listRepositories, () => ({
  repositories: [
    { provider: 'local', fullName: 'demo/tally', name: 'tally', defaultBranch: 'main', description: 'A small ledger with a failing test' },
    ...['engine', 'notes', 'website', 'infra'].map((name) => ({
      provider: 'github',
      fullName: `ada/${name}`,
      name,
      private: name === 'infra',
      description: `Everything about the ${name}`,
      url: `https://github.com/ada/${name}`,
    })),
  ],
}));
on(IntegrationsService.method.getPullRequest, ({ repo, number }) => ({
  pullRequest: {
    provider: 'local',
    repo,
    number,
    title: 'Keep every cent when a sum is split',
    body: 'Splitting 100 cents by three lost one.\n\n- the rest goes to the first parts\n- `parse` no longer goes through a float',
    head: 'lucid/ses_1/fix-rounding',
    base: 'main',
    state: merged ? PullRequest_State.MERGED : PullRequest_State.OPEN,
    added: 6,
    removed: 3,
    createTime: timestampFromDate(new Date(Date.now() - 300_000)),
  },
  unifiedDiff: DIFF,
  commits: [{ commit: '5e6f7a8b9c5e6f7a8b9c5e6f7a8b9c5e6f7a8b9c', subject: 'Keep every cent when a sum is split', author: 'Lucid AI' }],
  mergeable: !merged,
}));
on(IntegrationsService.method.mergePullRequest, () => {
  merged = true;
  return {};
});
on(SandboxService.method.listTree, () => ({
  entries: ['README.md', 'pyproject.toml', 'src/', 'src/tally/', 'src/tally/__init__.py', 'src/tally/money.py', 'tests/', 'tests/test_money.py'].map(
    (path) => ({ path: path.replace(/\/$/, ''), directory: path.endsWith('/'), size: 100n }),
  ),
}));
on(SandboxService.method.listImages, () => ({ images: ['lucid-sandbox:latest', 'golang:1.27', 'python:*'] }));
on(SandboxService.method.readFile, ({ path }) => {
  const data = Buffer.from(`"""${path}"""\n\n\ndef split(total: int, parts: int) -> list[int]:\n    share, rest = divmod(total, parts)\n    return [share + 1] * rest + [share] * (parts - rest)\n`);
  return { data, size: BigInt(data.length) };
});

/** What vite's plugin calls. */
export const backend = {
  unary(path: string, body: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve().then(() => {
      const found = handlers.get(path) ?? refuse(12, `no ${path}`);
      const answer = found.handler(fromBinary(found.method.input, body) as never);
      return toBinary(found.method.output, create(found.method.output, answer as never));
    });
  },

  rest(path: string, response: ServerResponse): void {
    signedIn = path.endsWith('/dev-login');
    response.setHeader('content-type', 'application/json');
    response.end('{}');
  },

  stream(socket: WebSocket): void {
    const ends = new Map<number, () => void>();
    const send = (response: MessageInitShape<typeof StreamResponseSchema>['response']): void => {
      if (response !== undefined) socket.send(toBinary(StreamResponseSchema, create(StreamResponseSchema, { response })));
    };
    socket.on('message', (data: Buffer) => {
      const { request } = fromBinary(StreamRequestSchema, new Uint8Array(data));
      if (request.case === 'ping') send({ case: 'pong', value: {} });
      if (request.case === 'unwatch') ends.get(request.value.streamId)?.();
      if (request.case !== 'watch') return;
      const { streamId, watch } = request.value;
      const log = logs.get(watch?.sessionId ?? '');
      if (log === undefined) {
        send({ case: 'end', value: { streamId, code: 5, reason: 'SESSION_NOT_FOUND' } });
        return;
      }
      const end = log.watch(watch?.afterSeq ?? 0, watch?.lastN ?? 0, watch?.items ?? [], (frame) => {
        const response = toBinary(WatchEventsResponseSchema, create(WatchEventsResponseSchema, { frames: [frame] }));
        send({ case: 'frames', value: { streamId, response } });
      });
      ends.set(streamId, end);
    });
    socket.on('close', () => ends.forEach((end) => end()));
  },
};

start('Show what becomes of a sandbox, until it may sleep.');
for (let index = 0; index < 3; index += 1) start('Sums lose a cent when they are split by three. Find out why and mend it. With rare cards.');
