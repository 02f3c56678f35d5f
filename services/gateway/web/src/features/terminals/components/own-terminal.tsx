import { useEffect, useRef } from 'react';
import type { ReactNode } from 'react';
import { openScreen } from '@/components/ui/terminal-screen';
import { newId } from '@/lib/id';
import { openTerminal } from '../api/open-terminal';
import { resizeTerminal } from '../api/resize-terminal';
import { writeTerminal } from '../api/write-terminal';
import { TerminalLink } from '../stores/terminal-link';
import type { LinkState } from '../stores/terminal-link';
import { Typing } from '../stores/typing';

/** Bytes that may wait to be drawn. */
const MOST_UNDRAWN = 512 * 1024;

interface OwnTerminalProps {
  readonly sandboxId: string;
  readonly terminalId: string;
  readonly onState: (state: LinkState) => void;
}

/** A terminal that is typed into. */
export default function OwnTerminal({ sandboxId, terminalId, onState }: OwnTerminalProps): ReactNode {
  const host = useRef<HTMLDivElement>(null);
  useEffect(
    () => (host.current === null ? undefined : attach(host.current, sandboxId, terminalId, onState)),
    [sandboxId, terminalId, onState],
  );
  return <div className="terminal-host terminal-own" data-testid="own-terminal" ref={host} />;
}

function attach(host: HTMLElement, sandboxId: string, terminalId: string, onState: (state: LinkState) => void): () => void {
  const { terminal, close } = openScreen(host, { scrollback: 10_000, cursorBlink: false }, true);
  const writer = newId();
  const typing = new Typing((offset, data) => writeTerminal(sandboxId, terminalId, writer, offset, data));
  // Old output may hold questions of programs, which the terminal would answer once more.
  let old = 0;
  let undrawn = 0;
  const encoder = new TextEncoder();
  terminal.onData((text) => {
    if (old === 0) typing.add(encoder.encode(text));
  });
  terminal.onBinary((text) => {
    if (old === 0) typing.add(Uint8Array.from(text, (character) => character.charCodeAt(0)));
  });
  const link = new TerminalLink(
    { sandboxId, terminalId, columns: terminal.cols, rows: terminal.rows },
    {
      open: openTerminal,
      show: (data, before) => {
        old += before ? 1 : 0;
        undrawn += data.length;
        const drawn = new Promise<void>((done) => {
          terminal.write(data, () => {
            old -= before ? 1 : 0;
            undrawn -= data.length;
            done();
          });
        });
        return undrawn > MOST_UNDRAWN ? drawn : undefined;
      },
      tell: (state) => {
        onState(state);
        if (state.at === 'ended' || state.at === 'failed') {
          typing.stop();
          terminal.options.disableStdin = true;
        }
      },
    },
  );
  const sizes = terminal.onResize(({ cols, rows }) => {
    // The next size, or the next opening, says it again.
    resizeTerminal(sandboxId, terminalId, cols, rows).catch(() => undefined);
  });
  terminal.focus();
  void link.run();
  return () => {
    link.stop();
    typing.stop();
    sizes.dispose();
    close();
  };
}
