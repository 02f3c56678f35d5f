import { useEffect, useRef } from 'react';
import type { ReactNode } from 'react';
import { openScreen } from '@/components/ui/terminal-screen';
import { TerminalFeed } from '../stores/terminal-feed';
import type { TimelineStore } from '../stores/timeline-store';

/** A read-only terminal with every command and its output as it comes. */
export default function TerminalView({ store }: { store: TimelineStore }): ReactNode {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => (host.current === null ? undefined : attach(host.current, store)), [store]);
  return <div className="terminal-host" ref={host} />;
}

function attach(host: HTMLElement, store: TimelineStore): () => void {
  const reading = { disableStdin: true, convertEol: true, scrollback: 20_000 } as const;
  const { terminal, close } = openScreen(host, { ...reading, cursorInactiveStyle: 'none', cursorStyle: 'bar', cursorBlink: false }, false);
  const feed = new TerminalFeed(
    store,
    (data) => terminal.write(data),
    () => terminal.reset(),
  );
  feed.sync();
  const unsubscribe = store.subscribe('cards', () => feed.sync());
  return () => {
    unsubscribe();
    close();
  };
}
