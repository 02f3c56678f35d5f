import { lazy, Suspense, useCallback, useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { newId } from '@/lib/id';
import { closeTerminal } from '../api/close-terminal';
import type { LinkState } from '../stores/terminal-link';

const OwnTerminal = lazy(() => import('./own-terminal'));

interface TerminalTabsProps {
  /** Empty while the sandbox is not known. */
  readonly sandboxId: string;
  /** What the agent runs: shown until the person opens a terminal. */
  readonly agent: ReactNode;
}

/** The agent's commands, and beside them a terminal of the person's own in the same sandbox. */
export function TerminalTabs({ sandboxId, agent }: TerminalTabsProps): ReactNode {
  const [shown, setShown] = useState<'agent' | 'own'>('agent');
  const [terminalId, setTerminalId] = useState('');
  const open = (): void => {
    if (terminalId === '') setTerminalId(kept(sandboxId) ?? keep(sandboxId));
    setShown('own');
  };
  const close = (): void => {
    forget(sandboxId);
    setTerminalId('');
    setShown('agent');
  };
  return (
    <div className="terminal-tabs">
      <div className="terminal-bar" role="tablist" aria-label="Terminals">
        <button type="button" role="tab" className="terminal-tab" aria-selected={shown === 'agent'} onClick={() => setShown('agent')}>
          Agent
        </button>
        <button
          type="button"
          role="tab"
          className="terminal-tab"
          data-testid="open-terminal"
          aria-selected={shown === 'own'}
          disabled={sandboxId === ''}
          title={sandboxId === '' ? 'The sandbox is still being made' : 'A shell of your own in this sandbox'}
          onClick={open}
        >
          {terminalId === '' ? (
            <>
              <Icon name="plus" size={12} /> Open a terminal
            </>
          ) : (
            'Your terminal'
          )}
        </button>
      </div>
      <div className="terminal-page" role="tabpanel" hidden={shown !== 'agent'}>
        {agent}
      </div>
      {terminalId !== '' && (
        <div className="terminal-page" role="tabpanel" hidden={shown !== 'own'}>
          <Own key={terminalId} sandboxId={sandboxId} terminalId={terminalId} onAnother={() => setTerminalId(keep(sandboxId))} onClose={close} />
        </div>
      )}
    </div>
  );
}

interface OwnProps {
  readonly sandboxId: string;
  readonly terminalId: string;
  readonly onAnother: () => void;
  readonly onClose: () => void;
}

function Own({ sandboxId, terminalId, onAnother, onClose }: OwnProps): ReactNode {
  const [state, setState] = useState<LinkState>({ at: 'opening' });
  const [problem, setProblem] = useState('');
  const over = state.at === 'ended' || state.at === 'failed';
  const tell = useCallback((next: LinkState) => setState(next), []);
  const close = (): void => {
    if (over) onClose();
    else closeTerminal(sandboxId, terminalId).then(onClose, (error: unknown) => setProblem(errorText(error)));
  };
  return (
    <>
      <div className="terminal-state" data-testid="terminal-state" data-state={state.at}>
        <span className="terminal-words" role="status">
          {words(state)}
        </span>
        {over && (
          <Button look="quiet" data-testid="another-terminal" onClick={onAnother}>
            Open another
          </Button>
        )}
        <Button look="quiet" className="button-icon" aria-label="Close the terminal" data-testid="close-terminal" onClick={close}>
          <Icon name="close" size={14} />
        </Button>
      </div>
      <Notice text={problem} />
      <Suspense fallback={<Spinner label="Loading the terminal" />}>
        <OwnTerminal sandboxId={sandboxId} terminalId={terminalId} onState={tell} />
      </Suspense>
    </>
  );
}

function words(state: LinkState): string {
  switch (state.at) {
    case 'opening':
      return 'Opening …';
    case 'away':
      return 'Connection lost, trying again …';
    case 'open':
      return 'You and the agent share files and processes';
    default:
      return state.words;
  }
}

// A page that is loaded again comes back to the terminal that it had open.
function kept(sandboxId: string): string | null {
  try {
    return sessionStorage.getItem(`lucid.terminal.${sandboxId}`);
  } catch {
    return null;
  }
}

function keep(sandboxId: string): string {
  const id = newId();
  try {
    sessionStorage.setItem(`lucid.terminal.${sandboxId}`, id);
  } catch {
    // A browser that keeps nothing opens a new one after the reload.
  }
  return id;
}

function forget(sandboxId: string): void {
  try {
    sessionStorage.removeItem(`lucid.terminal.${sandboxId}`);
  } catch {
    // Nothing was kept.
  }
}
