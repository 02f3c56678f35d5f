import { lazy, Suspense } from 'react';
import type { ReactNode } from 'react';
import { Spinner } from '@/components/ui/notice';
import type { TimelineStore } from '../stores/timeline-store';

const TerminalView = lazy(() => import('./terminal-view'));

/** The right pane: loaded when it is first shown. */
export function TerminalPane({ store }: { store: TimelineStore }): ReactNode {
  return (
    <Suspense fallback={<Spinner label="Loading the terminal" />}>
      <TerminalView store={store} />
    </Suspense>
  );
}
