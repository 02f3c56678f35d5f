import { create } from '@bufbuild/protobuf';
import { FrameSchema } from '@gen/lucid/sessions/v1/event_pb';
import type { Frame } from '@gen/lucid/sessions/v1/event_pb';
import { WatchEventsResponseSchema } from '@gen/lucid/sessions/v1/sessions_pb';
import { expect, it } from 'vitest';
import { bytes, deltaFrame, event, eventFrame } from '@/testing/frames';
import { TerminalFeed } from './terminal-feed';
import { TimelineStore } from './timeline-store';

function terminal(): { store: TimelineStore; feed: TerminalFeed; screen: () => string; see: (...frames: Frame[]) => void } {
  const store = new TimelineStore('ses_1', (callback) => callback());
  let text = '';
  const write = (data: string | Uint8Array): void => {
    text += typeof data === 'string' ? data : new TextDecoder().decode(data);
  };
  const feed = new TerminalFeed(store, write, () => (text = ''));
  store.subscribe('cards', () => feed.sync());
  // eslint-disable-next-line no-control-regex
  const screen = (): string => text.replace(/\x1b\[([0-9;]*m|\?47l|!p)/g, '').replace(/\r\n/g, '\n');
  return { store, feed, screen, see: (...frames) => void store.receive(create(WatchEventsResponseSchema, { frames })) };
}

const start = (seq: number, item: string): Frame => eventFrame(event(seq, { case: 'commandStarted', value: { command: 'make' } }, item));
const end = (seq: number, item: string, head: string, tail = '', totalBytes = head.length, code = 0): Frame =>
  eventFrame(
    event(
      seq,
      {
        case: 'commandCompleted',
        value: { end: { case: 'exitCode', value: code }, head: bytes(head), tail: bytes(tail), totalBytes, truncated: tail !== '' },
      },
      item,
    ),
  );

it('writes each byte once, live and at the end', () => {
  const { see, screen } = terminal();
  see(start(1, 'i'));
  see(deltaFrame('i', 0, bytes('one '), 1));
  see(deltaFrame('i', 2, bytes('e two '), 1));
  expect(screen()).toBe('$ make\none two ');
  see(end(2, 'i', 'one two three', '', 13, 2));
  expect(screen()).toBe('$ make\none two three\n[exit 2]\n\n');
});

it('fills in from head and tail what it has not seen, and says what is left out', () => {
  const { see, screen } = terminal();
  see(start(1, 'i'), deltaFrame('i', 0, bytes('he'), 1));
  see(end(2, 'i', 'head', 'tail\n', 1009));
  expect(screen()).toBe('$ make\nhead\n… 1,000 bytes left out …\ntail\n[exit 0]\n\n');
});

it('shows the same after a refresh, when only the log is left', () => {
  const live = terminal();
  live.see(start(1, 'i'), deltaFrame('i', 0, bytes('a\n'), 1));
  live.see(end(2, 'i', 'a\nb\n'), start(3, 'j'), end(4, 'j', ''));
  const fresh = terminal();
  fresh.see(start(1, 'i'), end(2, 'i', 'a\nb\n'), start(3, 'j'), end(4, 'j', ''));
  expect(fresh.screen()).toBe(live.screen());
});

it('begins anew when the log does', () => {
  const { see, screen } = terminal();
  see(start(1, 'i'), end(2, 'i', 'old\n'));
  see(create(FrameSchema, { frame: { case: 'reset', value: { epoch: 1 } } }));
  see(start(1, 'k'), end(2, 'k', 'new\n'));
  expect(screen()).toBe('$ make\nnew\n[exit 0]\n\n');
});

it('leaves the full screen that a command did not leave itself', () => {
  const store = new TimelineStore('ses_1', (callback) => callback());
  let text = '';
  const feed = new TerminalFeed(store, (data) => (text += typeof data === 'string' ? data : new TextDecoder().decode(data)), () => undefined);
  const frames = [start(1, 'i'), end(2, 'i', '\x1b[?1049h\x1b[5;10rdrawn')];
  store.receive(create(WatchEventsResponseSchema, { frames }));
  feed.sync();
  expect(text.indexOf('\x1b[?47l\x1b[!p')).toBeGreaterThan(text.indexOf('drawn'));
});
